//! Which hosts are asked at all, and which of them are shown a credential.

use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Client};
use image_update_testkit::faulty_registry::{ALWAYS, Auth, Fault, FaultyRegistry, TokenServer};

use super::{
    PASSWORD, USER, check, check_scan, insecure, list, robot, token_server, trusting, with_tags,
};

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let other = with_tags(1).await;
    let registry = with_tags(1).await;
    registry.require(Auth::basic(USER, PASSWORD));
    registry.fault(
        Fault::Link(format!("{}/v2/org/app/tags/list", other.base_url())),
        1,
    );
    let error = list(&registry, &robot())
        .await
        .expect_err("the link leads away");
    assert!(matches!(error, Error::ForeignLink { .. }), "{error:?}");
    assert_eq!(other.request_count(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_host_is_followed_without_the_credential() {
    let other = with_tags(12).await;
    other.limit_page(10);
    let registry = with_tags(1).await;
    registry.require(Auth::basic(USER, PASSWORD));
    registry.fault(
        Fault::Redirect(format!("{}/v2/org/app/tags/list", other.base_url())),
        1,
    );
    let list = list(&registry, &robot())
        .await
        .expect("the other host lets everybody in");
    assert_eq!(list.tags.len(), 12);
    let shown: Vec<_> = other
        .requests()
        .into_iter()
        .map(|it| it.authorization)
        .collect();
    assert_eq!(shown, [None, None]);
}

#[tokio::test]
async fn the_host_behind_a_redirect_gets_no_credential_when_it_asks() {
    for auth in [Auth::basic(USER, PASSWORD), Auth::Bearer(token_server())] {
        let other = with_tags(1).await;
        other.require(auth);
        let registry = with_tags(1).await;
        registry.fault(
            Fault::Redirect(format!("{}/v2/org/app/tags/list", other.base_url())),
            1,
        );
        let error = list(&registry, &robot())
            .await
            .expect_err("the other host is not ours");
        assert!(matches!(error, Error::ForeignChallenge { .. }), "{error:?}");
        assert_eq!(other.request_count(), 1);
    }
}

#[tokio::test]
async fn a_redirect_cannot_bring_a_credential_of_its_own() {
    let target = Fault::Redirect("http://user:password@127.0.0.1/".to_owned());
    check(target, |error| {
        matches!(error, Error::InvalidRedirect { .. })
    })
    .await;
}

#[tokio::test]
async fn the_token_server_may_be_on_another_host() {
    let tokens = with_tags(0).await;
    tokens.require(Auth::Bearer(token_server()));
    let registry = with_tags(1).await;
    let realm = Some(format!("{}/token", tokens.base_url()));
    registry.require(Auth::Bearer(TokenServer {
        realm,
        ..token_server()
    }));
    check_scan(&Client::new(), &registry, &robot(), &[None, Some("Bearer")]).await;
    let shown: Vec<_> = tokens
        .requests()
        .into_iter()
        .map(|it| it.authorization)
        .collect();
    assert_eq!(shown, [Some("Basic".to_owned())]);
}

#[tokio::test]
async fn a_token_server_without_tls_gets_nothing_from_a_registry_with_tls() {
    let tokens = with_tags(0).await;
    let registry = FaultyRegistry::start_tls()
        .await
        .expect("the registry starts");
    let realm = Some(format!("{}/token", tokens.base_url()));
    registry.require(Auth::Bearer(TokenServer {
        realm,
        ..token_server()
    }));
    let access = Access {
        credential: robot().credential,
        ..trusting(&registry)
    };
    let error = list(&registry, &access)
        .await
        .expect_err("the realm has no TLS");
    assert!(matches!(error, Error::UntrustedRealm { .. }), "{error:?}");
    assert_eq!(tokens.request_count(), 0);
}

#[tokio::test]
async fn no_error_repeats_a_credential() {
    let bearer = Auth::Bearer(token_server());
    for auth in [Auth::Open, Auth::basic(USER, PASSWORD), bearer] {
        let registry = with_tags(1).await;
        registry.require(auth.clone());
        registry.fault(Fault::EchoAuthorization, ALWAYS);
        let error = list(&registry, &robot())
            .await
            .expect_err("the registry answers 400");
        // base64 of "robot:correct-horse", and of the token's beginning "0 repository:".
        for secret in [PASSWORD, "cm9ib3Q6Y29ycmVjdC1ob3JzZQ", "MCByZXBvc2l0b3J5O"] {
            let shown = format!("{error} {error:?} {:?}", robot());
            assert!(!shown.contains(secret), "{auth:?}: {shown}");
        }
    }
}

#[tokio::test]
async fn link_local_addresses_are_never_asked() {
    for host in ["169.254.169.254", "169.254.1.1:5000", "[fe80::1]:5000"] {
        let repository = format!("{host}/org/app")
            .parse()
            .expect("the row's repository is valid");
        let found = Client::new().list_tags(&repository, &insecure()).await;
        assert!(
            matches!(found, Err(Error::LinkLocal { .. })),
            "{host}: {found:?}"
        );
    }
    let is_link_local = |error: &Error| matches!(error, Error::LinkLocal { .. });
    check(
        Fault::Redirect("http://169.254.169.254/latest".to_owned()),
        is_link_local,
    )
    .await;
    check(
        Fault::Redirect("http://2852039166/latest".to_owned()),
        is_link_local,
    )
    .await;
    check(
        Fault::Challenge(r#"Bearer realm="http://169.254.169.254/""#.to_owned()),
        is_link_local,
    )
    .await;
}
