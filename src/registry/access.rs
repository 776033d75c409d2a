//! How a repository is asked: as whom, trusting whom, for how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use image_update_core::registries_conf::Registry;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::credentials::Credential;

/// How long one question may take when nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How a repository is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// What `registries.conf` says about the registry: where its API is, how fast it may be
    /// asked. Its `credentials`, `insecure` and authorities do not count: what is used of them
    /// stands in the other fields.
    pub configured: Option<Arc<Registry>>,
    /// What is shown to the registry when it asks; `None` asks as anybody.
    pub credential: Option<Credential>,
    /// Certificate authorities to trust besides the system's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// A client certificate with its chain and its key, as PEM.
    pub client_identity_pem: Option<Zeroizing<Vec<u8>>>,
    /// Accepts any certificate, and plain HTTP where the registry does not speak TLS.
    pub insecure: bool,
    /// The time one listing or one resolution may take, all its requests and retries together.
    pub timeout: Duration,
}

impl Default for Access {
    /// Asks as anybody, trusts the system's authorities, and takes at most 30 seconds.
    fn default() -> Self {
        Self {
            configured: None,
            credential: None,
            ca_pem: None,
            client_identity_pem: None,
            insecure: false,
            timeout: DEFAULT_TIMEOUT,
        }
    }
}

impl Access {
    /// What two questions must have in common to have the same answer.
    ///
    /// The timeout is no part of it: it changes whether there is an answer, not which one.
    pub fn key(&self) -> AccessKey {
        let Self {
            configured,
            credential,
            ca_pem: _,
            client_identity_pem: _,
            insecure: _,
            timeout: _,
        } = self;
        let mut hash = Sha256::new();
        hash.update(self.tls_key().0);
        if let Some(registry) = configured {
            hash.update([1]);
            update_with_length(&mut hash, registry.api_url.as_str().as_bytes());
            let namespace = registry.default_namespace.as_deref();
            update_with_length(&mut hash, namespace.unwrap_or_default().as_bytes());
        } else {
            hash.update([0]);
        }
        match credential {
            None => hash.update([0]),
            Some(Credential::Basic { username, password }) => {
                hash.update([1]);
                update_with_length(&mut hash, username.as_bytes());
                update_with_length(&mut hash, password.as_bytes());
            }
            Some(Credential::IdentityToken(token)) => {
                hash.update([2]);
                update_with_length(&mut hash, token.as_bytes());
            }
        }
        AccessKey(hash.finalize().into())
    }

    /// What two questions must have in common to share connections.
    pub(super) fn tls_key(&self) -> AccessKey {
        let Self {
            configured: _,
            credential: _,
            ca_pem,
            client_identity_pem,
            insecure,
            timeout: _,
        } = self;
        let mut hash = Sha256::new();
        update_with_length(&mut hash, ca_pem.as_deref().unwrap_or_default());
        let identity = client_identity_pem
            .as_ref()
            .map_or(&[][..], |pem| pem.as_slice());
        update_with_length(&mut hash, identity);
        hash.update([u8::from(*insecure)]);
        AccessKey(hash.finalize().into())
    }
}

/// Puts the length first, so that no two sequences of parts look the same.
fn update_with_length(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            configured,
            credential,
            ca_pem,
            client_identity_pem,
            insecure,
            timeout,
        } = self;
        let api_url = configured.as_ref().map(|it| it.api_url.as_str());
        formatter
            .debug_struct("Access")
            .field("api_url", &api_url)
            .field("credential", credential)
            .field("has_ca", &ca_pem.is_some())
            .field("has_client_identity", &client_identity_pem.is_some())
            .field("insecure", insecure)
            .field("timeout", timeout)
            .finish()
    }
}

/// A fingerprint of an [`Access`], for sharing scans, sessions and connections in memory.
///
/// It must not be stored or shown: whoever has it can try passwords against it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKey([u8; 32]);

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use image_update_core::registries_conf::RegistriesConf;

    use super::*;

    #[test]
    fn what_changes_the_answer_changes_the_key() {
        let plain = Access::default();
        let variants = [
            Access {
                credential: Some(Credential::basic("ab", "c")),
                ..plain.clone()
            },
            Access {
                credential: Some(Credential::basic("a", "bc")),
                ..plain.clone()
            },
            Access {
                credential: Some(Credential::identity_token("abc")),
                ..plain.clone()
            },
            Access {
                ca_pem: Some(b"pem".to_vec()),
                ..plain.clone()
            },
            Access {
                client_identity_pem: Some(b"pem".to_vec().into()),
                ..plain.clone()
            },
            Access {
                insecure: true,
                ..plain.clone()
            },
            configured("api_url: https://a"),
            configured("api_url: https://b"),
            configured("api_url: https://a, defaultns: x"),
            plain,
        ];
        for (position, one) in variants.iter().enumerate() {
            for other in &variants[position + 1..] {
                assert_ne!(one.key(), other.key(), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn what_changes_only_the_pace_does_not_change_the_key() {
        let patient = Access {
            timeout: Duration::from_mins(5),
            ..Access::default()
        };
        assert_eq!(patient.key(), Access::default().key());
        let slow = configured("api_url: https://a, limit: 1");
        assert_eq!(slow.key(), configured("api_url: https://a").key());
    }

    fn configured(keys: &str) -> Access {
        let file = format!("registries:\n- {{name: x, {keys}}}");
        let conf = RegistriesConf::parse(file.as_bytes()).expect("the row's entry is right");
        Access {
            configured: conf.registries.into_iter().next().map(Arc::new),
            ..Access::default()
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let access = Access {
            credential: Some(Credential::basic("user", "hunter2")),
            client_identity_pem: Some(b"hunter2".to_vec().into()),
            ..Access::default()
        };
        let shown = format!("{access:?} {:?}", access.key());
        assert!(
            !shown.contains("hunter2") && !shown.contains("104, 117"),
            "{shown}"
        );
    }
}
