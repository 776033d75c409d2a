//! An address that remotes are below: that of a server, or of a folder on it.
//!
//! Argo CD compares such addresses as text, so that credentials for `https://github.com` also go to
//! `https://github.com.evil.example`. Here scheme, user, host and port have to be equal; only the
//! path is a prefix, which ends where a name does.

use std::str::FromStr;

use super::url::{RemoteUrl, RemoteUrlError, Scheme};

/// An address that remotes are below, taken apart into what is compared.
///
/// # Examples
///
/// ```
/// # use image_update_core::remote::{RemotePrefix, RemoteUrl};
/// let prefix: RemotePrefix = "https://git.example/org".parse()?;
/// let remote: RemoteUrl = "https://git.example/org/env.git".parse()?;
/// assert!(prefix.covers(&remote));
/// let remote: RemoteUrl = "https://git.example/organs".parse()?;
/// assert!(!prefix.covers(&remote));
/// # Ok::<(), image_update_core::remote::RemoteUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePrefix {
    scheme: Scheme,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// Without slashes at its ends and without `.git`.
    path: String,
}

impl RemotePrefix {
    /// That of one repository.
    pub fn of(remote: &RemoteUrl) -> Self {
        let path = remote.path().trim_matches('/');
        Self {
            scheme: remote.scheme(),
            user: remote.ssh().map(|place| place.user.clone()),
            host: remote.host().to_owned(),
            port: remote.port(),
            path: path.strip_suffix(".git").unwrap_or(path).to_owned(),
        }
    }

    /// Whether a remote is below it, or the same.
    pub fn covers(&self, remote: &RemoteUrl) -> bool {
        let below = Self::of(remote);
        let is_same_server = (self.scheme, &self.user, &self.host, self.port)
            == (below.scheme, &below.user, &below.host, below.port);
        let rest = below.path.strip_prefix(&self.path);
        let ends_with_a_name = rest
            .is_some_and(|rest| self.path.is_empty() || rest.is_empty() || rest.starts_with('/'));
        is_same_server && ends_with_a_name
    }

    /// How long its path is, in bytes: of two that cover a remote, the longer one is nearer to it.
    pub(crate) fn path_bytes(&self) -> usize {
        self.path.len()
    }
}

impl FromStr for RemotePrefix {
    type Err = RemoteUrlError;

    /// Reads an address that need not have a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NAME: &str = "name";
        let whole = format!("{}/{NAME}", text.trim().trim_end_matches('/'));
        let mut prefix = Self::of(&RemoteUrl::from_str(&whole)?);
        let path = prefix.path.strip_suffix(NAME);
        let path = path.ok_or(RemoteUrlError::NoPath)?.trim_end_matches('/');
        prefix.path = path.strip_suffix(".git").unwrap_or(path).to_owned();
        Ok(prefix)
    }
}
