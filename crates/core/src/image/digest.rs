//! A digest: the name of an exact manifest.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of content by its hash: `sha256:` and 64 lower-case hexadecimal digits, or `sha512:`
/// and 128.
///
/// Other algorithms are refused: no registry serves them and nothing here could check them.
///
/// Grammar: <https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Arc<str>);

/// The registered hash algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256, what every registry uses.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Why a text is not a digest. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Neither `sha256:` nor `sha512:` comes first.
    #[error("a digest starts with sha256: or sha512:")]
    UnknownAlgorithm,
    /// The hash has not the length of its algorithm.
    #[error("the hash of a {algorithm} digest has {} characters, not {found}", algorithm.hex_length())]
    WrongLength {
        /// The algorithm named.
        algorithm: Algorithm,
        /// The bytes found behind the colon.
        found: usize,
    },
    /// The hash holds something other than `0-9` and `a-f`.
    #[error("the hash of a digest has the characters 0-9 and a-f only")]
    NotHexadecimal,
}

impl Digest {
    /// The digest's text, algorithm first.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash algorithm.
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        }
    }

    /// The hash, in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }
}

impl Algorithm {
    /// The hexadecimal digits of a hash.
    pub fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = match text.split_once(':') {
            Some(("sha256", hex)) => (Algorithm::Sha256, hex),
            Some(("sha512", hex)) => (Algorithm::Sha512, hex),
            _ => return Err(DigestError::UnknownAlgorithm),
        };
        if hex.len() != algorithm.hex_length() {
            return Err(DigestError::WrongLength {
                algorithm,
                found: hex.len(),
            });
        }
        if !hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(DigestError::NotHexadecimal);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Algorithm, DigestError>) {
        assert_eq!(
            text.parse().map(|digest: Digest| digest.algorithm()),
            expected
        );
    }

    #[test]
    fn sha256_and_sha512_are_digests() {
        check(
            &format!("sha256:{}", "0f".repeat(32)),
            Ok(Algorithm::Sha256),
        );
        check(
            &format!("sha512:{}", "0f".repeat(64)),
            Ok(Algorithm::Sha512),
        );
    }

    #[test]
    fn anything_else_is_refused() {
        check("", Err(DigestError::UnknownAlgorithm));
        check(
            &format!("sha1:{}", "0".repeat(40)),
            Err(DigestError::UnknownAlgorithm),
        );
        check(
            &format!("SHA256:{}", "0".repeat(64)),
            Err(DigestError::UnknownAlgorithm),
        );
        check(
            "sha256:abc",
            Err(DigestError::WrongLength {
                algorithm: Algorithm::Sha256,
                found: 3,
            }),
        );
        check(
            &format!("sha256:{}", "0F".repeat(32)),
            Err(DigestError::NotHexadecimal),
        );
        check(
            &format!("sha256:{}", "é".repeat(32)),
            Err(DigestError::NotHexadecimal),
        );
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same_digest(
            text in "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}",
        ) {
            let digest: Digest = text.parse().expect("the generator follows the grammar");
            prop_assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }
    }
}
