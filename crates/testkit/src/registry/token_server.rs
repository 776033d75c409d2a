//! A token server for the registry, as hosted registries have one: it knows one user, and signs
//! what that user may do.
//!
//! Specification: <https://distribution.github.io/distribution/spec/auth/token/>

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Router, routing};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Error, Login};

/// The name of the registry in challenges and tokens.
pub(super) const SERVICE: &str = "test-registry";

/// Who signs the tokens.
pub(super) const ISSUER: &str = "test-tokens";

/// The name of the only key.
const KEY_ID: &str = "test-key";

/// How long a token holds.
const LIFETIME: SignedDuration = SignedDuration::from_secs(300);

/// A running token server; it stops when dropped.
#[derive(Debug)]
pub(super) struct TokenServer {
    port: u16,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    login: Login,
    key: EcdsaKeyPair,
    given: AtomicUsize,
    scopes: Mutex<Vec<String>>,
}

impl TokenServer {
    /// Starts a server that knows one user.
    pub(super) async fn start(login: Login) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .map_err(|_| Error::SigningKey)
            .and_then(|pkcs8| {
                EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random)
                    .map_err(|_| Error::SigningKey)
            })?;
        let shared = Arc::new(Shared {
            login,
            key,
            given: AtomicUsize::new(0),
            scopes: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(Error::Listen)?;
        let port = listener.local_addr().map_err(Error::Listen)?.port();
        let routes = Router::new()
            .route("/token", routing::get(give))
            .with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // It ends with the set.
            drop(axum::serve(listener, routes).await);
        });
        Ok(Self {
            port,
            shared,
            _tasks: tasks,
        })
    }

    /// Where clients get tokens.
    pub(super) fn realm(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// The key that the registry trusts, as a JSON Web Key Set.
    pub(super) fn key_set(&self) -> String {
        // An uncompressed point: 4, x, y.
        let point = self.shared.key.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        let text = |coordinate| BASE64_URL_SAFE_NO_PAD.encode(coordinate);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
            "x": text(x), "y": text(y),
        }]})
        .to_string()
    }

    /// How many tokens clients were given.
    pub(super) fn given(&self) -> usize {
        self.shared.given.load(Ordering::Relaxed)
    }

    /// What clients asked for, in order.
    pub(super) fn scopes(&self) -> Vec<String> {
        let scopes = self.shared.scopes.lock();
        scopes.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A token for everything, for the testkit itself.
    pub(super) fn pass(&self, repository: &str) -> Result<String, Error> {
        let actions = json!(["pull", "push", "delete"]);
        self.shared.sign(repository, &actions)
    }
}

impl Shared {
    fn sign(&self, repository: &str, actions: &Value) -> Result<String, Error> {
        let now = now();
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": KEY_ID});
        let claims = json!({
            "iss": ISSUER, "aud": SERVICE, "sub": self.login.user,
            "nbf": (now - SignedDuration::from_secs(10)).as_second(),
            "iat": now.as_second(),
            "exp": (now + LIFETIME).as_second(),
            "access": [{"type": "repository", "name": repository, "actions": actions}],
        });
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| Error::SigningKey)?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        Ok(format!("{signed}.{signature}"))
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let Login { user, password } = &self.login;
        let expected = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let shown = headers.get(header::AUTHORIZATION);
        shown.is_some_and(|shown| shown.as_bytes() == format!("Basic {expected}").as_bytes())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the registry that reads the tokens has this clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Gives the user a token to pull what is asked for, and nobody else any.
async fn give(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let denied = (StatusCode::UNAUTHORIZED, "no".to_owned());
    if !shared.knows(&headers) {
        return denied;
    }
    let query = query.unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let scope = pairs.find(|(name, _)| name == "scope");
    let scope = scope
        .map(|(_, scope)| scope.into_owned())
        .unwrap_or_default();
    let repository = scope.strip_prefix("repository:");
    let repository = repository
        .and_then(|it| it.split_once(':'))
        .map(|(name, _)| name);
    let token = shared.sign(repository.unwrap_or_default(), &json!(["pull"]));
    let Ok(token) = token else { return denied };
    shared.given.fetch_add(1, Ordering::Relaxed);
    let mut scopes = shared.scopes.lock().unwrap_or_else(PoisonError::into_inner);
    scopes.push(scope);
    let seconds = LIFETIME.as_secs();
    (
        StatusCode::OK,
        json!({"token": token, "expires_in": seconds}).to_string(),
    )
}
