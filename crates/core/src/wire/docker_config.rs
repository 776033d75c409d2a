//! Finds the credential for a repository in a docker configuration (`config.json`, the data of a
//! `kubernetes.io/dockerconfigjson` Secret).
//!
//! Reads what is in the file only: credential helpers (`credHelpers`, `credsStore`) are named, for
//! whoever may run programs of the machine, and never run. No error holds a piece of the file, since
//! any piece of it may be a password.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// The largest configuration that is read, in bytes: the limit of a Kubernetes Secret,
/// <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The name under which every spelling of Docker Hub is compared.
const DOCKER_HUB: &str = "docker.io";

/// The hosts that mean Docker Hub: the image name's, the login server's and the API's.
const DOCKER_HUB_HOSTS: [&str; 4] = [
    DOCKER_HUB,
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
];

/// Padding is left out by some tools that write these files.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a docker configuration says to present to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// A user name and a password.
    Basic {
        /// Never holds a colon when it comes from an `auth` field.
        username: String,
        /// May hold colons.
        password: String,
    },
    /// An OAuth 2 refresh token, exchanged at the registry's token server.
    IdentityToken(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Basic { .. } => "Basic(redacted)",
            Self::IdentityToken(_) => "IdentityToken(redacted)",
        })
    }
}

/// Why a docker configuration cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Larger than [`MAX_BYTES`].
    #[error("the docker configuration is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not JSON, or not the JSON of a docker configuration.
    #[error("the docker configuration cannot be read at line {line}, column {column}")]
    Syntax {
        /// Counted from one.
        line: usize,
        /// Characters before it on that line.
        column: usize,
    },
    /// The `auth` of the matching entry is not base64 of `user:password`.
    #[error("the docker configuration has an entry whose `auth` is not base64 of user:password")]
    BadAuth,
}

/// The credential for `path` at `registry` in a docker configuration, or `None` when no entry
/// with a credential matches.
///
/// Keys may carry a scheme, an API version (`https://index.docker.io/v1/`) or a path; `*` stands
/// for any part of one label of the host name, as for the kubelet. The longest path wins
/// (`host/org/repo` over `host/org` over `host`), then a host without `*`.
pub fn find(config: &[u8], registry: &str, path: &str) -> Result<Option<Auth>, Error> {
    let File { auths } = read(config)?;
    find_entry(auths, registry, path)
}

/// Like [`find`], for the older `.dockercfg` (a `kubernetes.io/dockercfg` Secret), which is the
/// bare object that a newer file holds under `auths`.
pub fn find_in_dockercfg(config: &[u8], registry: &str, path: &str) -> Result<Option<Auth>, Error> {
    find_entry(read(config)?, registry, path)
}

/// Programs that a docker configuration names for a registry, by what follows `docker-credential-`
/// in their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Helpers {
    /// The one of the registry (`credHelpers`).
    pub own: Option<String>,
    /// The one of all others (`credsStore`).
    pub store: Option<String>,
}

/// The programs that hold the password of `registry`. Names that could be a path are left out.
pub fn helpers(config: &[u8], registry: &str) -> Result<Helpers, Error> {
    let HelperFile { own, store } = read(config)?;
    let registry = normalise_host(registry);
    let mut own = own.into_iter();
    let own = own.find(|(key, _)| normalise_host(split_key(key).0) == registry);
    Ok(Helpers {
        own: own.map(|(_, name)| name).filter(|name| is_program(name)),
        store: store.filter(|name| is_program(name)),
    })
}

fn is_program(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.chars().all(is_plain)
}

