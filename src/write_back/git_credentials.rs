//! Reads from a Secret how a git remote is asked. Pure: keys in, options out.
//!
//! Both vendors' spellings are read: those of Flux (`identity`, `known_hosts`, `githubAppBaseURL`, …)
//! and those of Argo CD's repository Secrets (`sshPrivateKey`, `tlsClientCertData`, …). What could
//! mean two things is an error that names the keys, and so is what would make a connection unsafe: it
//! has to be said on the policy, not in a Secret.

use std::collections::BTreeMap;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::git::options::{
    ClientCertificate, Credential, GithubApp, GithubAppError, Identity, IdentityError, Proxy,
    RemoteOptions,
};

type Keys = &'static [&'static str];

const USERNAME: Keys = &["username"];
const PASSWORD: Keys = &["password"];
const BEARER_TOKEN: Keys = &["bearerToken"];
const PRIVATE_KEY: Keys = &["identity", "sshPrivateKey", "ssh-privatekey"];
/// `password` is Flux's; a key and a password for the server have no use together.
const PASSPHRASE: Keys = &["passphrase", "password"];
const KNOWN_HOSTS: Keys = &["known_hosts", "ssh_known_hosts"];
const APP_ID: Keys = &["githubAppID"];
const APP_INSTALLATION: Keys = &["githubAppInstallationID"];
const APP_KEY: Keys = &["githubAppPrivateKey"];
const APP_API: Keys = &["githubAppBaseURL", "githubAppEnterpriseBaseUrl"];
const CA: Keys = &["ca.crt", "caFile"];
const CLIENT_CERTIFICATE: Keys = &["tls.crt", "tlsClientCertData", "certFile"];
const CLIENT_KEY: Keys = &["tls.key", "tlsClientCertKey", "keyFile"];
const PROXY: Keys = &["proxy"];
const NO_PROXY: Keys = &["noProxy"];

/// One of these says what kind of credential the Secret holds.
const KINDS: [Keys; 4] = [USERNAME, BEARER_TOKEN, PRIVATE_KEY, APP_ID];

/// Argo CD's switches that make a connection unsafe.
const UNSAFE: Keys = &["insecure", "insecureIgnoreHostKey"];

/// Argo CD's kinds of credential that are not read.
const UNSUPPORTED: Keys = &["gcpServiceAccountKey"];

/// Why a Secret says not how a remote is asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Nothing that is known is in it.
    #[error("it has none of the keys {}", .0.join(", "))]
    Nothing(Vec<&'static str>),
    /// Something belongs to what is there.
    #[error("it has {present} and not {}", .missing.join(" or "))]
    Missing {
        /// The key that is there.
        present: &'static str,
        /// The keys one of which belongs to it.
        missing: Keys,
    },
    /// Two keys of which only one can be meant.
    #[error("it has {0} and {1}, of which only one can be meant; remove the other")]
    Ambiguous(&'static str, &'static str),
    /// A key does not hold text.
    #[error("key {0} is not UTF-8 text")]
    NotText(&'static str),
    /// A kind of credential that is not known here.
    #[error("key {0} is not supported")]
    Unsupported(&'static str),
    /// A switch that is not looked for in a Secret.
    #[error(
        "key {0} is refused: servers are verified, over SSH by known_hosts, over HTTPS unless the \
         policy itself says insecure"
    )]
    Unsafe(&'static str),
    /// The SSH key or what goes with it can't be used.
    #[error(transparent)]
    Identity(IdentityError),
    /// The GitHub App can't be used.
    #[error(transparent)]
    GithubApp(GithubAppError),
}

/// Reads a Secret's data. `clock` is for credentials that expire.
///
/// Opening an encrypted SSH key takes a moment, on purpose.
pub fn read(
    data: &BTreeMap<String, Vec<u8>>,
    clock: fn() -> Timestamp,
) -> Result<RemoteOptions, CredentialsError> {
    let secret = Secret(data);
    secret.refuse_unread()?;
    let credential = secret.credential(clock)?;
    let options = RemoteOptions {
        ca_pem: secret.bytes(CA)?.map(|(_, bytes)| bytes.to_vec()),
        client_certificate: secret.client_certificate()?,
        proxy: secret.proxy()?,
        credential,
        ..RemoteOptions::default()
    };
    if options == RemoteOptions::default() {
        return Err(CredentialsError::Nothing(KINDS.concat()));
    }
    Ok(options)
}

struct Secret<'a>(&'a BTreeMap<String, Vec<u8>>);

