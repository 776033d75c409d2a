//! Signs commits with an SSH or an OpenPGP key, told apart by the key.
//!
//! Only private keys in text are read: no agent, no key ring, no smart card. A key that can't sign
//! is refused when it is read, not with the first commit.

mod openpgp;
mod ssh;

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The first line of an OpenPGP private key.
const OPENPGP_HEADER: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----";

/// The first line of an SSH private key in OpenSSH's own format.
const OPENSSH_HEADER: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// A key that signs commits. Erased from memory when dropped, never shown.
pub struct SigningKey {
    kind: Kind,
    /// Of the key's text: tells keys apart without comparing secrets.
    digest: [u8; 32],
}

enum Kind {
    Ssh(Box<ssh::Key>),
    OpenPgp(Box<openpgp::Key>),
}

/// Why a key can't sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It is no private key of a kind that is read.
    #[error(
        "the signing key is neither an OpenSSH nor an OpenPGP private key\n\
         hint: ssh-keygen -p -f KEY converts older SSH keys; gpg --armor --export-secret-keys \
         writes OpenPGP keys"
    )]
    Unknown,
    /// It starts like one and can't be read.
    #[error("the signing key can't be read: it is damaged, or of an algorithm that is not known")]
    Malformed,
    /// It is encrypted and there is no passphrase.
    #[error("the signing key is encrypted and there is no passphrase")]
    NoPassphrase,
    /// The passphrase is wrong.
    #[error("the passphrase does not open the signing key")]
    WrongPassphrase,
    /// No part of it may sign, or what may is expired or revoked.
    #[error("the signing key has no part that may sign now: expired, revoked, or not for signing")]
    Unusable,
}

impl SigningKey {
    /// Reads a private key in text, and opens it with `passphrase` where it is encrypted.
    ///
    /// `now` is what keys expire by.
    pub fn parse(
        text: &str,
        passphrase: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let text = text.trim_start();
        let kind = if text.starts_with(OPENSSH_HEADER) {
            Kind::Ssh(Box::new(ssh::Key::parse(text, passphrase)?))
        } else if text.starts_with(OPENPGP_HEADER) {
            Kind::OpenPgp(Box::new(openpgp::Key::parse(text, passphrase, now)?))
        } else {
            return Err(SigningKeyError::Unknown);
        };
        Ok(Self {
            kind,
            digest: Sha256::digest(text).into(),
        })
    }

    /// Signs `payload` and returns the signature in text, as it stands in a commit.
    pub(super) fn sign(&self, payload: &[u8]) -> Result<String, SigningKeyError> {
        match &self.kind {
            Kind::Ssh(key) => key.sign(payload),
            Kind::OpenPgp(key) => key.sign(payload),
        }
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.kind {
            Kind::Ssh(_) => "SigningKey(SSH, redacted)",
            Kind::OpenPgp(_) => "SigningKey(OpenPGP, redacted)",
        })
    }
}
