//! The `Authorization` header of requests, and the secret in it.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use image_update_core::{remote::RemoteUrl, wire::report_status::RemoteText};
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::{
    github_app::{TokenError, Tokens},
    http,
    options::{Credential, CredentialError, Kind, RemoteOptions},
    transport::TransportError,
};

/// The user of requests with a GitHub App's token:
/// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation>.
const TOKEN_USER: &str = "x-access-token";

/// What proves who we are, request by request.
pub(super) enum Authorization {
    Anonymous,
    Fixed(Header),
    App {
        tokens: Box<Tokens>,
        header: Option<Header>,
    },
}

/// A header, and the secret in it.
pub(super) struct Header {
    value: HeaderValue,
    secret: Zeroizing<String>,
}

impl Authorization {
    /// Takes the options' credential. The rest of them is for how a GitHub App's API is asked.
    pub(super) fn new(url: &RemoteUrl, options: &RemoteOptions) -> Result<Self, TransportError> {
        let fixed = |header: Result<Header, CredentialError>| {
            header.map(Self::Fixed).map_err(TransportError::Credential)
        };
        match options.credential.as_ref().map(Credential::kind) {
            None => Ok(Self::Anonymous),
            Some(Kind::Basic { username, password }) => fixed(Header::basic(username, password)),
            Some(Kind::Bearer { token }) => fixed(Header::bearer(token)),
            Some(Kind::Identity(_)) => {
                Err(TransportError::Credential(CredentialError::KeyOverHttp))
            }
            Some(Kind::GithubApp(app)) => {
                let api = app.api(url).map_err(TransportError::Credential)?;
                if api.scheme() != "https" && !options.insecure {
                    return Err(TransportError::PlainHttp);
                }
                // The certificate is for the remote, not for the API.
                let client = http::client(options, false)?;
                Ok(Self::App {
                    tokens: Box::new(Tokens::new(Arc::clone(app), api, client)),
                    header: None,
                })
            }
        }
    }

    /// The header of the next request.
    pub(super) async fn value(&mut self) -> Result<Option<HeaderValue>, TokenError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Fixed(header) => Ok(Some(header.value.clone())),
            Self::App { tokens, header } => {
                let token = tokens.token().await?;
                let new = Header::basic(TOKEN_USER, token).map_err(|_| TokenError::Malformed)?;
                Ok(Some(header.insert(new).value.clone()))
            }
        }
    }

    /// Whether a request carries something.
    pub(super) fn is_some(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }

    /// Whether the next request has a token of before, in place of which a new one could be had.
    pub(super) fn is_kept(&self) -> bool {
        match self {
            Self::Anonymous | Self::Fixed(_) => false,
            Self::App { tokens, .. } => tokens.is_kept(),
        }
    }

    /// Forgets a token that was refused. What can't be renewed stays.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Anonymous | Self::Fixed(_) => {}
            Self::App { tokens, .. } => tokens.forget(),
        }
    }

    /// Removes the secret from a server's text, should the server have echoed it.
    pub(super) fn redact(&self, text: &RemoteText) -> RemoteText {
        let header = match self {
            Self::Anonymous => None,
            Self::Fixed(header) => Some(header),
            Self::App { header, .. } => header.as_ref(),
        };
        header.map_or_else(|| text.clone(), |header| header.redact(text))
    }
}

impl Header {
    fn basic(username: &str, password: &str) -> Result<Self, CredentialError> {
        let pair = Zeroizing::new(format!("{username}:{password}"));
        let text = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
        Self::new(&text, password)
    }

    fn bearer(token: &str) -> Result<Self, CredentialError> {
        Self::new(&Zeroizing::new(format!("Bearer {token}")), token)
    }

    fn new(text: &str, secret: &str) -> Result<Self, CredentialError> {
        let mut value = HeaderValue::from_str(text).map_err(|_| CredentialError::Unsendable)?;
        value.set_sensitive(true);
        Ok(Self {
            value,
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    fn redact(&self, text: &RemoteText) -> RemoteText {
        let secret = self.secret.as_str();
        if secret.is_empty() || !text.as_str().contains(secret) {
            return text.clone();
        }
        RemoteText::new(text.as_str().replace(secret, "***").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_never_shown() {
        let header = Header::basic("somebody", "hunter2").expect("it can be sent");
        let shown = format!("{:?}", header.value);
        assert!(!shown.contains("c29tZWJvZHk6aHVudGVyMg=="), "{shown}");
    }

    #[test]
    fn token_with_a_line_break_is_refused() {
        let header = Header::bearer("a\r\nHost: evil.example");
        assert!(matches!(header, Err(CredentialError::Unsendable)));
    }

    #[test]
    fn echoed_secret_is_removed() {
        let text = RemoteText::new(b"hello hunter2, welcome");
        let header = Header::bearer("hunter2").expect("it can be sent");
        assert_eq!(header.redact(&text).as_str(), "hello ***, welcome");
        let empty = Header::bearer("").expect("it can be sent");
        assert_eq!(empty.redact(&text), text);
    }
}
