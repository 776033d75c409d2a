//! Where registries, git remotes and receivers of notifications may be: `--allowed-hosts`.

mod lookups;
pub(crate) mod resolver;

/// The hosts that may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `*.example.com`: the hosts below a domain; holds `.example.com`.
    Below(String),
    /// One host, on every port or on one.
    Host { host: String, port: Option<u16> },
}

/// Why an entry of `--allowed-hosts` can't be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("--allowed-hosts: {entry:?} is not host, host:port or *.domain")]
pub struct AllowedHostsError {
    entry: String,
}

impl AllowedHosts {
    /// Reads the entries; none at all allows every host.
    pub fn parse(entries: &[String]) -> Result<Self, AllowedHostsError> {
        entries
            .iter()
            .map(|entry| Pattern::parse(entry))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether `host` on `port` may be asked.
    pub fn allows(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(&host, port))
    }

    /// The same for a registry as it stands in an image: `host` or `host:port`.
    pub fn allows_registry(&self, registry: &str) -> bool {
        match split_port(registry) {
            Some((host, port)) => self.allows(host, Some(port)),
            None => self.allows(registry, None),
        }
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, AllowedHostsError> {
        let error = || AllowedHostsError {
            entry: entry.to_owned(),
        };
        let lower = entry.trim().to_ascii_lowercase();
        let (host, port) = match split_port(&lower) {
            Some((host, port)) => (host, Some(port)),
            None => (lower.as_str(), None),
        };
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c))
        };
        match host.strip_prefix('*') {
            Some(domain) if domain.starts_with('.') && is_name(&domain[1..]) && port.is_none() => {
                Ok(Self::Below(domain.to_owned()))
            }
            None if is_name(host) => Ok(Self::Host {
                host: host.to_owned(),
                port,
            }),
            Some(_) | None => Err(error()),
        }
    }

    fn matches(&self, host: &str, port: Option<u16>) -> bool {
        match self {
            Self::Below(domain) => host.len() > domain.len() && host.ends_with(domain.as_str()),
            Self::Host {
                host: allowed,
                port: allowed_port,
            } => host == allowed && (allowed_port.is_none() || *allowed_port == port),
        }
    }
}

/// Splits `host:port`; an IPv6 address without brackets has no port.
fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    if host.contains(':') && !host.ends_with(']') {
        return None;
    }
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entries: &[&str], registry: &str, allowed: bool) {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        let hosts = AllowedHosts::parse(&entries).expect("the row's entries can be read");
        assert_eq!(
            hosts.allows_registry(registry),
            allowed,
            "{entries:?} {registry}"
        );
    }

    #[test]
    fn nothing_named_allows_everything() {
        check(&[], "ghcr.io", true);
    }

    #[test]
    fn a_host_is_compared_whole_and_without_case() {
        check(&["ghcr.io"], "GHCR.io", true);
        check(&["ghcr.io"], "ghcr.io.evil.example", false);
        check(&["ghcr.io"], "evil-ghcr.io", false);
    }

    #[test]
    fn a_star_means_hosts_below_the_domain_and_not_the_domain() {
        check(&["*.example.com"], "a.b.example.com", true);
        check(&["*.example.com"], "example.com", false);
        check(&["*.example.com"], "badexample.com", false);
    }

    #[test]
    fn a_port_is_compared_where_one_is_named() {
        check(&["localhost:5000"], "localhost:5000", true);
        check(&["localhost:5000"], "localhost:5001", false);
        check(&["localhost"], "localhost:5001", true);
        check(&["[::1]:5000"], "[::1]:5000", true);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for entry in ["", "*", "https://ghcr.io", "*.example.com:80", "a*b"] {
            assert!(AllowedHosts::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }
}
