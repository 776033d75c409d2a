//! A private key for SSH, with the servers it may be used with.

use std::{fmt, sync::Arc};

use image_update_core::wire::known_hosts::{KnownHosts, KnownHostsError};
use russh::keys::{Algorithm, PrivateKey, decode_secret_key};
use sha2::{Digest as _, Sha256};

/// The first line of a key in OpenSSH's own format.
const OPENSSH_HEADER: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// What stands in a key of PKCS #8 that is encrypted.
const ENCRYPTED_PKCS8: &str = "BEGIN ENCRYPTED PRIVATE KEY";

/// What stands in a key of the formats before it that is encrypted. Only of RSA keys is this way
/// known to the library.
const ENCRYPTED_PEM: &str = "Proc-Type: 4,ENCRYPTED";

/// The first line of RSA keys of the formats before PKCS #8.
const RSA_PEM: &str = "BEGIN RSA PRIVATE KEY";

/// A private key, and the keys of the servers it may be used with. Erased from memory when dropped,
/// never shown.
pub struct Identity {
    key: Arc<PrivateKey>,
    known_hosts: KnownHosts,
    /// Of all of it: tells identities apart without comparing secrets.
    digest: [u8; 32],
}

/// Why a private key or what goes with it can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is no key of a kind that is read.
    #[error(
        "the SSH key can't be read: it is damaged, no private key, or of an algorithm or encryption \
         that is not known\nhint: ssh-keygen -p -f KEY writes a key in OpenSSH's own format"
    )]
    Malformed,
    /// It is encrypted and there is no passphrase.
    #[error("the SSH key is encrypted and there is no passphrase")]
    NoPassphrase,
    /// The passphrase is wrong.
    #[error("the passphrase does not open the SSH key")]
    WrongPassphrase,
    /// It can't sign: a DSA key, or one that lives on a token.
    #[error("the SSH key is not an Ed25519, ECDSA or RSA key that is held in text")]
    Unusable,
    /// The keys of servers can't be read.
    #[error(transparent)]
    KnownHosts(KnownHostsError),
    /// There are no keys of servers.
    #[error(
        "known_hosts is empty\nhint: ssh-keyscan HOST prints the lines of a host; compare them"
    )]
    NoKnownHosts,
}

impl Identity {
    /// Reads a key in OpenSSH's format or in PEM (PKCS #1, PKCS #8, SEC 1), and the file that
    /// OpenSSH calls `known_hosts`. The passphrase is used if the key is encrypted.
    ///
    /// Opening an encrypted key takes a moment, on purpose.
    pub fn parse(
        key: &str,
        passphrase: Option<&str>,
        known_hosts: &str,
    ) -> Result<Self, IdentityError> {
        let hosts = KnownHosts::parse(known_hosts).map_err(IdentityError::KnownHosts)?;
        if hosts.is_empty() {
            return Err(IdentityError::NoKnownHosts);
        }
        let text = key.trim();
        let opened = if text.starts_with(OPENSSH_HEADER) {
            openssh(text, passphrase)?
        } else {
            pem(text, passphrase)?
        };
        let is_usable = matches!(
            opened.algorithm(),
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. }
        );
        if !is_usable {
            return Err(IdentityError::Unusable);
        }
        let mut digest = Sha256::new();
        for part in [text, passphrase.unwrap_or_default(), known_hosts.trim()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Ok(Self {
            key: Arc::new(opened),
            known_hosts: hosts,
            digest: digest.finalize().into(),
        })
    }

    pub(super) fn key(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.key)
    }

    pub(super) fn known_hosts(&self) -> &KnownHosts {
        &self.known_hosts
    }
}

fn openssh(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, IdentityError> {
    let key = PrivateKey::from_openssh(text).map_err(|_| IdentityError::Malformed)?;
    match passphrase {
        _ if !key.is_encrypted() => Ok(key),
        Some(passphrase) => key
            .decrypt(passphrase)
            .map_err(|_| IdentityError::WrongPassphrase),
        None => Err(IdentityError::NoPassphrase),
    }
}

fn pem(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, IdentityError> {
    let is_old = text.contains(ENCRYPTED_PEM);
    if is_old && !text.contains(RSA_PEM) {
        return Err(IdentityError::Malformed);
    }
    let is_encrypted = is_old || text.contains(ENCRYPTED_PKCS8);
    if is_encrypted && passphrase.is_none() {
        return Err(IdentityError::NoPassphrase);
    }
    // With a passphrase, a key that is not encrypted would be refused.
    let passphrase = passphrase.filter(|_| is_encrypted);
    decode_secret_key(text, passphrase).map_err(|error| {
        // What comes out with the wrong passphrase is random, so anything can be wrong with it.
        let is_read = !matches!(error, russh::keys::Error::CouldNotReadKey);
        if is_encrypted && is_read {
            IdentityError::WrongPassphrase
        } else {
            IdentityError::Malformed
        }
    })
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity(redacted)")
    }
}
