//! The address of a git remote.
//!
//! Refuses what must not be in one: credentials, a query, an address of the link-local range. The
//! user of an SSH address is no credential: it says which of the server's doors to knock at.
//! Whether plain `http` may be used is the caller's decision, not this type's.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use url::{Host, Url};

use super::ssh::{self, SshPlace};
use crate::address::is_link_local;

/// The address of a git remote, free of credentials: safe to log, to show and to commit.
///
/// Two spellings of one address (a trailing slash, an upper-case host, a default port) are equal.
/// A trailing `.git` is kept, for servers differ on whether they want it. `git@host:path` and
/// `ssh://git@host/path` are not equal: the first starts at the user's home.
///
/// # Examples
///
/// ```
/// # use image_update_core::remote::RemoteUrl;
/// let remote: RemoteUrl = "https://git.example/org/env.git/".parse()?;
/// assert_eq!(remote.as_str(), "https://git.example/org/env.git");
/// assert!("https://me:token@git.example/org/env.git".parse::<RemoteUrl>().is_err());
/// let remote: RemoteUrl = "git@git.example:org/env.git".parse()?;
/// assert_eq!((remote.host(), remote.port()), ("git.example", Some(22)));
/// # Ok::<(), image_update_core::remote::RemoteUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteUrl(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    /// The one spelling of the address.
    text: String,
    /// Holds neither password, query nor fragment, and a user only with SSH.
    url: Url,
    scheme: Scheme,
    /// With SSH only.
    ssh: Option<SshPlace>,
}

/// How a remote is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Smart HTTP over TLS.
    Https,
    /// Smart HTTP in the clear.
    Http,
    /// Git's programs on the other side of an SSH connection.
    Ssh,
}

/// Why a text is not the address of a git remote. Never quotes the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteUrlError {
    /// Not a URL at all.
    #[error("the address of the git remote is not a URL")]
    Malformed(#[source] url::ParseError),
    /// A URL, but not one that git content is fetched from.
    #[error(
        "the address of the git remote must start with https:// or ssh://, or be user@host:path"
    )]
    UnsupportedScheme,
    /// `user:password@` in the address.
    #[error(
        "the address of the git remote holds a user name or password\n\
         hint: remove it from the address and put it into the secret that `credentials` names"
    )]
    Userinfo,
    /// `?…` or `#…` in the address.
    #[error("the address of the git remote has a query or a fragment")]
    QueryOrFragment,
    /// The user of an SSH address has other characters than letters, digits, `.`, `_` and `-`.
    #[error("the user in the address of the git remote is not plain")]
    User,
    /// The path of an SSH address looks like an option, or holds control characters or the names `.`
    /// and `..`.
    #[error("the path in the address of the git remote can't be sent to a server")]
    Path,
    /// No host, as in `https:///path`.
    #[error("the address of the git remote has no host")]
    NoHost,
    /// No path: there is no repository at the root of a server.
    #[error("the address of the git remote has no path")]
    NoPath,
    /// A link-local address, see [`is_link_local`].
    #[error("the address of the git remote is link-local, which is never contacted")]
    LinkLocal,
}

impl RemoteUrl {
    /// The address as text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The address without `.git` at its end: to nearly every server that is the same repository.
    pub fn without_suffix(&self) -> &str {
        self.as_str().strip_suffix(".git").unwrap_or(self.as_str())
    }

    /// How the remote is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// Host name or address; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        self.0.url.host_str().unwrap_or_default()
    }

    /// The port, the scheme's own where none is written.
    pub fn port(&self) -> Option<u16> {
        match self.0.scheme {
            Scheme::Https | Scheme::Http => self.0.url.port_or_known_default(),
            Scheme::Ssh => self.0.url.port().or(Some(ssh::DEFAULT_PORT)),
        }
    }

    /// The path on the server: with its leading slash over HTTP, as its programs are given it over
    /// SSH.
    pub fn path(&self) -> &str {
        match &self.0.ssh {
            Some(place) => &place.path,
            None => self.0.url.path(),
        }
    }

    /// What an SSH server is asked for, and as whom; nothing for HTTP.
    pub fn ssh(&self) -> Option<&SshPlace> {
        self.0.ssh.as_ref()
    }
}

impl FromStr for RemoteUrl {
    type Err = RemoteUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(parsed) = ssh::parse_scp(text) {
            return Self::over_ssh(parsed?);
        }
        let url = Url::parse(text).map_err(ssh::malformed)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(RemoteUrlError::QueryOrFragment);
        }
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => return Self::over_ssh(ssh::parse_url(url)?),
            _ => return Err(RemoteUrlError::UnsupportedScheme),
        };
        // `https://@host/` has an empty user, which is still somebody's mistake.
        if !url.username().is_empty() || url.password().is_some() || has_userinfo_mark(text) {
            return Err(RemoteUrlError::Userinfo);
        }
        Self::over_http(url, scheme)
    }
}

