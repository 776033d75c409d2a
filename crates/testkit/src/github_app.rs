//! The part of GitHub's API that gives tokens to Apps, on loopback.
//!
//! Verifies the App's statement as GitHub does (RFC 7519 with RS256, the times checked) and
//! answers with a token that expires. Stands in for a service that nobody can run.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::{PrivatePkcs1KeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::ssh_server::{KeyFormat, KeyType, UserKey};

/// The App that the service knows.
pub const APP_ID: &str = "4711";

/// The App's only installation.
pub const INSTALLATION_ID: &str = "815";

/// How long a statement may still hold when it comes in, in seconds:
/// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>.
const MAX_STATEMENT_SECONDS: i64 = 600;

/// The running service. Stops when dropped.
#[derive(Debug)]
pub struct GithubApp {
    address: SocketAddr,
    private_key: String,
    state: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    public_key: Vec<u8>,
    clock: fn() -> Timestamp,
    /// Given out one after the other; the last one for ever.
    tokens: Mutex<Vec<Token>>,
    requests: Mutex<Vec<StatusCode>>,
}

/// A token that the service gives out.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its text.
    pub text: String,
    /// How long it holds.
    pub holds: SignedDuration,
}

impl GithubApp {
    /// Starts a service that gives out `tokens`, the last one as often as it is asked for.
    pub async fn start(tokens: Vec<Token>, clock: fn() -> Timestamp) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("binding")?;
        let address = listener.local_addr().context("reading the port")?;
        let key = UserKey::generate(KeyType::Rsa, KeyFormat::Pem, "")?;
        let der = PrivatePkcs1KeyDer::from_pem_slice(key.private.as_bytes());
        let der = der.context("reading the key")?;
        let pair = RsaKeyPair::from_der(der.secret_pkcs1_der()).ok();
        let pair = pair.context("using the key")?;
        let state = Arc::new(Shared {
            public_key: pair.public_key().as_ref().to_vec(),
            clock,
            tokens: Mutex::new(tokens),
            requests: Mutex::default(),
        });
        let router = Router::new()
            .route(
                "/api/v3/app/installations/{id}/access_tokens",
                post(access_token),
            )
            .with_state(Arc::clone(&state));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, router).await.ok();
        });
        Ok(Self {
            address,
            private_key: key.private,
            state,
            _tasks: tasks,
        })
    }

    /// Where the API is.
    pub fn url(&self) -> String {
        format!("http://{}/api/v3", self.address)
    }

    /// The App's private key in PEM (PKCS #1), as GitHub makes them.
    pub fn private_key(&self) -> &str {
        &self.private_key
    }

    /// What was answered, request by request.
    pub fn answers(&self) -> Vec<u16> {
        lock(&self.state.requests)
            .iter()
            .map(StatusCode::as_u16)
            .collect()
    }
}

async fn access_token(
    State(state): State<Arc<Shared>>,
    Path(installation): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let statement = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let is_valid = statement.is_some_and(|it| state.verifies(it));
    let (status, body) = if !is_valid {
        let text = "A JSON web token could not be decoded";
        (StatusCode::UNAUTHORIZED, json!({ "message": text }))
    } else if installation != INSTALLATION_ID {
        (StatusCode::NOT_FOUND, json!({"message": "Not Found"}))
    } else {
        match state.next_token() {
            Some((token, expires_at)) => (
                StatusCode::CREATED,
                json!({
                    "token": token.text,
                    "expires_at": expires_at.to_string(),
                    "permissions": {"contents": "write"},
                    "repository_selection": "all",
                }),
            ),
            None => (StatusCode::SERVICE_UNAVAILABLE, json!({})),
        }
    };
    lock(&state.requests).push(status);
    (status, body.to_string())
}

impl Shared {
    fn next_token(&self) -> Option<(Token, Timestamp)> {
        let mut tokens = lock(&self.tokens);
        let token = if tokens.len() > 1 {
            tokens.remove(0)
        } else {
            tokens.first()?.clone()
        };
        let expires_at = (self.clock)().checked_add(token.holds).ok()?;
        Some((token, expires_at))
    }

    fn verifies(&self, statement: &str) -> bool {
        self.claims(statement).is_some_and(|claims| {
            let now = (self.clock)().as_second();
            let time = |name: &str| claims.get(name).and_then(Value::as_i64);
            let (Some(issued), Some(expires)) = (time("iat"), time("exp")) else {
                return false;
            };
            claims.get("iss").and_then(Value::as_str) == Some(APP_ID)
                && issued <= now
                && now < expires
                && expires - now <= MAX_STATEMENT_SECONDS
        })
    }

    /// The claims of a statement, if the App's key signed it.
    fn claims(&self, statement: &str) -> Option<Value> {
        let (signed, signature) = statement.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        if header.get("alg")?.as_str()? != "RS256" {
            return None;
        }
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key)
            .verify(signed.as_bytes(), &decode(signature)?)
            .ok()?;
        serde_json::from_slice(&decode(claims)?).ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
