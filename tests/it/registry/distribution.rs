//! The client against the distribution registry itself: what the one that misbehaves may have got
//! wrong about registries in order, this one gets right.

use image_update_core::image::Repository;
use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Client, Credential, TagList};
use image_update_testkit::registry::{PushOptions, Registry};
use image_update_testkit::tls::Authority;

use super::{PASSWORD, PATH, USER, insecure, robot, tag};

#[tokio::test]
async fn lists_what_was_pushed() {
    let registry = started(Registry::start().await);
    push(&registry, &["1.0.0", "latest", "1.10.0"]).await;
    let listed = listed(&registry, &insecure()).await.expect("it is listed");
    assert_eq!(names(&listed), ["1.0.0", "1.10.0", "latest"]);
    assert_eq!(listed.requests, 1);
}

#[tokio::test]
async fn a_repository_that_lost_its_tags_is_empty() {
    let registry = started(Registry::start().await);
    push(&registry, &["1.0.0"]).await;
    registry
        .delete_tag(PATH, "1.0.0")
        .await
        .expect("the tag is deleted");
    let listed = listed(&registry, &insecure()).await.expect("it is listed");
    assert!(listed.tags.is_empty());
}

#[tokio::test]
async fn an_unknown_repository_or_tag_is_not_found() {
    let registry = started(Registry::start().await);
    let error = listed(&registry, &insecure())
        .await
        .expect_err("nothing was pushed");
    assert!(
        matches!(error, Error::RepositoryNotFound { .. }),
        "{error:?}"
    );
    push(&registry, &["1.0.0"]).await;
    let error = Client::new()
        .resolve_digest(&app(&registry), &tag("2.0.0"), &insecure())
        .await
        .expect_err("the tag was not pushed");
    assert!(matches!(error, Error::TagNotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn resolves_manifests_and_indexes_to_what_was_pushed() {
    let registry = started(Registry::start().await);
    let platforms = ["linux/amd64", "linux/arm64"].map(str::to_owned).to_vec();
    let index = PushOptions {
        platforms,
        ..PushOptions::default()
    };
    for options in [PushOptions::default(), index] {
        let pushed = registry.push_image(PATH, "1.0.0", &options).await;
        let digest = Client::new()
            .resolve_digest(&app(&registry), &tag("1.0.0"), &insecure())
            .await
            .expect("the tag was pushed");
        assert_eq!(digest.as_str(), pushed.expect("the image is pushed"));
    }
}

#[tokio::test]
async fn asks_for_and_takes_a_user_and_a_password() {
    let registry = started(Registry::builder().htpasswd(USER, PASSWORD).start().await);
    push(&registry, &["1.0.0"]).await;
    let client = Client::new();
    for requests in [2, 1] {
        let listed = client.list_tags(&app(&registry), &robot()).await;
        assert_eq!(listed.expect("the password is right").requests, requests);
    }
    let wrong = Access {
        credential: Some(Credential::basic(USER, "wrong")),
        ..insecure()
    };
    for (access, was_presented) in [(wrong, true), (insecure(), false)] {
        let error = listed(&registry, &access)
            .await
            .expect_err("nobody may come in");
        let Error::Unauthorized { presented, .. } = error else {
            unreachable!("it is a matter of the credential: {error:?}")
        };
        assert_eq!(presented, was_presented);
    }
}

#[tokio::test]
async fn gets_a_token_for_pulling_and_uses_it_again() {
    let registry = Registry::builder().token_server(USER, PASSWORD).start();
    let registry = started(registry.await);
    push(&registry, &["1.0.0", "1.1.0"]).await;
    let client = Client::new();
    // The list that is refused, the token, the list; then the list alone.
    for requests in [3, 1] {
        let listed = client.list_tags(&app(&registry), &robot()).await;
        let listed = listed.expect("the password is right");
        assert_eq!((listed.tags.len(), listed.requests), (2, requests));
    }
    client
        .resolve_digest(&app(&registry), &tag("1.0.0"), &robot())
        .await
        .expect("the same token is good for manifests");
    assert_eq!(registry.token_scopes(), [format!("repository:{PATH}:pull")]);

    let wrong = Access {
        credential: Some(Credential::basic(USER, "wrong")),
        ..insecure()
    };
    for access in [wrong, insecure()] {
        let error = listed(&registry, &access).await;
        let error = error.expect_err("nobody else is given a token");
        assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    }
    assert_eq!(registry.token_count(), 1);
}

#[tokio::test]
async fn trusts_its_authority() {
    let authority = Authority::new().expect("an authority is made");
    let registry = started(Registry::builder().tls(&authority).start().await);
    push(&registry, &["1.0.0"]).await;
    let trusting = Access {
        ca_pem: Some(authority.pem().into_bytes()),
        ..Access::default()
    };
    let found = listed(&registry, &trusting)
        .await
        .expect("the authority is trusted");
    assert_eq!(names(&found), ["1.0.0"]);
    let error = listed(&registry, &Access::default())
        .await
        .expect_err("it is unknown");
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

fn started(registry: Result<Registry, image_update_testkit::registry::Error>) -> Registry {
    registry.expect("the registry starts; `tests/stack/build.sh` builds it")
}

async fn push(registry: &Registry, tags: &[&str]) {
    for tag in tags {
        registry.push(PATH, tag).await.expect("the image is pushed");
    }
}

async fn listed(registry: &Registry, access: &Access) -> Result<TagList, Error> {
    Client::new().list_tags(&app(registry), access).await
}

fn app(registry: &Registry) -> Repository {
    let text = format!("{}/{PATH}", registry.host());
    text.parse().expect("a loopback address is a registry")
}

fn names(listed: &TagList) -> Vec<&str> {
    listed.tags.iter().collect()
}