#[derive(Deserialize)]
struct HelperFile {
    #[serde(default, rename = "credHelpers")]
    own: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

/// What a credential helper prints: <https://github.com/docker/docker-credential-helpers#development>
#[derive(Deserialize)]
struct HelperAnswer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// The user name by which a helper says that the secret is a refresh token.
const TOKEN_USER: &str = "<token>";

/// Reads what a credential helper printed. `None` for an entry without a secret.
pub fn helper_answer(printed: &[u8]) -> Result<Option<Auth>, Error> {
    let HelperAnswer { username, secret } = read(printed)?;
    Ok(match username.as_str() {
        _ if secret.is_empty() => None,
        TOKEN_USER => Some(Auth::IdentityToken(secret)),
        _ => Some(Auth::Basic {
            username,
            password: secret,
        }),
    })
}

/// The name by which helpers know a registry: docker has its own for Docker Hub.
pub fn helper_key(registry: &str) -> &str {
    if normalise_host(registry) == DOCKER_HUB {
        "https://index.docker.io/v1/"
    } else {
        registry
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(alias = "identityToken")]
    identitytoken: Option<String>,
}

fn read<'a, T: Deserialize<'a>>(config: &'a [u8]) -> Result<T, Error> {
    if config.len() > MAX_BYTES {
        return Err(Error::TooLarge);
    }
    // The text of serde's error quotes the input, so only the position is kept.
    serde_json::from_slice(config).map_err(|error| Error::Syntax {
        line: error.line(),
        column: error.column(),
    })
}

fn find_entry(
    auths: BTreeMap<String, Entry>,
    registry: &str,
    path: &str,
) -> Result<Option<Auth>, Error> {
    let registry = normalise_host(registry);
    let mut matching: Vec<(Rank, Entry)> = auths
        .into_iter()
        .filter_map(|(key, entry)| Some((rank(&key, &registry, path)?, entry)))
        .collect();
    matching.sort_by(|(left, _), (right, _)| left.cmp(right));
    for (_, entry) in matching {
        if let Some(auth) = entry.into_auth()? {
            return Ok(Some(auth));
        }
    }
    Ok(None)
}

impl Entry {
    /// `None` for the empty entry that docker leaves behind when a helper holds the password.
    fn into_auth(self) -> Result<Option<Auth>, Error> {
        if let Some(token) = self.identitytoken.filter(|token| !token.is_empty()) {
            return Ok(Some(Auth::IdentityToken(token)));
        }
        if let Some(auth) = self.auth.filter(|auth| !auth.trim().is_empty()) {
            return decode(&auth).map(Some);
        }
        Ok(match (self.username, self.password) {
            (Some(username), Some(password)) if !username.is_empty() => {
                Some(Auth::Basic { username, password })
            }
            _ => None,
        })
    }
}

fn decode(auth: &str) -> Result<Auth, Error> {
    let bytes = BASE64.decode(auth.trim()).map_err(|_| Error::BadAuth)?;
    let pair = String::from_utf8(bytes).map_err(|_| Error::BadAuth)?;
    let (username, password) = pair.split_once(':').ok_or(Error::BadAuth)?;
    if username.is_empty() {
        return Err(Error::BadAuth);
    }
    // Old docker versions padded the password with NUL bytes.
    let password = password.trim_end_matches('\0');
    Ok(Auth::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

/// How well a key fits; the smallest is the best.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    path_length: Reverse<usize>,
    has_wildcard: bool,
    host_length: Reverse<usize>,
}

fn rank(key: &str, registry: &str, path: &str) -> Option<Rank> {
    let (host, prefix) = split_key(key);
    let host = normalise_host(host);
    let is_below = path
        .strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'));
    (is_below && host_matches(&host, registry)).then(|| Rank {
        path_length: Reverse(prefix.len()),
        has_wildcard: host.contains('*'),
        host_length: Reverse(host.len()),
    })
}

/// Splits a key in host and path prefix, without scheme, slashes at the end, and API version.
fn split_key(key: &str) -> (&str, &str) {
    let key = key.trim();
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let path = path.trim_matches('/');
    match path {
        "v1" | "v2" => (host, ""),
        _ => (host, path),
    }
}

fn normalise_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    if DOCKER_HUB_HOSTS.contains(&host) {
        DOCKER_HUB.to_owned()
    } else {
        host.to_owned()
    }
}

/// Compares label by label, so that `*.example.org` does not match `a.b.example.org`.
fn host_matches(pattern: &str, host: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == host;
    }
    let mut labels = host.split('.');
    pattern.split('.').all(|pattern| {
        labels
            .next()
            .is_some_and(|label| label_matches(pattern, label))
    }) && labels.next().is_none()
}

/// Matches `*` as any run of characters, in linear time: every literal piece is taken as early
/// as possible, and the last one at the end.
fn label_matches(pattern: &str, label: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut label) = label
        .strip_prefix(first)
        .and_then(|label| label.strip_suffix(last))
    else {
        return false;
    };
    middle.split('*').all(|piece| match label.find(piece) {
        Some(offset) => {
            label = &label[offset + piece.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests;
