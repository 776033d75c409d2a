//! Resolves a tag to the digest of what it names now.
//!
//! Asks with HEAD, which Docker Hub does not count as a pull
//! (<https://docs.docker.com/docker-hub/usage/pulls/>), and with GET where that is not enough.
//! A digest is never made of anything but a manifest.

use image_update_core::image::{Algorithm, Digest, Tag};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use reqwest::{Method, StatusCode};

use super::answer::Answer;
use super::digest;
use super::error::{Error, Expected};
use super::exchange::{Exchange, Request};
use super::remark::Remark;

/// The largest manifest, as registries accept it:
/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests>.
const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// What a tag may name. An index comes first: of two forms, it is the one for all platforms.
const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

/// [`ACCEPTED`] as a header; a test holds them together.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// The digest of what a tag names.
pub(super) async fn resolve(exchange: &mut Exchange<'_>, tag: &Tag) -> Result<Digest, Error> {
    let head = ask(exchange, Method::HEAD, tag.as_str()).await?;
    if head.status.is_success()
        && is_manifest(&head)
        && let Some(digest) = named_digest(&head)
    {
        return Ok(digest);
    }
    // No digest, no HEAD at this registry, or an error whose reason only a body can tell.
    let answer = ask(exchange, Method::GET, tag.as_str()).await?;
    if !answer.status.is_success() {
        return Err(refusal(exchange, &answer, tag));
    }
    if !is_manifest(&answer) {
        return Err(Error::InvalidBody {
            repository: exchange.repository.clone(),
            expected: Expected::Manifest,
            source: answer.wrong_content_type(),
        });
    }
    let Some(named) = named_digest(&answer) else {
        return Ok(digest::of(Algorithm::Sha256, &answer.body));
    };
    let computed = digest::of(named.algorithm(), &answer.body);
    if named == computed {
        return Ok(computed);
    }
    let repository = exchange.repository.clone();
    Err(Error::DigestMismatch {
        repository,
        tag: tag.clone(),
        named,
        computed,
    })
}

/// Asks for the manifest that a tag or a digest names.
pub(super) async fn ask(
    exchange: &mut Exchange<'_>,
    method: Method,
    reference: &str,
) -> Result<Answer, Error> {
    let url = exchange.url(&format!("manifests/{reference}"));
    exchange
        .ask(Request::new(method, url, ACCEPT, MAX_MANIFEST_BYTES))
        .await
}

/// Whether an answer says that it is one of [`ACCEPTED`].
pub(super) fn is_manifest(answer: &Answer) -> bool {
    answer
        .media_type()
        .is_some_and(|media_type| ACCEPTED.contains(&media_type.as_str()))
}

/// The digest a registry names for its answer. One that cannot be read counts as none: it is
/// then computed.
pub(super) fn named_digest(answer: &Answer) -> Option<Digest> {
    answer
        .headers
        .get("docker-content-digest")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Why there is no manifest of a tag.
pub(super) fn refusal(exchange: &Exchange<'_>, answer: &Answer, tag: &Tag) -> Error {
    if answer.status != StatusCode::NOT_FOUND {
        return exchange.refusal(answer);
    }
    let repository = exchange.repository.clone();
    let said = exchange.remark(answer);
    if Remark::has_code(&answer.body, "NAME_UNKNOWN") {
        Error::RepositoryNotFound { repository, said }
    } else {
        Error::TagNotFound {
            repository,
            tag: tag.clone(),
            said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_every_type_it_takes() {
        assert_eq!(ACCEPT, ACCEPTED.join(", "));
    }
}
