//! A repository: the registry and the path that tags belong to.
//!
//! This module makes Docker Hub's spellings one. It does not know where a registry's API is; for
//! Docker Hub that is another host.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::excerpt::Excerpt;
use super::reference::Parts;

/// The registry of names that give none.
const DOCKER_HUB: &str = "docker.io";

/// Hosts that serve Docker Hub under another name.
const DOCKER_HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// Where Docker Hub keeps images without a namespace.
const DOCKER_HUB_LIBRARY: &str = "library/";

/// A repository of a registry, `registry/path`, spelled one way however it was written.
///
/// Docker's rules apply: the first part is a host when it holds a `.` or a `:` or is `localhost`,
/// else the repository is on Docker Hub. `nginx`, `library/nginx`, `docker.io/nginx` and
/// `index.docker.io/library/nginx` are all `docker.io/library/nginx`. Hosts are lower-cased: DNS
/// does not tell `GHCR.io` from `ghcr.io`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    text: Arc<str>,
    registry_length: usize,
}

/// Why a text is not a repository.
///
/// The text may be a URL with a password in it, so only parts that cannot hold one are repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// There is no text, or no path behind the registry.
    #[error("the name of an image is missing")]
    Empty,
    /// It is a URL.
    #[error("an image has no scheme: leave out what stands before and with ://")]
    HasScheme,
    /// There is a tag.
    #[error("a repository stands without a tag: leave out the last colon and what follows")]
    HasTag,
    /// There is a digest.
    #[error("a repository stands without a digest: leave out the @ and what follows")]
    HasDigest,
    /// The first part looks like a host and is none.
    #[error("{0} is not a registry: expected host, host:port or [IPv6]:port")]
    BadRegistry(Excerpt),
    /// A part of the path is not allowed.
    #[error(
        "{0} cannot be part of an image's name: expected lower-case letters and digits, \
         with '.', '_', '__' or dashes between them"
    )]
    BadPathPart(Excerpt),
    /// It has more than [`Repository::MAX_LENGTH`] bytes.
    #[error("the name is longer than {} characters", Repository::MAX_LENGTH)]
    TooLong,
}

impl Repository {
    /// The bytes a repository has at most, registry included, as the distribution specification
    /// advises clients to assume.
    pub const MAX_LENGTH: usize = 255;

    /// The registry's host, with a port where one was given: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.text[..self.registry_length]
    }

    /// The path in the registry: `library/nginx`.
    pub fn path(&self) -> &str {
        &self.text[self.registry_length + 1..]
    }

    /// The whole in its one spelling, `registry/path`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the repository is on Docker Hub.
    pub fn is_docker_hub(&self) -> bool {
        self.registry() == DOCKER_HUB
    }

    /// The shortest spelling that means this repository: `nginx`, `grafana/grafana`,
    /// `ghcr.io/org/app`.
    pub fn familiar(&self) -> &str {
        if !self.is_docker_hub() {
            return &self.text;
        }
        let path = self.path();
        match path.strip_prefix(DOCKER_HUB_LIBRARY) {
            Some(name) if !name.contains('/') => name,
            // Docker Hub allows a namespace that reads like a host.
            _ if path
                .split_once('/')
                .is_some_and(|(first, _)| is_host(first)) =>
            {
                &self.text
            }
            _ => path,
        }
    }

    /// Reads a name that has been freed of tag and digest.
    pub(super) fn from_name(name: &str) -> Result<Self, RepositoryError> {
        if name.is_empty() {
            return Err(RepositoryError::Empty);
        }
        if name.contains("://") {
            return Err(RepositoryError::HasScheme);
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_host(first) => (registry(first)?, path),
            _ => (DOCKER_HUB.to_owned(), name),
        };
        if path.is_empty() {
            return Err(RepositoryError::Empty);
        }
        if let Some(part) = path.split('/').find(|part| !is_path_part(part)) {
            return Err(RepositoryError::BadPathPart(Excerpt::new(part)));
        }
        let is_official = registry == DOCKER_HUB && !path.contains('/');
        let namespace = if is_official { DOCKER_HUB_LIBRARY } else { "" };
        let text = format!("{registry}/{namespace}{path}");
        if text.len() > Self::MAX_LENGTH {
            return Err(RepositoryError::TooLong);
        }
        Ok(Self {
            text: text.into(),
            registry_length: registry.len(),
        })
    }
}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        if text.contains("://") {
            return Err(RepositoryError::HasScheme);
        }
        let Parts { name, tag, digest } = Parts::split(text);
        if digest.is_some() {
            return Err(RepositoryError::HasDigest);
        }
        if tag.is_some() {
            return Err(RepositoryError::HasTag);
        }
        Self::from_name(name)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// Whether the first part of a name is a host and not a namespace of Docker Hub, which is in
/// lower case: `splitDockerDomain` of
/// <https://github.com/distribution/reference/blob/main/normalize.go>
pub(crate) fn is_host(part: &str) -> bool {
    part == "localhost"
        || part.contains(|character: char| ".:".contains(character) || character.is_uppercase())
}

/// Checks a host with its port and gives its one spelling.
fn registry(text: &str) -> Result<String, RepositoryError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    let is_ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    if !port.is_none_or(is_port) || !(is_ipv6 || host.split('.').all(is_host_label)) {
        return Err(RepositoryError::BadRegistry(Excerpt::new(text)));
    }
    let registry = text.to_ascii_lowercase();
    if DOCKER_HUB_ALIASES.contains(&registry.as_str()) {
        return Ok(DOCKER_HUB.to_owned());
    }
    // In lower case it would be read as a namespace of Docker Hub, which is somebody else's image.
    if !is_host(&registry) {
        return Err(RepositoryError::BadRegistry(Excerpt::new(text)));
    }
    Ok(registry)
}