impl RemoteUrl {
    fn over_http(mut url: Url, scheme: Scheme) -> Result<Self, RemoteUrlError> {
        refuse_link_local(url.host().as_ref())?;
        let path = url.path().trim_end_matches('/').to_owned();
        if path.is_empty() {
            return Err(RemoteUrlError::NoPath);
        }
        url.set_path(&path);
        Ok(Self(Arc::new(Parts {
            text: url.as_str().to_owned(),
            url,
            scheme,
            ssh: None,
        })))
    }

    fn over_ssh(parsed: ssh::Parsed) -> Result<Self, RemoteUrlError> {
        let ssh::Parsed { text, url, place } = parsed;
        // The URL standard knows addresses in the hosts of the web's schemes only.
        let host = Host::parse(url.host_str().unwrap_or_default());
        refuse_link_local(host.ok().as_ref())?;
        Ok(Self(Arc::new(Parts {
            text,
            url,
            scheme: Scheme::Ssh,
            ssh: Some(place),
        })))
    }
}

fn refuse_link_local<S>(host: Option<&Host<S>>) -> Result<(), RemoteUrlError> {
    let address = match host {
        None => return Err(RemoteUrlError::NoHost),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => IpAddr::V4(*address),
        Some(Host::Ipv6(address)) => IpAddr::V6(*address),
    };
    if is_link_local(address) {
        Err(RemoteUrlError::LinkLocal)
    } else {
        Ok(())
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RemoteUrl({self})")
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
        })
    }
}

