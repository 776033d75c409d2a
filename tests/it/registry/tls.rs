//! Whom the client trusts.

use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Client};
use image_update_testkit::faulty_registry::FaultyRegistry;

use super::{PATH, app, insecure, list, tags, tls, trusting, with_tags};

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

#[tokio::test]
async fn a_listing_takes_one_connection_over_http_2() {
    let registry = tls().await;
    registry.limit_page(1);
    let client = Client::new();
    for _ in 0..2 {
        let listed = client
            .list_tags(&app(&registry), &trusting(&registry))
            .await;
        assert_eq!(listed.expect("the authority is trusted").requests, 3);
    }
    assert!(registry.requests().iter().all(|request| request.is_http2));
    assert_eq!(registry.connection_count(), 1);
}
