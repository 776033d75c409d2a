//! Whether a server is the one that is meant.

use std::{borrow::Cow, sync::Arc};

use image_update_core::{remote::RemoteUrl, wire::known_hosts::Verdict};
use russh::{
    Preferred,
    client::Handler,
    keys::{Algorithm, HashAlg, PublicKeyOrCertificate, ssh_key::Fingerprint},
};

use super::identity::Identity;

/// Looks at the key that a server shows, before anything is sent to it.
pub(super) struct HostKeyCheck {
    host: String,
    port: u16,
    identity: Arc<Identity>,
}

/// Why a server is not taken for the one that is meant. Nothing was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyError {
    /// `known_hosts` has other keys for the host.
    #[error(
        "the host key is not the one in known_hosts: the server shows {algorithm} {fingerprint}, \
         which somebody in between could do\n\
         hint: ask the server's people for its fingerprint before known_hosts is changed"
    )]
    Mismatch {
        /// The type of the key.
        algorithm: Algorithm,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// `known_hosts` has no key for the host.
    #[error(
        "the host is not in known_hosts; the server shows {algorithm} {fingerprint}\n\
         hint: compare it with what the server's people say, and add the host's line, with \
         [host]:port if the port is not 22"
    )]
    Unknown {
        /// The type of the key.
        algorithm: Algorithm,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// `known_hosts` says that the key was given up.
    #[error("the host key {algorithm} {fingerprint} is marked @revoked in known_hosts")]
    Revoked {
        /// The type of the key.
        algorithm: Algorithm,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// `known_hosts` has a certificate authority for the host, and no key.
    #[error(
        "known_hosts has nothing but a @cert-authority for the host, and host certificates are not \
         supported\nhint: add the host's own key; the server shows {algorithm} {fingerprint}"
    )]
    AuthorityOnly {
        /// The type of the key.
        algorithm: Algorithm,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
}

/// Why a connection is not made.
#[derive(Debug)]
pub(super) enum HandshakeError {
    HostKey(HostKeyError),
    Ssh(russh::Error),
}

/// Asked for by [`Handler`]: it is how the library hands its errors through.
impl From<russh::Error> for HandshakeError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl HostKeyCheck {
    pub(super) fn new(url: &RemoteUrl, identity: Arc<Identity>) -> Self {
        Self {
            host: url.host().to_owned(),
            port: url.port().unwrap_or_default(),
            identity,
        }
    }

    /// What the server is asked for: before all others a key of a type that the host is known by,
    /// so that another good key of it is not taken for a wrong one. SHA-1 never is.
    pub(super) fn preferred(&self) -> Preferred {
        let known = self.identity.known_hosts();
        let known = known.algorithms(&self.host, self.port);
        let is_known = |it: &Algorithm| {
            let is_rsa = matches!(it, Algorithm::Rsa { .. });
            known.contains(&if is_rsa { "ssh-rsa" } else { it.as_str() })
        };
        let mut key = Preferred::DEFAULT.key.into_owned();
        key.retain(|it| *it != (Algorithm::Rsa { hash: None }));
        key.sort_by_key(|it| !is_known(it));
        Preferred {
            key: Cow::Owned(key),
            ..Preferred::DEFAULT
        }
    }
}

impl Handler for HostKeyCheck {
    type Error = HandshakeError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, HandshakeError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            // None is asked for.
            return Ok(false);
        };
        let bytes = key.to_bytes();
        let bytes = bytes.map_err(|error| HandshakeError::Ssh(russh::Error::SshKey(error)))?;
        let algorithm = key.algorithm();
        let fingerprint = key.fingerprint(HashAlg::Sha256);
        let known = self.identity.known_hosts();
        Err(HandshakeError::HostKey(
            match known.check(&self.host, self.port, &bytes) {
                Verdict::Trusted => return Ok(true),
                Verdict::Mismatch => HostKeyError::Mismatch {
                    algorithm,
                    fingerprint,
                },
                Verdict::Unknown => HostKeyError::Unknown {
                    algorithm,
                    fingerprint,
                },
                Verdict::Revoked => HostKeyError::Revoked {
                    algorithm,
                    fingerprint,
                },
                Verdict::AuthorityOnly => HostKeyError::AuthorityOnly {
                    algorithm,
                    fingerprint,
                },
            },
        ))
    }
}
