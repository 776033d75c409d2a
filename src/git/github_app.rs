//! GitHub Apps: a signed statement of who we are, for a token of an hour.
//!
//! Described by
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>. Tokens
//! are kept in memory and renewed shortly before they expire. Only the API's own host ever sees the
//! statement, only the remote's host the token.

use std::{fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use image_update_core::address::is_link_local_literal;
use image_update_core::remote::RemoteUrl;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Response, StatusCode, Url, header};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{http, options::CredentialError, transport::TransportError};

/// Where the API is for remotes on `github.com`.
const GITHUB_API: &str = "https://api.github.com/";

/// How far back a statement is dated, for clocks that are ahead, as GitHub advises.
const BACKDATED: SignedDuration = SignedDuration::from_secs(60);

/// How long a statement holds. GitHub allows ten minutes, counted by its own clock.
const STATEMENT_HOLDS: SignedDuration = SignedDuration::from_mins(9);

/// How long before it expires a token is renewed: as long as one request may take.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_mins(5);

/// The most read of an answer. A token with all its permissions is about 2 kB, with the list of
/// chosen repositories some 100 kB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// An App's installation in an organisation. Its key is never shown.
pub struct GithubApp {
    app_id: String,
    installation_id: u64,
    key: RsaKeyPair,
    api: Option<Url>,
    clock: fn() -> Timestamp,
    /// Of the key's text: tells keys apart without comparing secrets.
    digest: [u8; 32],
}

/// Why something is no GitHub App.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GithubAppError {
    /// The App's id is empty or has other characters than letters, digits and dots.
    #[error("the GitHub App's id is neither a number nor a client id")]
    AppId,
    /// The installation's id is not a number.
    #[error("the id of the GitHub App's installation is not a number")]
    InstallationId,
    /// The key is not an RSA key.
    #[error("the GitHub App's private key is not an RSA key in PEM, or has less than 2048 bits")]
    Key,
    /// The API's address is not one of HTTP.
    #[error("the address of the GitHub App's API is not an https:// address without credentials")]
    Api,
    /// The API's address is link-local.
    #[error("the address of the GitHub App's API is link-local, which is never contacted")]
    LinkLocal,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The API could not be asked.
    #[error("GitHub's API could not be asked")]
    Request(#[source] Box<TransportError>),
    /// The statement could not be signed.
    #[error("the request could not be signed")]
    Sign,
    /// 401.
    #[error("GitHub does not know the App, or its key is not this one (401)")]
    Unauthorized,
    /// 404.
    #[error("the App has no such installation (404)")]
    NoInstallation,
    /// The answer is not what it should be.
    #[error("GitHub's answer can't be read")]
    Malformed,
}

impl GithubApp {
    /// Takes the App's id, its installation's id, its private key in PEM and, where that is not
    /// GitHub's own, the address of the API. `clock` tells the time that statements are dated by.
    pub fn new(
        app_id: &str,
        installation_id: &str,
        key_pem: &str,
        api: Option<&str>,
        clock: fn() -> Timestamp,
    ) -> Result<Self, GithubAppError> {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '.';
        if app_id.is_empty() || !app_id.chars().all(is_plain) {
            return Err(GithubAppError::AppId);
        }
        let installation_id = installation_id
            .parse()
            .map_err(|_| GithubAppError::InstallationId)?;
        let key = match PrivateKeyDer::from_pem_slice(key_pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(_) | Err(_) => return Err(GithubAppError::Key),
        };
        Ok(Self {
            app_id: app_id.to_owned(),
            installation_id,
            key: key.map_err(|_| GithubAppError::Key)?,
            api: api.map(api_url).transpose()?,
            clock,
            digest: Sha256::digest(key_pem).into(),
        })
    }

    /// The API's address, where one was named.
    pub(super) fn named_api(&self) -> Option<&Url> {
        self.api.as_ref()
    }

    /// Where the API is for a remote.
    pub(super) fn api(&self, remote: &RemoteUrl) -> Result<Url, CredentialError> {
        if let Some(api) = &self.api {
            return Ok(api.clone());
        }
        if remote.host() != "github.com" {
            return Err(CredentialError::NoAppApi);
        }
        Url::parse(GITHUB_API).map_err(|_| CredentialError::NoAppApi)
    }

