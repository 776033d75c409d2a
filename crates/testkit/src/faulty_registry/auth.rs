//! Who may ask, and the token server that says so.
//!
//! A token names its scope and a generation in the open: any of these registries accepts the
//! tokens of another one, which is what tests with a token server on a host of its own need.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};

use super::{Content, State};

/// What the registry asks of a client.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Nothing.
    Open,
    /// A user name and a password with every request.
    Basic {
        /// The only user.
        username: String,
        /// The user's password.
        password: String,
    },
    /// A token of the token server.
    Bearer(TokenServer),
}

/// How the token server behaves.
#[derive(Debug, Clone)]
pub struct TokenServer {
    /// The user name it knows.
    pub username: String,
    /// The password of that user.
    pub password: String,
    /// The identity token it exchanges (`grant_type=refresh_token`).
    pub refresh_token: Option<String>,
    /// Whether it gives a token to a client without a credential.
    pub anonymous: bool,
    /// The life of a token it announces, in seconds; `None` leaves `expires_in` out.
    pub expires_in_seconds: Option<u64>,
    /// The realm the registry announces; `None` is the registry itself.
    pub realm: Option<String>,
}

impl TokenServer {
    /// A token server with one user, that turns everybody else away.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            refresh_token: None,
            anonymous: false,
            expires_in_seconds: Some(300),
            realm: None,
        }
    }
}

impl Auth {
    /// Basic authentication with one user.
    pub fn basic(username: &str, password: &str) -> Self {
        Self::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }
}

/// The challenge that answers a request, or `None` when the request may pass.
pub(super) fn challenge(
    state: &State,
    content: &Content,
    headers: &HeaderMap,
    repository: &str,
) -> Option<String> {
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    match &content.auth {
        Auth::Open => None,
        Auth::Basic { username, password } => (presented != Some(&basic(username, password)))
            .then(|| r#"Basic realm="faulty registry""#.to_owned()),
        Auth::Bearer(server) => {
            let scope = format!("repository:{repository}:pull");
            let expected = format!("Bearer {}", token(content.token_generation, &scope));
            let own_realm = format!("{}/token", state.base_url);
            let realm = server.realm.as_ref().unwrap_or(&own_realm);
            (presented != Some(&expected))
                .then(|| format!(r#"Bearer realm="{realm}",service="faulty",scope="{scope}""#))
        }
    }
}

/// Answers a request to the token server.
pub(super) fn issue(
    content: &Content,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    form: &Bytes,
) -> Response<Body> {
    let Auth::Bearer(server) = &content.auth else {
        return deny(StatusCode::NOT_FOUND);
    };
    let form = String::from_utf8_lossy(form);
    let query = if method == Method::POST {
        form.as_ref()
    } else {
        uri.query().unwrap_or_default()
    };
    let is_known = if method == Method::POST {
        parameter(query, "grant_type").as_deref() == Some("refresh_token")
            && parameter(query, "refresh_token")
                .is_some_and(|token| Some(token) == server.refresh_token)
    } else {
        match headers.get(header::AUTHORIZATION) {
            Some(value) => value
                .to_str()
                .is_ok_and(|it| it == basic(&server.username, &server.password)),
            None => server.anonymous,
        }
    };
    if !is_known || parameter(query, "service").as_deref() != Some("faulty") {
        return deny(StatusCode::UNAUTHORIZED);
    }
    let scope = parameter(query, "scope").unwrap_or_default();
    let name = if method == Method::POST {
        "access_token"
    } else {
        "token"
    };
    let mut answer = serde_json::json!({ name: token(content.token_generation, &scope) });
    if let Some(seconds) = server.expires_in_seconds {
        answer["expires_in"] = seconds.into();
    }
    super::serve::respond(
        StatusCode::OK,
        &[("content-type", "application/json")],
        answer.to_string(),
    )
}

fn deny(status: StatusCode) -> Response<Body> {
    super::serve::error(status, "DENIED", "the token server does not know you")
}

fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{username}:{password}"))
    )
}

fn token(generation: u64, scope: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{generation} {scope}"))
}

/// A parameter of a query or a form, decoded.
pub(super) fn parameter(query: &str, wanted: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == wanted).then(|| percent_decode(value))
    })
}

fn percent_decode(value: &str) -> String {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let (high, low) = (hex(bytes.next()), hex(bytes.next()));
                let code = high
                    .zip(low)
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                decoded.push(code.unwrap_or(b'?'));
            }
            other => decoded.push(other),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