/// A label of a host name: letters and digits, with dashes between them.
fn is_host_label(label: &str) -> bool {
    label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, the distribution specification's path component.
fn is_path_part(part: &str) -> bool {
    let is_alphanumeric = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = part.as_bytes();
    let ends_well = [bytes.first(), bytes.last()]
        .into_iter()
        .all(|end| end.is_some_and(|&byte| is_alphanumeric(byte)));
    ends_well
        && bytes.split(|&byte| is_alphanumeric(byte)).all(|separator| {
            matches!(separator, b"" | b"." | b"_" | b"__")
                || separator.iter().all(|&byte| byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let repository: Repository = text.parse().expect("the row's text is a repository");
        assert_eq!(repository.to_string(), expected);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &RepositoryError) {
        assert_eq!(text.parse::<Repository>().as_ref(), Err(expected));
    }

    #[test]
    fn docker_hub_has_one_spelling() {
        for text in [
            "nginx",
            "library/nginx",
            "docker.io/nginx",
            "docker.io/library/nginx",
            "index.docker.io/nginx",
            "index.docker.io/library/nginx",
            "registry-1.docker.io/library/nginx",
            "Docker.IO/nginx",
        ] {
            check(text, "docker.io/library/nginx");
        }
        check("grafana/grafana", "docker.io/grafana/grafana");
        check("docker.io/a/b/c", "docker.io/a/b/c");
    }

    #[test]
    fn a_part_with_dot_or_colon_or_localhost_is_a_host() {
        check("quay.io/library/x", "quay.io/library/x");
        check("quay.io/x", "quay.io/x");
        check("localhost/x", "localhost/x");
        check("localhost:5000/x", "localhost:5000/x");
        check("registry:5000/a/b", "registry:5000/a/b");
        check("[::1]:5000/x", "[::1]:5000/x");
        check("[2001:DB8::1]/x", "[2001:db8::1]/x");
        check("GHCR.io/org/app", "ghcr.io/org/app");
    }

    #[test]
    fn one_part_alone_is_never_a_host() {
        check("docker.io", "docker.io/library/docker.io");
        check_refused("localhost:5000", &RepositoryError::HasTag);
    }

    #[test]
    fn what_belongs_to_a_reference_or_a_url_is_named() {
        check_refused("nginx:1", &RepositoryError::HasTag);
        check_refused("localhost:5000/x:1", &RepositoryError::HasTag);
        check_refused("nginx@sha256:ab", &RepositoryError::HasDigest);
        check_refused("nginx:1@sha256:ab", &RepositoryError::HasDigest);
        check_refused("https://ghcr.io/x", &RepositoryError::HasScheme);
        check_refused("oci://user:secret@ghcr.io/x", &RepositoryError::HasScheme);
    }

    #[test]
    fn bad_names_are_refused() {
        check_refused("", &RepositoryError::Empty);
        check_refused("ghcr.io/", &RepositoryError::Empty);
        for (text, part) in [
            ("Nginx", "Nginx"),
            ("a//b", ""),
            ("a/b/", ""),
            ("a/-b", "-b"),
            ("a/b_", "b_"),
            ("a/b___c", "b___c"),
            ("a/b..c", "b..c"),
            ("a/b._c", "b._c"),
            ("a/b c", "b c"),
            (" nginx", " nginx"),
        ] {
            check_refused(text, &RepositoryError::BadPathPart(Excerpt::new(part)));
        }
        for registry in [
            "a..b", "GHCR", "-a.b", "a_b.c", "a:", "a:0", "a:70000", "a:+1", "[::1", "[x]:1",
        ] {
            let text = format!("{registry}/x");
            check_refused(&text, &RepositoryError::BadRegistry(Excerpt::new(registry)));
        }
        check_refused(&"a".repeat(300), &RepositoryError::TooLong);
    }

    #[test]
    fn separators_between_letters_are_allowed() {
        check("a/b.c_d__e---f", "docker.io/a/b.c_d__e---f");
    }

    #[test]
    fn familiar_names_are_short_where_that_is_safe() {
        let familiar = |text: &str| {
            let repository: Repository = text.parse().expect("the row's text is a repository");
            repository.familiar().to_owned()
        };
        assert_eq!(familiar("docker.io/library/nginx"), "nginx");
        assert_eq!(familiar("docker.io/grafana/grafana"), "grafana/grafana");
        assert_eq!(familiar("docker.io/my.org/app"), "docker.io/my.org/app");
        assert_eq!(familiar("ghcr.io/org/app"), "ghcr.io/org/app");
    }

    proptest! {
        #[test]
        fn every_spelling_printed_parses_to_the_same_repository(
            text in "((docker\\.io|index\\.docker\\.io|localhost|a\\.b:80|Reg:5000)/)?\
                     ([a-z0-9]{1,4}([.]|_|__|-{1,3}))?[a-z0-9]{1,4}(/[a-z0-9.]{0,3}[a-z0-9]){0,3}",
        ) {
            if let Ok(repository) = text.parse::<Repository>() {
                prop_assert_eq!(repository.to_string().parse(), Ok(repository.clone()));
                prop_assert_eq!(repository.familiar().parse(), Ok(repository.clone()));
                let joined = format!("{}/{}", repository.registry(), repository.path());
                prop_assert_eq!(joined, repository.as_str());
            }
        }

        #[test]
        fn any_text_is_a_repository_or_an_error(text in "[a-zA-Z0-9./:@_\\[\\] -]{0,40}") {
            let parsed = text.parse::<Repository>();
            prop_assert!(parsed.is_err() || parsed.is_ok_and(|parsed| parsed.as_str().len() >= text.len().min(5)));
        }
    }
}