    /// A JSON Web Token that says which App we are (RFC 7519, RS256).
    fn statement(&self) -> Result<Zeroizing<String>, TokenError> {
        let now = (self.clock)();
        let issued = now.checked_sub(BACKDATED).map_err(|_| TokenError::Sign)?;
        let expires = now
            .checked_add(STATEMENT_HOLDS)
            .map_err(|_| TokenError::Sign)?;
        let claims = json!({
            "iat": issued.as_second(),
            "exp": expires.as_second(),
            "iss": self.app_id,
        });
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let text = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| TokenError::Sign)?;
        Ok(Zeroizing::new(format!("{text}.{}", encode(&signature))))
    }
}

impl PartialEq for GithubApp {
    fn eq(&self, other: &Self) -> bool {
        self.app_id == other.app_id
            && self.installation_id == other.installation_id
            && self.api == other.api
            && self.digest == other.digest
    }
}

impl Eq for GithubApp {}

impl fmt::Debug for GithubApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GithubApp(redacted)")
    }
}

fn api_url(text: &str) -> Result<Url, GithubAppError> {
    let mut url = Url::parse(text).map_err(|_| GithubAppError::Api)?;
    let is_plain = matches!(url.scheme(), "https" | "http")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        return Err(GithubAppError::Api);
    }
    if is_link_local_literal(&url) {
        return Err(GithubAppError::LinkLocal);
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// The tokens of an installation, one at a time.
pub(super) struct Tokens {
    app: Arc<GithubApp>,
    api: Url,
    client: Client,
    current: Option<Token>,
}

struct Token {
    text: Zeroizing<String>,
    renewed_at: Timestamp,
}

#[derive(Deserialize)]
struct Answer {
    token: String,
    expires_at: Timestamp,
}

impl Tokens {
    pub(super) fn new(app: Arc<GithubApp>, api: Url, client: Client) -> Self {
        Self {
            app,
            api,
            client,
            current: None,
        }
    }

    /// A token that holds for a while. No request while there is one.
    pub(super) async fn token(&mut self) -> Result<&str, TokenError> {
        let token = match self.current.take().filter(|it| self.is_good(it)) {
            Some(token) => token,
            None => self.fetch((self.app.clock)()).await?,
        };
        Ok(&self.current.insert(token).text)
    }

    /// Whether there is a token that holds for a while.
    pub(super) fn is_kept(&self) -> bool {
        self.current.as_ref().is_some_and(|it| self.is_good(it))
    }

    /// Forgets the token.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    fn is_good(&self, token: &Token) -> bool {
        (self.app.clock)() < token.renewed_at
    }

    async fn fetch(&self, now: Timestamp) -> Result<Token, TokenError> {
        let statement = self.app.statement()?;
        let path = format!(
            "app/installations/{}/access_tokens",
            self.app.installation_id
        );
        let url = self.api.join(&path).map_err(|_| TokenError::Malformed)?;
        let request = self
            .client
            .post(url)
            .bearer_auth(statement.as_str())
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28");
        let response = request
            .send()
            .await
            .map_err(|error| TokenError::Request(Box::new(http::classify(error))))?;
        let answer = read(response).await?;
        let holds = answer.expires_at.duration_since(now);
        // Half of a token's time at most, so that one that holds for moments only is used at all.
        let early = RENEWED_BEFORE.min(holds / 2);
        let renewed_at = answer.expires_at.checked_sub(early);
        Ok(Token {
            text: Zeroizing::new(answer.token),
            renewed_at: renewed_at.map_err(|_| TokenError::Malformed)?,
        })
    }
}

async fn read(response: Response) -> Result<Answer, TokenError> {
    match response.status() {
        StatusCode::UNAUTHORIZED => return Err(TokenError::Unauthorized),
        StatusCode::NOT_FOUND => return Err(TokenError::NoInstallation),
        _ => {}
    }
    let request = |error| TokenError::Request(Box::new(error));
    http::check_status(&response, true).map_err(request)?;
    let body = http::body(response, MAX_ANSWER_BYTES).await;
    let body = Zeroizing::new(body.map_err(request)?);
    // The parser's own error would quote the answer.
    serde_json::from_slice(&body).map_err(|_| TokenError::Malformed)
}
