//! What a registry is shown, and how often.

use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Client, Credential};
use image_update_testkit::faulty_registry::{ALWAYS, Auth, Fault, TokenServer};

use super::{
    PASSWORD, USER, app, check, check_scan, check_token, insecure, list, robot, token_server,
    unexpected, with_tags,
};

#[tokio::test]
async fn a_user_and_password_are_shown_when_asked_for() {
    let registry = with_tags(1).await;
    registry.require(Auth::basic(USER, PASSWORD));
    let client = Client::new();
    check_scan(&client, &registry, &robot(), &[None, Some("Basic")]).await;
    check_scan(&client, &registry, &robot(), &[Some("Basic")]).await;
}

#[tokio::test]
async fn a_token_is_fetched_once() {
    let registry = with_tags(25).await;
    registry.limit_page(10);
    registry.require(Auth::Bearer(TokenServer::new(USER, PASSWORD)));
    let client = Client::new();
    let page = Some("Bearer");
    check_scan(
        &client,
        &registry,
        &robot(),
        &[None, Some("Basic"), page, page, page],
    )
    .await;
    check_scan(&client, &registry, &robot(), &[page, page, page]).await;
}

#[tokio::test]
async fn a_token_is_fetched_without_a_credential() {
    let registry = with_tags(1).await;
    registry.require(Auth::Bearer(TokenServer {
        anonymous: true,
        ..token_server()
    }));
    check_scan(
        &Client::new(),
        &registry,
        &insecure(),
        &[None, None, Some("Bearer")],
    )
    .await;
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let registry = with_tags(1).await;
    let refresh_token = Some("refresh me".to_owned());
    registry.require(Auth::Bearer(TokenServer {
        refresh_token,
        ..token_server()
    }));
    let access = Access {
        credential: Some(Credential::identity_token("refresh me")),
        ..insecure()
    };
    check_scan(
        &Client::new(),
        &registry,
        &access,
        &[None, None, Some("Bearer")],
    )
    .await;
    let methods: Vec<_> = registry
        .requests()
        .into_iter()
        .map(|request| request.method)
        .collect();
    assert_eq!(methods, ["GET", "POST", "GET"]);
}

#[tokio::test]
async fn a_token_that_has_run_out_costs_one_request() {
    let registry = with_tags(1).await;
    // Less than the margin: it has run out when the next scan begins.
    registry.require(Auth::Bearer(TokenServer {
        expires_in_seconds: Some(5),
        ..token_server()
    }));
    let client = Client::new();
    check_scan(
        &client,
        &registry,
        &robot(),
        &[None, Some("Basic"), Some("Bearer")],
    )
    .await;
    check_scan(
        &client,
        &registry,
        &robot(),
        &[Some("Basic"), Some("Bearer")],
    )
    .await;
}

#[tokio::test]
async fn a_token_withdrawn_between_pages_is_replaced() {
    let registry = with_tags(30).await;
    registry.limit_page(10);
    registry.require(Auth::Bearer(token_server()));
    let client = Client::new();
    client
        .list_tags(&app(&registry), &robot())
        .await
        .expect("the first scan works");
    registry.revoke_tokens();
    let list = client
        .list_tags(&app(&registry), &robot())
        .await
        .expect("the second scan works");
    // The refused request, the token, three pages.
    assert_eq!((list.tags.len(), list.requests), (30, 5));
}

#[tokio::test]
async fn a_credential_that_is_refused_is_not_tried_again() {
    for auth in [
        Auth::basic(USER, "other"),
        Auth::Bearer(TokenServer::new(USER, "other")),
    ] {
        let registry = with_tags(1).await;
        registry.require(auth.clone());
        let error = list(&registry, &robot())
            .await
            .expect_err("the password is wrong");
        let is_refused = matches!(
            error,
            Error::Unauthorized {
                presented: true,
                ..
            }
        );
        assert!(is_refused, "{auth:?}: {error:?}");
        assert_eq!(registry.request_count(), 2, "{auth:?}");
    }
}

