//! The registry client against a registry that misbehaves by script.
//!
//! One row = one thing a registry does, and what the client makes of it. Whatever goes wrong, a
//! listing is whole or an error.

use std::time::{Duration, Instant};

use image_update_core::image::{Repository, Tag};
use image_update_operator::registry::error::{BodyError, Error};
use image_update_operator::registry::{Access, Client, Credential, TagList};
use image_update_testkit::faulty_registry::{ALWAYS, Auth, Fault, FaultyRegistry, TokenServer};

const PATH: &str = "org/app";
const USER: &str = "robot";
const PASSWORD: &str = "correct-horse";

// Listing.

#[tokio::test]
async fn lists_every_page_in_order() {
    let registry = with_tags(2_500).await;
    let list = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_eq!((list.tags.len(), list.requests), (2_500, 3));
    assert!(list.tags.is_sorted(), "tags are sorted");
    assert_eq!(list.skipped, None);
}

#[tokio::test]
async fn asks_for_a_thousand_tags_without_a_ping() {
    let registry = with_tags(3).await;
    list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    let paths: Vec<_> = registry
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/v2/org/app/tags/list?n=1000"]);
}

#[tokio::test]
async fn follows_a_registry_that_gives_smaller_pages() {
    let registry = with_tags(95).await;
    registry.limit_page(10);
    let list = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_eq!((list.tags.len(), list.requests), (95, 10));
}

#[tokio::test]
async fn the_revision_follows_the_tags() {
    let registry = with_tags(30).await;
    let first = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    registry.limit_page(7);
    let paged = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_eq!(first.revision, paged.revision);
    registry.set_tags(PATH, tags(31));
    let longer = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_ne!(first.revision, longer.revision);
}

#[tokio::test]
async fn a_repository_may_have_no_tags() {
    for body in [r#"{"name":"org/app","tags":null}"#, r#"{"tags":[]}"#] {
        let list = list_with(Fault::Body(body.to_owned()), 1)
            .await
            .expect("the page is valid");
        assert_eq!(list.tags, []);
    }
}

#[tokio::test]
async fn leaves_out_what_is_no_tag_and_says_so() {
    let body = r#"{"tags":["b","","-x","b","a","ä","x y"]}"#;
    let list = list_with(Fault::Body(body.to_owned()), 1)
        .await
        .expect("the page is valid");
    let tags: Vec<_> = list.tags.iter().map(Tag::as_str).collect();
    let skipped = list.skipped.expect("something was left out");
    assert_eq!((tags, skipped.count), (vec!["a", "b"], 4));
}

#[tokio::test]
async fn takes_json_by_other_names() {
    for content_type in [
        "application/json; charset=utf-8",
        "text/plain",
        "application/vnd.x+json",
    ] {
        list_with(Fault::ContentType(content_type), 1)
            .await
            .expect("the page is valid");
    }
}

// What goes wrong.

#[tokio::test]
async fn a_page_that_is_no_tag_list_is_an_error() {
    check(Fault::ContentType("text/html"), |error| {
        matches!(
            error,
            Error::InvalidBody {
                source: BodyError::ContentType(_),
                ..
            }
        )
    })
    .await;
    let is_json_error = |error: &Error| {
        matches!(
            error,
            Error::InvalidBody {
                source: BodyError::Json { .. },
                ..
            }
        )
    };
    check(Fault::TruncatedJson, is_json_error).await;
    for body in ["", "{}", "[]", r#"{"tags":{}}"#, r#"{"tags":[1]}"#] {
        check(Fault::Body(body.to_owned()), is_json_error).await;
    }
}

#[tokio::test]
async fn a_listing_without_end_is_an_error() {
    check(Fault::EndlessPage, |error| {
        matches!(error, Error::TooManyPages { .. })
    })
    .await;
    check(Fault::SamePage, |error| {
        matches!(error, Error::RepeatedPage { .. })
    })
    .await;
    // Another URL each time, but the same tags.
    let link = Fault::Link("/v2/org/app/tags/list?n=1000&again=1".to_owned());
    check(link, |error| matches!(error, Error::RepeatedPage { .. })).await;
}

#[tokio::test]
async fn a_body_without_end_is_an_error() {
    check(Fault::HugeBody(64 << 20), |error| {
        matches!(error, Error::BodyTooLarge { .. })
    })
    .await;
}

#[tokio::test]
async fn a_link_that_cannot_be_read_is_an_error() {
    for header in ["<>; rel=next", "</v2; rel=next", "</v2> rel=next"] {
        check(Fault::LinkHeader(header.to_owned()), |error| {
            matches!(error, Error::InvalidLink { .. })
        })
        .await;
    }
}

