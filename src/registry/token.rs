//! Gets a bearer token from the token server a registry names.
//!
//! The protocol: <https://distribution.github.io/distribution/spec/auth/token/> (a GET with basic
//! authentication) and <https://distribution.github.io/distribution/spec/auth/oauth/> (a POST that
//! exchanges a refresh token). Redirects of a token server are not followed: the request carries
//! a credential that was meant for the host the registry named.

use std::time::Duration;

use image_update_core::image::Excerpt;
use image_update_core::wire::challenge::Bearer;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::credentials::Credential;
use super::endpoint::has_credential;
use super::error::{Error, Host};
use super::exchange::{Exchange, Request};
use super::inside::leads_inside;
use super::session::Session;

/// The most that is read of a token server's answer; tokens have a few KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The life of a token whose server does not say: the least the protocol lets a client expect.
const DEFAULT_LIFE: Duration = Duration::from_mins(1);

/// The longest life that is believed, so that a withdrawn right ends.
const MAX_LIFE: Duration = Duration::from_hours(1);

/// A token is renewed this long before its end: for the way to the registry, and for clocks that
/// do not agree.
const MARGIN: Duration = Duration::from_secs(10);

/// How the operator names itself to a token server.
const CLIENT_ID: &str = "image-update-operator";

/// Gets a token for the repository of an exchange.
pub(super) async fn fetch(exchange: &mut Exchange<'_>, source: Bearer) -> Result<Session, Error> {
    let realm = realm(exchange, &source)?;
    if leads_inside(&exchange.endpoint.url("/"), &realm).await {
        return Err(Error::InsideRealm {
            repository: exchange.repository.clone(),
            realm: Excerpt::new(&source.realm),
        });
    }
    let scope = scope(source.scope.as_deref(), &exchange.path);
    let requested = Instant::now();
    let answer = exchange
        .send(&request(
            exchange.access.credential.as_ref(),
            realm,
            &source,
            &scope,
        ))
        .await?;
    if !answer.status.is_success() {
        return Err(exchange.refusal(&answer));
    }
    let no_token = || Error::NoToken {
        repository: exchange.repository.clone(),
        host: Host::of(&answer.url),
    };
    let token = Token::parse(&answer.body).ok_or_else(no_token)?;
    let header =
        header(&Zeroizing::new(format!("Bearer {}", *token.value))).ok_or_else(no_token)?;
    Ok(Session::Bearer {
        header,
        expires: requested + token.life.saturating_sub(MARGIN),
        source,
    })
}

/// The value of a header that is kept out of logs; `None` when HTTP cannot carry it.
pub(super) fn header(value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// The URL of the token server, if a credential may be sent there.
fn realm(exchange: &Exchange<'_>, source: &Bearer) -> Result<Url, Error> {
    let is_allowed = |url: &Url| {
        let is_private =
            url.scheme() == "https" || (url.scheme() == "http" && !exchange.endpoint.has_tls());
        is_private && url.has_host() && !has_credential(url)
    };
    source
        .realm
        .parse()
        .ok()
        .filter(is_allowed)
        .ok_or_else(|| Error::UntrustedRealm {
            repository: exchange.repository.clone(),
            realm: Excerpt::new(&source.realm),
        })
}

fn request(
    credential: Option<&Credential>,
    mut realm: Url,
    source: &Bearer,
    scope: &str,
) -> Request {
    let service = source
        .service
        .as_deref()
        .map(|service| ("service", service));
    let common = service.into_iter().chain([("scope", scope)]);
    if let Some(Credential::IdentityToken(token)) = credential {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(common)
            .append_pair("client_id", CLIENT_ID)
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", token)
            .finish();
        return Request {
            method: Method::POST,
            url: realm,
            accept: "application/json",
            authorization: None,
            if_none_match: None,
            form: Some(Zeroizing::new(form)),
            limit: MAX_ANSWER_BYTES,
        };
    }
    realm.query_pairs_mut().extend_pairs(common);
    Request {
        method: Method::GET,
        url: realm,
        accept: "application/json",
        authorization: credential
            .and_then(Credential::basic_header)
            .and_then(|value| header(&value)),
        if_none_match: None,
        form: None,
        limit: MAX_ANSWER_BYTES,
    }
}

/// What is asked for: what the challenge names for this repository, as far as it only reads.
///
/// Azure's registry names actions of its own (`metadata_read`), so the challenge counts, but
/// a registry that names another repository, or more than reading, does not get its way.
fn scope(challenge: Option<&str>, path: &str) -> String {
    let prefix = format!("repository:{path}:");
    let mut actions = vec!["pull"];
    let offered = challenge
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|scope| scope.strip_prefix(&prefix))
        .flat_map(|actions| actions.split(','));
    for action in offered {
        if action.ends_with("_read") && !actions.contains(&action) {
            actions.push(action);
        }
    }
    format!("{prefix}{}", actions.join(","))
}