/// Says whether the authority part of `text` holds an `@`.
fn has_userinfo_mark(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '\\', '?', '#'])
            .next()
            .is_some_and(|authority| authority.contains('@'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_address_are_equal() {
        check(
            "https://git.example/org/env.git",
            Ok("https://git.example/org/env.git"),
        );
        check(
            " https://git.example/org/env.git/ ",
            Ok("https://git.example/org/env.git"),
        );
        check(
            "HTTPS://GIT.example:443/org/env.git//",
            Ok("https://git.example/org/env.git"),
        );
        check(
            "https://git.example:8443/x",
            Ok("https://git.example:8443/x"),
        );
        check("http://127.0.0.1:3000/x", Ok("http://127.0.0.1:3000/x"));
    }

    #[test]
    fn credentials_are_refused() {
        check(
            "https://me:secret@git.example/x",
            Err(RemoteUrlError::Userinfo),
        );
        check("https://me@git.example/x", Err(RemoteUrlError::Userinfo));
        check(
            "https://:secret@git.example/x",
            Err(RemoteUrlError::Userinfo),
        );
        check("https://@git.example/x", Err(RemoteUrlError::Userinfo));
        check("https://git.example/x@y", Ok("https://git.example/x@y"));
    }

    #[test]
    fn other_schemes_are_refused() {
        check(
            "ftp://git.example/x",
            Err(RemoteUrlError::UnsupportedScheme),
        );
        check("file:///etc/passwd", Err(RemoteUrlError::UnsupportedScheme));
        check(
            "git://git.example/x",
            Err(RemoteUrlError::UnsupportedScheme),
        );
    }

    #[test]
    fn link_local_addresses_are_refused_however_they_are_written() {
        check(
            "http://169.254.169.254/latest",
            Err(RemoteUrlError::LinkLocal),
        );
        check("http://2852039166/latest", Err(RemoteUrlError::LinkLocal));
        check(
            "http://0xa9.0xfe.0xa9.0xfe/latest",
            Err(RemoteUrlError::LinkLocal),
        );
        check("http://[fe80::1]/x", Err(RemoteUrlError::LinkLocal));
        check(
            "http://[::ffff:169.254.169.254]/x",
            Err(RemoteUrlError::LinkLocal),
        );
    }

    #[test]
    fn spellings_of_one_ssh_address_are_equal() {
        for same in [
            "ssh://git@git.example/org/env.git",
            "ssh://git@GIT.example:22/org/env.git/",
            "ssh://git.example/org/env.git",
            "git@git.example:/org/env.git",
        ] {
            check(same, Ok("ssh://git@git.example/org/env.git"));
        }
        check(
            "git@GIT.example:org/env.git/",
            Ok("git@git.example:org/env.git"),
        );
        check("git@[::1]:org/env", Ok("git@[::1]:org/env"));
        check(
            "ssh://me@git.example:443/x",
            Ok("ssh://me@git.example:443/x"),
        );
    }

    #[test]
    fn server_is_given_the_path_that_git_gives_it() {
        check_ssh(
            "git@git.example:org/env.git",
            ("git", "git.example", 22, "org/env.git"),
        );
        check_ssh(
            "git@git.example:~me/env",
            ("git", "git.example", 22, "~me/env"),
        );
        check_ssh(
            "ssh://git@git.example:2222/org/env",
            ("git", "git.example", 2222, "/org/env"),
        );
        check_ssh(
            "ssh://me@git.example/~/env",
            ("me", "git.example", 22, "~/env"),
        );
        check_ssh(
            "ssh://me@[::1]:2222/a%20b%25",
            ("me", "[::1]", 2222, "/a b%"),
        );
        check_ssh(
            "git@ssh.dev.azure.com:v3/org/x",
            ("git", "ssh.dev.azure.com", 22, "v3/org/x"),
        );
    }

    #[test]
    fn unsafe_ssh_addresses_are_refused() {
        check(
            "ssh://me:secret@git.example/x",
            Err(RemoteUrlError::Userinfo),
        );
        check(
            "me:secret@git.example:x",
            Err(RemoteUrlError::UnsupportedScheme),
        );
        check("-oProxyCommand=id@git.example:x", Err(RemoteUrlError::User));
        check("git@git.example:-x", Err(RemoteUrlError::Path));
        check("git@git.example:/a/..", Err(RemoteUrlError::Path));
        check("git@git.example:../a", Err(RemoteUrlError::Path));
        check("git@git.example:a/./b", Err(RemoteUrlError::Path));
        check("ssh://git@git.example/a%0ab", Err(RemoteUrlError::Path));
        check("ssh://git@git.example/a%zz", Err(RemoteUrlError::Path));
        check("git@git.example:", Err(RemoteUrlError::NoPath));
        check("ssh://git@git.example", Err(RemoteUrlError::NoPath));
        check(
            "ssh://git@git.example/x?y",
            Err(RemoteUrlError::QueryOrFragment),
        );
        check(
            "ssh://git@169.254.169.254/x",
            Err(RemoteUrlError::LinkLocal),
        );
        check("ssh://git@2852039166/x", Err(RemoteUrlError::LinkLocal));
        check("git@[fe80::1]:x", Err(RemoteUrlError::LinkLocal));
        check("git@169.254.1.1:x", Err(RemoteUrlError::LinkLocal));
    }

    #[test]
    fn incomplete_addresses_are_refused() {
        check("https://git.example", Err(RemoteUrlError::NoPath));
        check("https://git.example/", Err(RemoteUrlError::NoPath));
        check(
            "https://git.example/x?a=b",
            Err(RemoteUrlError::QueryOrFragment),
        );
        check(
            "https://git.example/x#main",
            Err(RemoteUrlError::QueryOrFragment),
        );
        check("https://", Err(RemoteUrlError::NoHost));
        check(
            "org/env",
            Err(RemoteUrlError::Malformed(
                url::ParseError::RelativeUrlWithoutBase,
            )),
        );
    }

    #[test]
    fn parts_are_readable() {
        let remote: RemoteUrl = "https://git.example/org/env"
            .parse()
            .expect("a valid address");
        assert_eq!(remote.scheme(), Scheme::Https);
        assert_eq!(remote.host(), "git.example");
        assert_eq!(remote.port(), Some(443));
        assert_eq!(remote.path(), "/org/env");
    }

    proptest! {
        #[test]
        fn printing_and_parsing_is_the_identity(
            text in "(https?://|ssh://|ssh://me@|git@)[a-z]{1,9}[/:]([ -~]{1,9}){1,3}"
        ) {
            if let Ok(remote) = text.parse::<RemoteUrl>() {
                prop_assert_eq!(remote.to_string().parse::<RemoteUrl>(), Ok(remote));
            }
        }

        #[test]
        fn a_password_never_reaches_the_error(password in "[a-z]{12}") {
            let text = format!("https://me:{password}@git.example/x");
            let error = text.parse::<RemoteUrl>().expect_err("userinfo is refused");
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains(&password));
        }
    }

    #[track_caller]
    fn check_ssh(text: &str, (user, host, port, path): (&str, &str, u16, &str)) {
        let remote: RemoteUrl = text.parse().expect("a valid address");
        let place = remote.ssh().expect("an address over SSH");
        assert_eq!((place.user.as_str(), place.path.as_str()), (user, path));
        assert_eq!((remote.host(), remote.port()), (host, Some(port)));
        assert_eq!(remote.scheme(), Scheme::Ssh);
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, RemoteUrlError>) {
        let actual = text.parse::<RemoteUrl>().map(|it| it.to_string());
        assert_eq!(actual, expected.map(str::to_owned), "{text}");
    }
}