#[tokio::test]
async fn a_later_page_that_fails_fails_the_listing() {
    for fault in [
        Fault::status(500),
        Fault::status(404),
        Fault::too_many_requests(None),
        Fault::TruncatedJson,
        Fault::CutConnection,
        Fault::ContentType("text/html"),
    ] {
        let registry = with_tags(30).await;
        registry.limit_page(10);
        registry.fault_after(2, fault.clone(), ALWAYS);
        list(&registry, &insecure())
            .await
            .expect_err(&format!("{fault:?} on page 3"));
    }
}

#[tokio::test]
async fn statuses_are_told_apart() {
    check(Fault::status(403), |error| {
        matches!(error, Error::Forbidden { .. })
    })
    .await;
    check(Fault::status(404), |error| {
        matches!(error, Error::RepositoryNotFound { .. })
    })
    .await;
    check(Fault::status(418), |error| {
        matches!(error, Error::UnexpectedStatus { status: 418, .. })
    })
    .await;
    check(Fault::status(503), |error| {
        matches!(error, Error::ServerError { status: 503, .. })
    })
    .await;
    check(Fault::CutConnection, |error| {
        matches!(error, Error::Interrupted { .. })
    })
    .await;
    check(Fault::RedirectLoop, |error| {
        matches!(error, Error::TooManyRedirects { .. })
    })
    .await;
}