#[tokio::test]
async fn a_missing_credential_is_told_from_a_refused_one() {
    for auth in [Auth::basic(USER, PASSWORD), Auth::Bearer(token_server())] {
        let registry = with_tags(1).await;
        registry.require(auth.clone());
        let error = list(&registry, &insecure())
            .await
            .expect_err("there is no credential");
        let is_missing = matches!(
            error,
            Error::Unauthorized {
                presented: false,
                ..
            }
        );
        assert!(is_missing, "{auth:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_registry_that_is_never_content_is_given_up() {
    let registry = with_tags(1).await;
    let challenge = format!(
        r#"Bearer realm="{}/token",service="faulty""#,
        registry.base_url()
    );
    registry.require(Auth::Bearer(token_server()));
    registry.fault(Fault::Challenge(challenge), ALWAYS);
    let error = list(&registry, &robot())
        .await
        .expect_err("every token is refused");
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    // Refused, token, refused, and no further.
    assert_eq!(registry.request_count(), 3);
}

#[tokio::test]
async fn challenges_that_cannot_be_met_are_told_apart() {
    check(Fault::Challenge("Bearer".to_owned()), |error| {
        matches!(error, Error::InvalidChallenge { .. })
    })
    .await;
    check(Fault::Challenge("Negotiate".to_owned()), |error| {
        matches!(error, Error::UnsupportedChallenge { .. })
    })
    .await;
    for realm in [
        "token",
        "ftp://127.0.0.1/",
        "http://user:password@127.0.0.1/",
    ] {
        check(
            Fault::Challenge(format!(r#"Bearer realm="{realm}""#)),
            |error| matches!(error, Error::UntrustedRealm { .. }),
        )
        .await;
    }
}

#[tokio::test]
async fn failures_of_the_token_server_are_told_apart() {
    check_token(Fault::too_many_requests(Some("7")), |error| {
        matches!(
            error,
            Error::RateLimited {
                retry_after: Some(_),
                ..
            }
        )
    })
    .await;
    check_token(Fault::status(500), |error| {
        matches!(error, Error::ServerError { .. })
    })
    .await;
    check_token(Fault::HugeBody(1 << 20), |error| {
        matches!(error, Error::BodyTooLarge { .. })
    })
    .await;
    check_token(Fault::Body("{}".to_owned()), |error| {
        matches!(error, Error::NoToken { .. })
    })
    .await;
    check_token(Fault::Body(r#"{"token":"a\r\nb"}"#.to_owned()), |error| {
        matches!(error, Error::NoToken { .. })
    })
    .await;
    check_token(Fault::RedirectLoop, |error| {
        matches!(error, Error::UnexpectedStatus { status: 307, .. })
    })
    .await;
}

#[tokio::test]
async fn a_repository_hidden_from_strangers_is_asked_again_by_name() {
    for auth in [
        Auth::basic(USER, PASSWORD),
        Auth::Bearer(TokenServer::new(USER, PASSWORD)),
    ] {
        let registry = with_tags(3).await;
        registry.require(auth);
        registry.hide_from_strangers();
        let listed = list(&registry, &robot()).await;
        let listed = listed.unwrap_or_else(|error| unexpected(&error));
        assert_eq!(listed.tags.len(), 3);
        list(&registry, &insecure())
            .await
            .expect_err("a stranger sees nothing");
    }
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_not_asked_for_again_without_a_challenge() {
    let registry = with_tags(1).await;
    registry.fault(Fault::status(404), ALWAYS);
    let error = list(&registry, &robot())
        .await
        .expect_err("it is not there");
    assert!(
        matches!(error, Error::RepositoryNotFound { .. }),
        "{error:?}"
    );
    let paths: Vec<_> = registry
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/v2/org/app/tags/list?n=1000", "/v2/"]);
}
