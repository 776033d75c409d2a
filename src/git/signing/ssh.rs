//! SSH keys: signatures by <https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig>.

use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::SigningKeyError;

/// The namespace that git signs in, so that a signature is good for nothing else.
const NAMESPACE: &str = "git";

/// A key that is open.
pub(super) struct Key(PrivateKey);

impl Key {
    pub(super) fn parse(text: &str, passphrase: Option<&str>) -> Result<Self, SigningKeyError> {
        let key = PrivateKey::from_openssh(text).map_err(|_| SigningKeyError::Malformed)?;
        let key = match passphrase {
            _ if !key.is_encrypted() => key,
            Some(passphrase) => key
                .decrypt(passphrase)
                .map_err(|_| SigningKeyError::WrongPassphrase)?,
            None => return Err(SigningKeyError::NoPassphrase),
        };
        let key = Self(key);
        // Keys that live on a token, and DSA keys, can be read but not sign.
        key.sign(b"").map_err(|_| SigningKeyError::Unusable)?;
        Ok(key)
    }

    pub(super) fn sign(&self, payload: &[u8]) -> Result<String, SigningKeyError> {
        self.0
            .sign(NAMESPACE, HashAlg::Sha512, payload)
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(|_| SigningKeyError::Unusable)
    }
}
