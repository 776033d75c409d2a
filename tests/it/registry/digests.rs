//! What a tag resolves to.

use image_update_operator::registry::Client;
use image_update_operator::registry::error::Error;
use image_update_testkit::faulty_registry::{ALWAYS, Fault};

use super::{PATH, insecure, repository, resolve, tag, with_tags};

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
