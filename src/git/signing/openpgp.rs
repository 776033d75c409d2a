//! OpenPGP keys: detached, armored signatures.

use jiff::Timestamp;
use pgp::composed::{
    ArmorOptions, Deserializable as _, DetachedSignature, SignedSecretKey, SignedSecretSubKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails as _, Password};

use super::SigningKeyError;

/// A key with the passphrase that opens it.
pub(super) struct Key {
    parts: SignedSecretKey,
    passphrase: Password,
    signer: Signer,
}

/// Which part of a key signs.
#[derive(Clone, Copy)]
enum Signer {
    Primary,
    /// The subkey of this index.
    Subkey(usize),
}

impl Key {
    pub(super) fn parse(
        text: &str,
        passphrase: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let (key, _) =
            SignedSecretKey::from_string(text).map_err(|_| SigningKeyError::Malformed)?;
        key.verify_bindings()
            .map_err(|_| SigningKeyError::Malformed)?;
        let signer = signer(&key, now).ok_or(SigningKeyError::Unusable)?;
        let key = Self {
            parts: key,
            passphrase: passphrase.map_or_else(Password::empty, Password::from),
            signer,
        };
        // The only way to know that it opens, and that its algorithm can sign.
        key.sign(b"").map_err(|_| match passphrase {
            None if key.is_encrypted() => SigningKeyError::NoPassphrase,
            Some(_) if key.is_encrypted() => SigningKeyError::WrongPassphrase,
            None | Some(_) => SigningKeyError::Unusable,
        })?;
        Ok(key)
    }

    pub(super) fn sign(&self, payload: &[u8]) -> Result<String, SigningKeyError> {
        let (rng, hash) = (rand::rngs::OsRng, HashAlgorithm::Sha256);
        let signature = match self.subkey() {
            Some(subkey) => DetachedSignature::sign_binary_data(
                rng,
                &subkey.key,
                &self.passphrase,
                hash,
                payload,
            ),
            None => DetachedSignature::sign_binary_data(
                rng,
                &self.parts.primary_key,
                &self.passphrase,
                hash,
                payload,
            ),
        };
        signature
            .and_then(|signature| signature.to_armored_string(ArmorOptions::default()))
            .map_err(|_| SigningKeyError::Unusable)
    }

    /// The subkey that signs; none if the primary key does.
    fn subkey(&self) -> Option<&SignedSecretSubKey> {
        match self.signer {
            Signer::Primary => None,
            Signer::Subkey(at) => self.parts.secret_subkeys.get(at),
        }
    }

    fn is_encrypted(&self) -> bool {
        let params = match self.subkey() {
            Some(subkey) => subkey.key.secret_params(),
            None => self.parts.primary_key.secret_params(),
        };
        params.is_encrypted()
    }
}

/// Which part of the key signs: the last subkey that may, as gpg does it, else the primary key.
fn signer(key: &SignedSecretKey, now: Timestamp) -> Option<Signer> {
    if !key.details.revocation_signatures.is_empty() {
        return None;
    }
    let own = key.details.users.iter().flat_map(|user| &user.signatures);
    let own = newest(own.chain(&key.details.direct_signatures))?;
    if is_expired(key.primary_key.created_at().as_secs(), own, now) {
        return None;
    }
    let subkey = key.secret_subkeys.iter().rposition(|subkey| {
        let is_revoked = subkey
            .signatures
            .iter()
            .any(|it| it.typ() == Some(SignatureType::SubkeyRevocation));
        let binding = newest(&subkey.signatures);
        !is_revoked
            && binding.is_some_and(|binding| {
                binding.key_flags().sign()
                    && !is_expired(subkey.key.created_at().as_secs(), binding, now)
            })
    });
    match subkey {
        Some(at) => Some(Signer::Subkey(at)),
        None => own.key_flags().sign().then_some(Signer::Primary),
    }
}

/// What the owner said last.
fn newest<'a>(signatures: impl IntoIterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.into_iter().max_by_key(|it| it.created())
}

fn is_expired(created_seconds: u32, binding: &Signature, now: Timestamp) -> bool {
    binding.key_expiration_time().is_some_and(|lifetime| {
        lifetime.as_secs() != 0
            && i64::from(created_seconds) + i64::from(lifetime.as_secs()) <= now.as_second()
    })
}