/// A token server's answer.
struct Token {
    value: Zeroizing<String>,
    life: Duration,
}

impl Token {
    fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            // Of any type: a wrong one costs an early renewal, not the token.
            expires_in: Option<serde_json::Value>,
        }
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let value = answer
            .token
            .or(answer.access_token)
            .filter(|token| !token.is_empty())?;
        let seconds = answer.expires_in.and_then(|seconds| seconds.as_u64());
        let life = seconds
            .map_or(DEFAULT_LIFE, Duration::from_secs)
            .min(MAX_LIFE);
        Some(Self {
            value: Zeroizing::new(value),
            life,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_to_read_the_repository_and_nothing_else() {
        check_scope(None, "repository:org/app:pull");
        check_scope(Some("repository:org/app:pull"), "repository:org/app:pull");
        check_scope(
            Some("repository:org/app:pull,push,delete,*"),
            "repository:org/app:pull",
        );
        check_scope(
            Some("repository:org/app:metadata_read"),
            "repository:org/app:pull,metadata_read",
        );
        check_scope(
            Some("repository:other/app:metadata_read"),
            "repository:org/app:pull",
        );
        check_scope(
            Some("registry:catalog:* repository:org/app:pull"),
            "repository:org/app:pull",
        );
    }

    #[test]
    fn reads_both_names_of_a_token() {
        check_token(r#"{"token":"a","access_token":"b"}"#, Some(("a", 60)));
        check_token(r#"{"access_token":"b","expires_in":300}"#, Some(("b", 300)));
    }

    #[test]
    fn believes_an_hour_at_most() {
        check_token(r#"{"token":"a","expires_in":86400}"#, Some(("a", 3600)));
        check_token(r#"{"token":"a","expires_in":"soon"}"#, Some(("a", 60)));
        check_token(r#"{"token":"a","expires_in":-1}"#, Some(("a", 60)));
    }

    #[test]
    fn finds_no_token_where_there_is_none() {
        for body in ["", "{}", r#"{"token":""}"#, r#"{"token":7}"#, "<html>"] {
            check_token(body, None);
        }
    }

    #[test]
    fn a_header_is_sensitive_and_of_one_line() {
        assert!(header("Bearer x").is_some_and(|header| header.is_sensitive()));
        assert_eq!(header("Bearer x\r\nHost: y"), None);
    }

    #[track_caller]
    fn check_scope(challenge: Option<&str>, expected: &str) {
        assert_eq!(scope(challenge, "org/app"), expected, "{challenge:?}");
    }

    #[track_caller]
    fn check_token(body: &str, expected: Option<(&str, u64)>) {
        let token = Token::parse(body.as_bytes());
        let found = token
            .as_ref()
            .map(|token| (token.value.as_str(), token.life.as_secs()));
        assert_eq!(found, expected, "{body}");
    }
}
