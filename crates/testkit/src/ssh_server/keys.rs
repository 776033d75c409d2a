//! Keys, made by `ssh-keygen` as their users would.

use std::path::Path;
use std::process::Command;

use super::{Error, read};

/// The bits of RSA keys: the fewest that are still accepted everywhere, because they are made
/// again for every test.
const RSA_BITS: &str = "2048";

/// An algorithm of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA of 2048 bits.
    Rsa,
}

/// How a private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// OpenSSH's own.
    Openssh,
    /// PKCS #1 for RSA, SEC 1 for ECDSA. There is none for Ed25519.
    Pem,
    /// PKCS #8. There is none for Ed25519.
    Pkcs8,
}

/// A user's key.
#[derive(Clone)]
pub struct UserKey {
    /// The private key, as text. Not shown by `Debug`.
    pub private: String,
    /// The public key, as a line of text.
    pub public: String,
}

impl std::fmt::Debug for UserKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { private: _, public } = self;
        formatter
            .debug_struct("UserKey")
            .field("public", public)
            .finish_non_exhaustive()
    }
}

impl KeyType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::Ecdsa, Self::Rsa];

    fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }

    pub(super) fn host_key_file(self) -> String {
        format!("host_{}", self.name())
    }
}

impl UserKey {
    /// Makes a new key; with an empty passphrase it is not encrypted.
    pub fn generate(key_type: KeyType, format: KeyFormat, passphrase: &str) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|source| Error::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let file = folder.path().join("key");
        generate(key_type, format, passphrase, &file)?;
        Ok(Self {
            private: read(&file)?,
            public: read(&file.with_extension("pub"))?,
        })
    }
}

/// Writes a new key to `file`, and the public one beside it.
pub(super) fn generate(
    key_type: KeyType,
    format: KeyFormat,
    passphrase: &str,
    file: &Path,
) -> Result<(), Error> {
    let file = file.display().to_string();
    let mut arguments = vec!["-q", "-t", key_type.name(), "-N", passphrase, "-C", "test"];
    arguments.extend(["-f", &file]);
    if key_type == KeyType::Rsa {
        arguments.extend(["-b", RSA_BITS]);
    }
    match format {
        KeyFormat::Openssh => {}
        KeyFormat::Pem => arguments.extend(["-m", "PEM"]),
        KeyFormat::Pkcs8 => arguments.extend(["-m", "PKCS8"]),
    }
    run("ssh-keygen", &arguments).map(drop)
}

/// Runs a program and returns what it says.
#[expect(clippy::disallowed_methods, reason = "users make keys with ssh-keygen")]
pub(super) fn run(program: &'static str, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|source| Error::Run { program, source })?;
    if !output.status.success() {
        return Err(Error::Failed {
            program,
            text: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
