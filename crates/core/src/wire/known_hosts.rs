//! OpenSSH's `known_hosts`: which key a server must show. Described by the section on this file of
//! sshd(8).
//!
//! Stricter than OpenSSH where that is safer: a line that can't be read is an error instead of
//! skipped, for it may be the one that revokes a key; and a port other than 22 is only ever found
//! as `[host]:port`. Host certificates are not verified here, so `@cert-authority` lines trust
//! nobody; a host that has nothing else is told apart.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// The most lines read. The file of a large company has a few thousand.
const MAX_LINES: usize = 10_000;

/// The longest line read, in bytes. An RSA key of 16,384 bits takes 2.8 kB.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// SSH's own port, whose hosts stand without one.
const DEFAULT_PORT: u16 = 22;

/// The keys of servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
}

/// What a file says about the key that a host shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's key.
    Trusted,
    /// It was given up, perhaps stolen.
    Revoked,
    /// The host has other keys.
    Mismatch,
    /// The host has no key, but an authority that would certify one.
    AuthorityOnly,
    /// The host is not in the file.
    Unknown,
}

/// Why a text is not a `known_hosts` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of known_hosts {problem}")]
pub struct KnownHostsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: KnownHostsProblem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KnownHostsProblem {
    /// It has fewer than three fields: names, type and key.
    #[error("is not made of host names, a key's type and a key")]
    Fields,
    /// It starts with an `@` and no marker that is known.
    #[error("has a marker other than @revoked and @cert-authority")]
    Marker,
    /// Its hashed name can't be read.
    #[error("has a hashed name that can't be read")]
    HashedName,
    /// The key is not base64, or not of the type before it.
    #[error("has a key that can't be read, or of another type than it says")]
    Key,
    /// It is too long.
    #[error("is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// There are too many before it.
    #[error("is one too many: at most {MAX_LINES} are read")]
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    marker: Marker,
    names: Names,
    /// The type, as `ssh-ed25519`.
    algorithm: String,
    /// The key as it goes over the wire.
    key: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    CertAuthority,
}

#[derive(Clone, PartialEq, Eq)]
enum Names {
    Patterns(Vec<Pattern>),
    /// HMAC-SHA-1 of the name, with the salt as key.
    Hashed {
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

#[derive(Clone, PartialEq, Eq)]
struct Pattern {
    is_negated: bool,
    /// In lower case.
    text: String,
}

impl KnownHosts {
    /// Reads a file. Comments and empty lines are skipped.
    pub fn parse(text: &str) -> Result<Self, KnownHostsError> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let failed = |problem| KnownHostsError {
                line: index + 1,
                problem,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if lines.len() >= MAX_LINES {
                return Err(failed(KnownHostsProblem::TooMany));
            }
            lines.push(Line::parse(line).map_err(failed)?);
        }
        Ok(Self { lines })
    }

    /// Whether no line is about any host.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Says what the file holds of `key`, as it goes over the wire, at a host.
    pub fn check(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        let name = canonical_name(host, port);
        let about = |marker| {
            self.lines
                .iter()
                .filter(move |line| line.marker == marker)
                .filter(|line| line.names.include(&name))
        };
        if about(Marker::Revoked).any(|line| line.key == key) {
            Verdict::Revoked
        } else if about(Marker::None).any(|line| line.key == key) {
            Verdict::Trusted
        } else if about(Marker::None).next().is_some() {
            Verdict::Mismatch
        } else if about(Marker::CertAuthority).next().is_some() {
            Verdict::AuthorityOnly
        } else {
            Verdict::Unknown
        }
    }

    /// The types of the keys that a host is known by, each once: a server that has several keys is
    /// to be asked for one of these.
    pub fn algorithms(&self, host: &str, port: u16) -> Vec<&str> {
        let name = canonical_name(host, port);
        let mut found = Vec::new();
        for line in &self.lines {
            if line.marker == Marker::None
                && !found.contains(&line.algorithm.as_str())
                && line.names.include(&name)
            {
                found.push(line.algorithm.as_str());
            }
        }
        found
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, KnownHostsProblem> {
        if line.len() > MAX_LINE_BYTES {
            return Err(KnownHostsProblem::TooLong);
        }
        let mut fields = line.split_ascii_whitespace();
        let mut first = fields.next().ok_or(KnownHostsProblem::Fields)?;
        let marker = match first {
            "@revoked" => Marker::Revoked,
            "@cert-authority" => Marker::CertAuthority,
            other if other.starts_with('@') => return Err(KnownHostsProblem::Marker),
            _ => Marker::None,
        };
        if marker != Marker::None {
            first = fields.next().ok_or(KnownHostsProblem::Fields)?;
        }
        let algorithm = fields.next().ok_or(KnownHostsProblem::Fields)?;
        let key = fields.next().ok_or(KnownHostsProblem::Fields)?;
        let key = BASE64_STANDARD
            .decode(key)
            .map_err(|_| KnownHostsProblem::Key)?;
        if key_type(&key) != Some(algorithm.as_bytes()) {
            return Err(KnownHostsProblem::Key);
        }
        Ok(Self {
            marker,
            names: Names::parse(first)?,
            algorithm: algorithm.to_owned(),
            key,
        })
    }
}

/// The type that a key names itself: the first string in it.
fn key_type(key: &[u8]) -> Option<&[u8]> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

impl Names {
    fn parse(field: &str) -> Result<Self, KnownHostsProblem> {
        if let Some(hashed) = field.strip_prefix("|1|") {
            let bytes = |text| BASE64_STANDARD.decode(text).ok();
            let (salt, hash) = hashed
                .split_once('|')
                .and_then(|(salt, hash)| Some((bytes(salt)?, bytes(hash)?)))
                .ok_or(KnownHostsProblem::HashedName)?;
            return Ok(Self::Hashed { salt, hash });
        }
        if field.starts_with('|') {
            return Err(KnownHostsProblem::HashedName);
        }
        let mut patterns = Vec::new();
        for part in field.split(',').filter(|part| !part.is_empty()) {
            let (is_negated, text) = match part.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, part),
            };
            patterns.push(Pattern {
                is_negated,
                text: text.to_ascii_lowercase(),
            });
        }
        Ok(Self::Patterns(patterns))
    }

    /// Whether a name is among these. One that a negated pattern matches is not, whatever else does.
    fn include(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => {
                let matches = |negated| {
                    patterns
                        .iter()
                        .filter(move |it| it.is_negated == negated)
                        .any(|it| matches(it.text.as_bytes(), name.as_bytes()))
                };
                matches(false) && !matches(true)
            }
            Self::Hashed { salt, hash } => {
                // A key of any length will do.
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else {
                    return false;
                };
                mac.update(name.as_bytes());
                mac.verify_slice(hash).is_ok()
            }
        }
    }
}

/// Names say where somebody's servers are, so they stay out of what is logged.
impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Patterns(_) => "Patterns(…)",
            Self::Hashed { .. } => "Hashed(…)",
        })
    }
}

/// A host as it stands in a file: with brackets and port unless that is SSH's own.
fn canonical_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    let bare = host
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .unwrap_or(&host);
    if port == DEFAULT_PORT {
        bare.to_owned()
    } else {
        format!("[{bare}]:{port}")
    }
}

/// Whether `pattern`, in which `*` stands for any characters and `?` for one, matches all of `text`.
///
/// Goes back to the last `*` only: what those before it match can stay as short as it is.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, position));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                (at, position) = (after, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
