//! Fetches manifests, indexes and image configs, and checks that they are what was asked for.
//!
//! Content that has the digest it should have and cannot be read is no failure: it will never be
//! otherwise, so it counts as something that is no container image.

use image_update_core::image::{Algorithm, Build, Digest, Tag};
use image_update_core::wire::manifest::{self as wire, Manifest};
use reqwest::{Method, StatusCode};
use tracing::debug;

use super::answer::Answer;
use super::digest;
use super::error::{BodyError, Error, Expected};
use super::exchange::{Exchange, Request};
use super::manifest;

/// What blobs are asked for as; registries send a config as any of these.
const ACCEPT_CONFIG: &str = "application/vnd.oci.image.config.v1+json, \
     application/vnd.docker.container.image.v1+json, application/octet-stream";

/// The digest of what a tag names, with HEAD; `None` where only GET can tell.
pub(super) async fn digest_of(
    exchange: &mut Exchange<'_>,
    tag: &Tag,
) -> Result<Option<Digest>, Error> {
    let head = manifest::ask(exchange, Method::HEAD, tag.as_str()).await?;
    let is_told = head.status.is_success() && manifest::is_manifest(&head);
    Ok(manifest::named_digest(&head).filter(|_| is_told))
}

/// What a tag names, with GET; `None` if it names nothing.
pub(super) async fn of_tag(
    exchange: &mut Exchange<'_>,
    tag: &Tag,
) -> Result<Option<(Digest, Manifest)>, Error> {
    let answer = manifest::ask(exchange, Method::GET, tag.as_str()).await?;
    if !answer.status.is_success() {
        let refusal = manifest::refusal(exchange, &answer, tag);
        let is_gone = matches!(refusal, Error::TagNotFound { .. });
        return if is_gone { Ok(None) } else { Err(refusal) };
    }
    let invalid = |exchange: &Exchange<'_>, source| Error::InvalidBody {
        repository: exchange.repository.clone(),
        expected: Expected::Manifest,
        source,
    };
    let media_type = answer.media_type().unwrap_or_default();
    let named = manifest::named_digest(&answer);
    if !manifest::is_manifest(&answer) {
        // Registries have manifests of other types, whose digest may not be that of the body.
        // The pages of proxies and logins are `text/html`.
        if !media_type.starts_with("application/vnd.") {
            return Err(invalid(exchange, answer.wrong_content_type()));
        }
        let digest = named.unwrap_or_else(|| digest::of(Algorithm::Sha256, &answer.body));
        return Ok(Some((digest, Manifest::Other)));
    }
    let algorithm = named.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let computed = digest::of(algorithm, &answer.body);
    let is_verified = match named {
        Some(named) if named != computed => {
            return Err(Error::DigestMismatch {
                repository: exchange.repository.clone(),
                tag: tag.clone(),
                named,
                computed,
            });
        }
        named => named.is_some(),
    };
    match wire::parse(&media_type, &answer.body) {
        Ok(manifest) => Ok(Some((computed, manifest))),
        Err(problem) if is_verified => {
            passed_over(exchange, &computed, problem);
            Ok(Some((computed, Manifest::Other)))
        }
        // Nobody vouches for the body, so it may have been cut short.
        Err(problem) => Err(invalid(exchange, BodyError::Document(problem))),
    }
}

/// The manifest with this digest; `None` if there is none.
pub(super) async fn of_digest(
    exchange: &mut Exchange<'_>,
    asked: &Digest,
) -> Result<Option<Manifest>, Error> {
    let answer = manifest::ask(exchange, Method::GET, asked.as_str()).await?;
    let Some(answer) = verified(exchange, answer, asked)? else {
        return Ok(None);
    };
    let media_type = answer.media_type().unwrap_or_default();
    let manifest = wire::parse(&media_type, &answer.body);
    Ok(Some(manifest.unwrap_or_else(|problem| {
        passed_over(exchange, asked, problem);
        Manifest::Other
    })))
}

/// What the config with this digest says; `None` if there is none.
pub(super) async fn config(
    exchange: &mut Exchange<'_>,
    asked: &Digest,
) -> Result<Option<Build>, Error> {
    let url = exchange.url(&format!("blobs/{asked}"));
    let request = Request::new(Method::GET, url, ACCEPT_CONFIG, wire::MAX_BYTES);
    let answer = exchange.ask(request).await?;
    let Some(answer) = verified(exchange, answer, asked)? else {
        return Ok(None);
    };
    Ok(Some(wire::parse_config(&answer.body).unwrap_or_else(
        |problem| {
            passed_over(exchange, asked, problem);
            Build {
                platform: None,
                created: None,
            }
        },
    )))
}

/// The answer, if it is the content that was asked for by its digest.
fn verified(
    exchange: &Exchange<'_>,
    answer: Answer,
    asked: &Digest,
) -> Result<Option<Answer>, Error> {
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.status.is_success() {
        return Err(exchange.refusal(&answer));
    }
    let computed = digest::of(asked.algorithm(), &answer.body);
    if computed == *asked {
        return Ok(Some(answer));
    }
    Err(Error::ContentMismatch {
        repository: exchange.repository.clone(),
        asked: asked.clone(),
        computed,
    })
}

fn passed_over(exchange: &Exchange<'_>, digest: &Digest, problem: wire::Error) {
    debug!(
        image.repository = %exchange.repository,
        image.digest = %digest,
        %problem,
        "Passed over a document that cannot be read"
    );
}
