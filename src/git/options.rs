//! How a remote is reached: credential, trust, patience.

use std::{fmt, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use image_update_core::wire::report_status::RemoteText;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

/// How a remote is reached. The default is anonymous HTTPS with the system's certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Sent with every request, without waiting to be asked; never to another host.
    pub credential: Option<Credential>,
    /// Certificates in PEM, trusted besides the system's own.
    pub ca_pem: Option<Vec<u8>>,
    /// Allows plain `http://`, and any certificate. Said aloud by the user, never a fallback.
    pub insecure: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// How long to wait for a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection, TLS included. 10 seconds by default.
    pub connect: Duration,
    /// Without a byte from the server. 60 seconds by default: hooks may think before they answer.
    pub idle: Duration,
    /// For one request with its answer. 5 minutes by default.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(5),
        }
    }
}

/// What proves to the remote who we are. Erased from memory when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Basic {
        username: String,
        password: Zeroizing<String>,
    },
    Bearer {
        token: Zeroizing<String>,
    },
}

/// A bearer token holds a character that no HTTP header may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential holds a character that cannot be sent, such as a line break")]
pub struct CredentialError;

impl Credential {
    /// A user name and a password or access token.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        let password = Zeroizing::new(password.into());
        Self(Kind::Basic {
            username: username.into(),
            password,
        })
    }

    /// A token sent as `Authorization: Bearer`.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self(Kind::Bearer {
            token: Zeroizing::new(token.into()),
        })
    }

    /// The value of the `Authorization` header, marked as sensitive.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, CredentialError> {
        let text = match &self.0 {
            Kind::Basic { username, password } => {
                let pair = Zeroizing::new(format!("{username}:{}", password.as_str()));
                Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
            }
            Kind::Bearer { token } => Zeroizing::new(format!("Bearer {}", token.as_str())),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| CredentialError)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Removes the secret from a server's text, should the server have echoed it.
    pub(crate) fn redact(&self, text: &RemoteText) -> RemoteText {
        let (Kind::Basic {
            password: secret, ..
        }
        | Kind::Bearer { token: secret }) = &self.0;
        if secret.is_empty() || !text.as_str().contains(secret.as_str()) {
            return text.clone();
        }
        RemoteText::new(text.as_str().replace(secret.as_str(), "***").as_bytes())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Kind::Basic { .. } => "Credential(basic, redacted)",
            Kind::Bearer { .. } => "Credential(bearer, redacted)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_user_nor_secret() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Credential::basic("somebody", "hunter2"),
            Credential::bearer("hunter2"),
            Credential::basic("somebody", "hunter2").authorization(),
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains("somebody"),
            "{shown}"
        );
        assert!(!shown.contains("c29tZWJvZHk6aHVudGVyMg=="), "{shown}");
    }

    #[test]
    fn token_with_a_line_break_is_refused() {
        let credential = Credential::bearer("a\r\nHost: evil.example");
        assert_eq!(credential.authorization(), Err(CredentialError));
    }

    #[test]
    fn echoed_secret_is_removed() {
        let text = RemoteText::new(b"hello hunter2, welcome");
        let shown = Credential::bearer("hunter2").redact(&text);
        assert_eq!(shown.as_str(), "hello ***, welcome");
        assert_eq!(Credential::bearer("").redact(&text), text);
    }
}