impl Secret<'_> {
    fn refuse_unread(&self) -> Result<(), CredentialsError> {
        for key in UNSUPPORTED {
            if self.value(key).is_some() {
                return Err(CredentialsError::Unsupported(key));
            }
        }
        for key in UNSAFE {
            if self.value(key).is_some_and(|value| value == b"true") {
                return Err(CredentialsError::Unsafe(key));
            }
        }
        Ok(())
    }

    fn credential(&self, clock: fn() -> Timestamp) -> Result<Option<Credential>, CredentialsError> {
        let mut found = None;
        for kind in KINDS {
            if let Some((key, _)) = self.bytes(kind)? {
                if let Some((other, _)) = found {
                    return Err(CredentialsError::Ambiguous(other, key));
                }
                found = Some((key, kind));
            }
        }
        let Some((key, kind)) = found else {
            self.refuse_orphan(PASSWORD, USERNAME)?;
            self.refuse_orphan(KNOWN_HOSTS, PRIVATE_KEY)?;
            self.refuse_orphan(APP_KEY, APP_ID)?;
            return Ok(None);
        };
        let credential = if kind == USERNAME {
            let username = self.required(key, USERNAME)?;
            Credential::basic(username.as_str(), self.required(key, PASSWORD)?.as_str())
        } else if kind == BEARER_TOKEN {
            Credential::bearer(self.required(key, BEARER_TOKEN)?.as_str())
        } else if kind == PRIVATE_KEY {
            Credential::identity(self.identity(key)?)
        } else {
            Credential::github_app(self.github_app(key, clock)?)
        };
        Ok(Some(credential))
    }

    fn identity(&self, key: &'static str) -> Result<Identity, CredentialsError> {
        let private_key = self.required(key, PRIVATE_KEY)?;
        let known_hosts = self.required(key, KNOWN_HOSTS)?;
        let passphrase = self.text(PASSPHRASE)?;
        let passphrase = passphrase.as_deref().map(String::as_str);
        Identity::parse(&private_key, passphrase, &known_hosts).map_err(CredentialsError::Identity)
    }

    fn github_app(
        &self,
        key: &'static str,
        clock: fn() -> Timestamp,
    ) -> Result<GithubApp, CredentialsError> {
        let app_id = self.required(key, APP_ID)?;
        let installation_id = self.required(key, APP_INSTALLATION)?;
        let private_key = self.required(key, APP_KEY)?;
        let api = self.text(APP_API)?;
        let api = api.as_deref().map(String::as_str);
        GithubApp::new(&app_id, &installation_id, &private_key, api, clock)
            .map_err(CredentialsError::GithubApp)
    }

    fn client_certificate(&self) -> Result<Option<ClientCertificate>, CredentialsError> {
        match (self.bytes(CLIENT_CERTIFICATE)?, self.bytes(CLIENT_KEY)?) {
            (Some((_, certificate)), Some((_, key))) => {
                Ok(Some(ClientCertificate::new(certificate, key)))
            }
            (None, None) => Ok(None),
            (Some((present, _)), None) => Err(CredentialsError::Missing {
                present,
                missing: CLIENT_KEY,
            }),
            (None, Some((present, _))) => Err(CredentialsError::Missing {
                present,
                missing: CLIENT_CERTIFICATE,
            }),
        }
    }

    fn proxy(&self) -> Result<Option<Proxy>, CredentialsError> {
        let no_proxy = self.text(NO_PROXY)?.map(|text| text.to_string());
        let proxy = self.text(PROXY)?;
        Ok(proxy.map(|url| Proxy::new(url.as_str(), no_proxy)))
    }

    fn refuse_orphan(&self, keys: Keys, missing: Keys) -> Result<(), CredentialsError> {
        match self.bytes(keys)? {
            Some((present, _)) => Err(CredentialsError::Missing { present, missing }),
            None => Ok(()),
        }
    }

    fn required(
        &self,
        present: &'static str,
        keys: Keys,
    ) -> Result<Zeroizing<String>, CredentialsError> {
        self.text(keys)?.ok_or(CredentialsError::Missing {
            present,
            missing: keys,
        })
    }

    /// The text of one of the keys, without the line ends that editors add.
    fn text(&self, keys: Keys) -> Result<Option<Zeroizing<String>>, CredentialsError> {
        let Some((key, bytes)) = self.bytes(keys)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|_| CredentialsError::NotText(key))?;
        let text = text.trim_end_matches(['\r', '\n']);
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// The one of the keys that is there, with its value.
    fn bytes(&self, keys: Keys) -> Result<Option<(&'static str, &[u8])>, CredentialsError> {
        let mut found: Option<(&'static str, &[u8])> = None;
        for key in keys {
            let Some(value) = self.value(key) else {
                continue;
            };
            match found {
                Some((other, known)) if known != value => {
                    return Err(CredentialsError::Ambiguous(other, key));
                }
                Some(_) => {}
                None => found = Some((key, value)),
            }
        }
        Ok(found)
    }

    /// What is empty counts as missing: templates leave such keys behind.
    fn value(&self, key: &str) -> Option<&[u8]> {
        self.0
            .get(key)
            .map(Vec::as_slice)
            .filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests;