#[tokio::test]
async fn an_unknown_repository_is_named_with_the_registrys_words() {
    let registry = with_tags(1).await;
    let unknown = repository(&registry, "org/other");
    let error = Client::new()
        .list_tags(&unknown, &insecure())
        .await
        .expect_err("it is unknown");
    assert!(
        matches!(error, Error::RepositoryNotFound { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(unknown.as_str()) && text.contains("repository name not known"),
        "{text}"
    );
}

// Waiting and asking again.

#[tokio::test]
async fn a_failure_that_passes_is_bridged() {
    for fault in [Fault::status(500), Fault::status(502), Fault::CutConnection] {
        let list = list_with(fault.clone(), 2)
            .await
            .unwrap_or_else(|error| unexpected(&error));
        assert_eq!((list.tags.len(), list.requests), (5, 3), "{fault:?}");
    }
}

#[tokio::test]
async fn a_failure_that_stays_is_asked_three_times() {
    check_requests(Fault::status(500), 3).await;
    check_requests(Fault::CutConnection, 3).await;
}

#[tokio::test]
async fn what_asking_again_cannot_change_is_asked_once() {
    for fault in [
        Fault::status(403),
        Fault::status(404),
        Fault::too_many_requests(None),
        Fault::TruncatedJson,
        Fault::HugeBody(64 << 20),
    ] {
        check_requests(fault, 1).await;
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    check_retry_after(Fault::too_many_requests(Some("120")), Some(120)).await;
    check_retry_after(Fault::too_many_requests(None), None).await;
    check_retry_after(Fault::too_many_requests(Some("soon")), None).await;
    // Far in the past: the wait is over.
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    check_retry_after(Fault::too_many_requests(Some(date)), Some(0)).await;
}

#[tokio::test]
async fn a_server_that_says_when_is_not_asked_before() {
    let registry = with_tags(1).await;
    let fault = Fault::Status {
        status: 503,
        message: "maintenance".to_owned(),
        retry_after: Some("60".to_owned()),
    };
    registry.fault(fault, ALWAYS);
    let error = list(&registry, &insecure()).await.expect_err("it is down");
    assert_eq!(
        error.retry_after(),
        Some(Duration::from_mins(1)),
        "{error:?}"
    );
    assert_eq!(registry.request_count(), 1);
}

#[tokio::test]
async fn a_slow_registry_is_given_up_in_time() {
    for fault in [
        Fault::SlowDrip(Duration::from_millis(50)),
        Fault::Silence(Duration::from_secs(30)),
        // Retries end with the time, too.
        Fault::status(500),
    ] {
        let registry = with_tags(100).await;
        registry.fault(fault.clone(), ALWAYS);
        let access = Access {
            timeout: Duration::from_millis(150),
            ..insecure()
        };
        let started = Instant::now();
        let error = list(&registry, &access).await.expect_err("it is too slow");
        assert!(
            matches!(error, Error::Timeout { .. }),
            "{fault:?}: {error:?}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{fault:?}: {:?}",
            started.elapsed()
        );
    }
}

// Credentials.

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

// Where credentials go.

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

// TLS.

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_given_is_trusted() {
    let registry = tls().await;
    let list = list(&registry, &trusting(&registry))
        .await
        .expect("the authority is trusted");
    assert_eq!(list.tags.len(), 3);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let registry = tls().await;
    let other = tls().await;
    for access in [Access::default(), trusting(&other)] {
        let error = list(&registry, &access)
            .await
            .expect_err("the authority is unknown");
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    }
    assert_eq!(registry.request_count(), 0);
}

#[tokio::test]
async fn insecure_takes_any_certificate_over_tls() {
    let registry = tls().await;
    let list = list(&registry, &insecure())
        .await
        .expect("any certificate will do");
    assert_eq!(list.tags.len(), 3);
}

#[tokio::test]
async fn plain_http_needs_insecure() {
    let registry = with_tags(1).await;
    let error = list(&registry, &Access::default())
        .await
        .expect_err("the registry has no TLS");
    assert!(matches!(error, Error::PlainHttp { .. }), "{error:?}");
    assert_eq!(registry.request_count(), 0);
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let registry = FaultyRegistry::start_mutual_tls()
        .await
        .expect("the registry starts");
    registry.set_tags(PATH, tags(3));
    let identity = registry.client_identity_pem().expect("it has TLS");
    let with_identity = Access {
        client_identity_pem: Some(identity.as_bytes().to_vec().into()),
        ..trusting(&registry)
    };
    let listed = list(&registry, &with_identity)
        .await
        .expect("the certificate is known");
    assert_eq!(listed.tags.len(), 3);
    let error = list(&registry, &trusting(&registry))
        .await
        .expect_err("there is no certificate");
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_that_cannot_be_read_are_named() {
    let registry = tls().await;
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
    ] {
        let bad_ca = Access {
            ca_pem: Some(pem.as_bytes().to_vec()),
            ..Access::default()
        };
        let identity = Some(pem.as_bytes().to_vec().into());
        let bad_identity = Access {
            client_identity_pem: identity,
            ..Access::default()
        };
        for access in [bad_ca, bad_identity] {
            let error = list(&registry, &access)
                .await
                .expect_err("the PEM is broken");
            assert!(
                matches!(error, Error::Certificates { .. }),
                "{pem}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_an_error() {
    let registry = with_tags(1).await;
    let gone = app(&registry);
    drop(registry);
    let error = Client::new()
        .list_tags(&gone, &insecure())
        .await
        .expect_err("it is gone");
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
}

// Digests.

#[tokio::test]
async fn a_digest_costs_one_head() {
    let registry = with_tags(1).await;
    let digest = resolve(&registry, "v0").await.expect("the tag is there");
    assert_eq!(digest, registry.digest(PATH, "v0"));
    let requests = registry.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("HEAD", "/v2/org/app/manifests/v0")
    );
}

#[tokio::test]
async fn a_digest_that_is_not_named_is_computed() {
    let registry = with_tags(1).await;
    registry.fault(Fault::NoDigest, 2);
    let digest = resolve(&registry, "v0").await.expect("the tag is there");
    assert_eq!(digest, registry.digest(PATH, "v0"));
}

#[tokio::test]
async fn a_registry_without_head_is_asked_with_get() {
    let registry = with_tags(1).await;
    registry.fault(Fault::status(405), 1);
    let digest = resolve(&registry, "v0").await.expect("the tag is there");
    assert_eq!(digest, registry.digest(PATH, "v0"));
}

#[tokio::test]
async fn a_digest_that_is_not_the_bodys_is_refused() {
    let registry = with_tags(1).await;
    registry.fault(Fault::NoDigest, 1);
    registry.fault(Fault::WrongDigest, 1);
    let error = resolve(&registry, "v0")
        .await
        .expect_err("the digest is wrong");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn no_digest_is_made_of_a_page_that_is_no_manifest() {
    let registry = with_tags(1).await;
    registry.fault(Fault::ContentType("text/html"), ALWAYS);
    let error = resolve(&registry, "v0")
        .await
        .expect_err("it is no manifest");
    assert!(matches!(error, Error::InvalidBody { .. }), "{error:?}");
}

#[tokio::test]
async fn an_unknown_tag_is_told_from_an_unknown_repository() {
    let registry = with_tags(1).await;
    let error = resolve(&registry, "v7")
        .await
        .expect_err("there is no such tag");
    assert!(matches!(error, Error::TagNotFound { .. }), "{error:?}");
    let unknown = repository(&registry, "org/other");
    let error = Client::new()
        .resolve_digest(&unknown, &tag("v0"), &insecure())
        .await
        .expect_err("there is no such repository");
    assert!(
        matches!(error, Error::RepositoryNotFound { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_manifest_without_end_is_an_error() {
    let registry = with_tags(1).await;
    registry.set_manifest(PATH, "v0", vec![b' '; 5 << 20]);
    registry.fault(Fault::NoDigest, ALWAYS);
    let error = resolve(&registry, "v0").await.expect_err("it is too large");
    assert!(matches!(error, Error::BodyTooLarge { .. }), "{error:?}");
}

// Support.

/// Lists a repository of five tags while the registry has this fault, always.
async fn check(fault: Fault, expected: impl Fn(&Error) -> bool) {
    let error = list_with(fault.clone(), ALWAYS)
        .await
        .expect_err(&format!("{fault:?}"));
    assert!(expected(&error), "{fault:?}: {error:?}");
}

async fn check_token(fault: Fault, expected: impl Fn(&Error) -> bool) {
    let registry = with_tags(1).await;
    registry.require(Auth::Bearer(token_server()));
    registry.token_fault(fault.clone(), ALWAYS);
    let error = list(&registry, &robot())
        .await
        .expect_err(&format!("{fault:?}"));
    assert!(expected(&error), "{fault:?}: {error:?}");
}

/// Counts the requests of a listing that fails.
async fn check_requests(fault: Fault, expected: usize) {
    let registry = with_tags(5).await;
    registry.fault(fault.clone(), ALWAYS);
    list(&registry, &insecure())
        .await
        .expect_err(&format!("{fault:?}"));
    assert_eq!(registry.request_count(), expected, "{fault:?}");
}

async fn check_retry_after(fault: Fault, seconds: Option<u64>) {
    let error = list_with(fault.clone(), 1)
        .await
        .expect_err(&format!("{fault:?}"));
    assert!(
        matches!(error, Error::RateLimited { .. }),
        "{fault:?}: {error:?}"
    );
    assert_eq!(
        error.retry_after(),
        seconds.map(Duration::from_secs),
        "{fault:?}"
    );
}

/// Lists, and compares what every request showed.
async fn check_scan(
    client: &Client,
    registry: &FaultyRegistry,
    access: &Access,
    shown: &[Option<&str>],
) {
    registry.forget_requests();
    let list = client.list_tags(&app(registry), access).await;
    let list = list.unwrap_or_else(|error| unexpected(&error));
    let requests = registry.requests();
    let found: Vec<_> = requests
        .iter()
        .map(|it| it.authorization.as_deref())
        .collect();
    assert_eq!(found, shown);
    assert!(
        list.requests as usize >= found.len(),
        "{} requests",
        list.requests
    );
}

async fn list_with(fault: Fault, times: usize) -> Result<TagList, Error> {
    let registry = with_tags(5).await;
    registry.fault(fault, times);
    list(&registry, &insecure()).await
}

async fn list(registry: &FaultyRegistry, access: &Access) -> Result<TagList, Error> {
    Client::new().list_tags(&app(registry), access).await
}

async fn resolve(registry: &FaultyRegistry, name: &str) -> Result<String, Error> {
    let digest = Client::new()
        .resolve_digest(&app(registry), &tag(name), &insecure())
        .await?;
    Ok(digest.as_str().to_owned())
}

async fn with_tags(count: usize) -> FaultyRegistry {
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags(PATH, tags(count));
    registry
}

async fn tls() -> FaultyRegistry {
    let registry = FaultyRegistry::start_tls()
        .await
        .expect("the registry starts");
    registry.set_tags(PATH, tags(3));
    registry
}

fn tags(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("v{number}"))
}

fn app(registry: &FaultyRegistry) -> Repository {
    repository(registry, PATH)
}

fn repository(registry: &FaultyRegistry, path: &str) -> Repository {
    format!("{}/{path}", registry.host())
        .parse()
        .expect("a loopback address is a registry")
}

fn tag(name: &str) -> Tag {
    name.parse().expect("the test's tag is valid")
}

fn token_server() -> TokenServer {
    TokenServer::new(USER, PASSWORD)
}

fn insecure() -> Access {
    Access {
        insecure: true,
        ..Access::default()
    }
}

fn robot() -> Access {
    Access {
        credential: Some(Credential::basic(USER, PASSWORD)),
        ..insecure()
    }
}

fn trusting(registry: &FaultyRegistry) -> Access {
    let ca_pem = registry.ca_pem().map(|pem| pem.as_bytes().to_vec());
    Access {
        ca_pem,
        ..Access::default()
    }
}

/// Fails with the error's text, which `expect` would not show with the row.
#[track_caller]
fn unexpected<T>(error: &Error) -> T {
    unreachable!("the listing works: {error:?}")
}
