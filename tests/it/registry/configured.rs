//! What `registries.conf` changes about how a registry is asked.

use image_update_core::image::Repository;
use image_update_core::policy::Look;
use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Builds, Client, Question};
use image_update_testkit::faulty_registry::{ALWAYS, Auth, Fault};
use image_update_testkit::registry::{PushOptions, Registry};

use super::{
    PASSWORD, USER, configured, configured_at, robot, tag, tags, tls, token_server, trusting,
    with_tags,
};

#[tokio::test]
async fn images_are_asked_for_where_the_api_is() {
    let mirror = with_tags(0).await;
    mirror.set_tags("library/nginx", tags(4));
    let access = configured(&mirror, "prefix: docker.io");
    let list = Client::new().list_tags(&nginx(), &access).await;
    assert_eq!(list.map(|list| list.tags.len()).ok(), Some(4));
}

#[tokio::test]
async fn the_default_namespace_is_part_of_the_path_and_of_the_tokens_scope() {
    let mirror = with_tags(0).await;
    mirror.set_tags("hub/nginx", tags(4));
    mirror.require(Auth::Bearer(token_server()));
    let access = image_update_operator::registry::Access {
        credential: robot().credential,
        ..configured(&mirror, "defaultns: hub")
    };
    let client = Client::new();
    let list = client.list_tags(&nginx(), &access).await;
    assert_eq!(list.map(|list| list.tags.len()).ok(), Some(4));
    let tag = "v1".parse().expect("v1 is a tag");
    client
        .resolve_digest(&nginx(), &tag, &access)
        .await
        .expect("the manifest is there, too");
}

/// An image is more than its manifest: its config is asked for at the same path.
#[tokio::test]
async fn images_of_the_default_namespace_are_looked_at() {
    let registry = Registry::start().await.expect("the registry starts");
    let created = "2026-01-02T03:04:05Z".parse();
    let options = PushOptions {
        created: Some(created.expect("it is a time")),
        ..PushOptions::default()
    };
    let pushed = registry.push_image("hub/nginx", "1.29", &options).await;
    pushed.expect("the image is pushed");
    let url = format!("http://{}", registry.host());
    let access = configured_at(&url, "defaultns: hub");
    let question = Question {
        repository: &nginx(),
        access: &access,
        platforms: &[],
        needs_time: true,
    };
    let builds = Builds::new(Client::new(), None).expect("there is no folder");
    let looks = builds.look(&question, &[(tag("1.29"), None)]).await;
    let looks = looks.expect("the registry answers");
    let Some(Look::Found(image)) = looks.get(&tag("1.29")) else {
        unreachable!("the image is there: {looks:?}")
    };
    assert_eq!(image.builds[0].created, options.created);
}

/// What is said to have TLS is not asked without it, `insecure` or not.
#[tokio::test]
async fn an_address_with_tls_stays_with_tls() {
    let registry = with_tags(1).await;
    registry.require(Auth::basic(USER, PASSWORD));
    let mut access = configured(&registry, "");
    let https = access.configured.as_deref().cloned().map(|mut it| {
        it.api_url = format!("https://{}", registry.host())
            .parse()
            .expect("a loopback address makes a URL");
        std::sync::Arc::new(it)
    });
    access.configured = https;
    access.insecure = true;
    access.credential = robot().credential;
    let error = Client::new()
        .list_tags(&nginx(), &access)
        .await
        .expect_err("the registry has no TLS");
    assert!(matches!(error, Error::PlainHttp { .. }), "{error:?}");
    assert_eq!(registry.request_count(), 0);
}

#[tokio::test]
async fn authorities_that_are_given_are_trusted() {
    let registry = tls().await;
    let repository: Repository = "any.example/org/app".parse().expect("it is valid");
    let mut access = configured(&registry, "");
    access.ca_pem = trusting(&registry).ca_pem;
    let list = Client::new().list_tags(&repository, &access).await;
    assert_eq!(list.map(|list| list.tags.len()).ok(), Some(3));
}

/// A path before `/v2/`, as of Artifactory: the registry does not know it and says so.
#[tokio::test]
async fn a_path_of_the_api_stands_before_everything() {
    let registry = with_tags(1).await;
    registry.fault(Fault::status(404), ALWAYS);
    let mut access = configured(&registry, "");
    if let Some(conf) = &mut access.configured {
        let mut moved = conf.as_ref().clone();
        moved.api_url.set_path("/api/docker/hub");
        *conf = std::sync::Arc::new(moved);
    }
    Client::new()
        .list_tags(&nginx(), &access)
        .await
        .expect_err("nothing is there");
    let paths: Vec<_> = registry.requests().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["/api/docker/hub/v2/library/nginx/tags/list?n=1000"]);
}

fn nginx() -> Repository {
    "nginx".parse().expect("nginx is a repository")
}
