//! Addresses of remotes over SSH: `ssh://git@host:22/path`, and `git@host:path` as scp writes it.
//!
//! Refuses what git refuses too, and what could be taken for something else on the way: a user or
//! path with control characters, and a path that looks like an option of the program it is given to.

use url::{Host, Url};

use super::url::RemoteUrlError;

/// SSH's port: <https://www.rfc-editor.org/rfc/rfc4253#section-4.2>.
pub(super) const DEFAULT_PORT: u16 = 22;

/// The user of addresses that name none. Every host of many repositories has this one.
const DEFAULT_USER: &str = "git";

/// What an SSH server is asked for, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SshPlace {
    /// The user's name on the server.
    pub user: String,
    /// The repository's path, as `git-upload-pack` is given it there: `org/env.git` of
    /// `git@host:org/env.git`, which starts at the user's home; `/org/env.git` of
    /// `ssh://git@host/org/env.git`.
    pub path: String,
}

/// An address over SSH, taken apart.
pub(super) struct Parsed {
    /// The one spelling of it.
    pub(super) text: String,
    /// With host and port; the path is [`SshPlace::path`].
    pub(super) url: Url,
    pub(super) place: SshPlace,
}

/// Reads `user@host:path`; nothing if `text` is not of that form.
pub(super) fn parse_scp(text: &str) -> Option<Result<Parsed, RemoteUrlError>> {
    let (user, rest) = text.split_once('@')?;
    if user.is_empty() || user.contains(['/', ':']) || text.contains("://") {
        return None;
    }
    let colon = match rest.strip_prefix('[') {
        Some(inner) => inner.find("]:")? + 2,
        None => rest.find(':')?,
    };
    let (host, path) = (&rest[..colon], &rest[colon + 1..]);
    (!host.contains('/')).then(|| scp(user, host, path))
}

fn scp(user: &str, host: &str, path: &str) -> Result<Parsed, RemoteUrlError> {
    let mut url = Url::parse("ssh://host/").map_err(RemoteUrlError::Malformed)?;
    set_host(&mut url, host)?;
    let user = checked_user(user)?;
    let path = checked_path(path.trim_end_matches('/'))?;
    if path.starts_with('/') {
        return Ok(absolute(url, user, path));
    }
    let host = url.host_str().unwrap_or_default();
    Ok(Parsed {
        text: format!("{user}@{host}:{path}"),
        url,
        place: SshPlace { user, path },
    })
}

/// Reads `ssh://user@host:port/path`. As git does, takes `%20` for a space, and `/~user/x` for a
/// path below a home.
pub(super) fn parse_url(mut url: Url) -> Result<Parsed, RemoteUrlError> {
    if url.password().is_some() {
        return Err(RemoteUrlError::Userinfo);
    }
    let user = match url.username() {
        "" => DEFAULT_USER.to_owned(),
        user => checked_user(user)?,
    };
    let host = url.host_str().ok_or(RemoteUrlError::NoHost)?.to_owned();
    set_host(&mut url, &host)?;
    if url.port() == Some(DEFAULT_PORT) {
        // Fails for addresses without a host only.
        url.set_port(None).map_err(|()| RemoteUrlError::NoHost)?;
    }
    let path = decoded(url.path().trim_end_matches('/'))?;
    let path = checked_path(&path)?;
    if !path.starts_with("/~") {
        return Ok(absolute(url, user, path));
    }
    let mut parsed = absolute(url, user, path);
    parsed.place.path.remove(0);
    Ok(parsed)
}

fn absolute(mut url: Url, user: String, path: String) -> Parsed {
    url.set_path(&path.replace('%', "%25"));
    // Fails for addresses without a host only, which are refused before.
    url.set_username(&user).unwrap_or_default();
    Parsed {
        text: url.as_str().to_owned(),
        url,
        place: SshPlace { user, path },
    }
}

/// Sets the host as an address of the web would have it: in lower case, and IPv4 addresses in their
/// one spelling, so that they can be told.
fn set_host(url: &mut Url, host: &str) -> Result<(), RemoteUrlError> {
    let host = Host::parse(host).map_err(malformed)?;
    url.set_host(Some(&host.to_string()))
        .map_err(RemoteUrlError::Malformed)
}

/// What the library says of an address, with the one case told apart that users meet.
pub(super) fn malformed(source: url::ParseError) -> RemoteUrlError {
    if source == url::ParseError::EmptyHost {
        RemoteUrlError::NoHost
    } else {
        RemoteUrlError::Malformed(source)
    }
}

fn checked_user(user: &str) -> Result<String, RemoteUrlError> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if user.chars().all(is_plain) {
        Ok(user.to_owned())
    } else {
        Err(RemoteUrlError::User)
    }
}

fn checked_path(path: &str) -> Result<String, RemoteUrlError> {
    if path.is_empty() {
        return Err(RemoteUrlError::NoPath);
    }
    // The names `.` and `..` would make two spellings of one place.
    let has_dots = path.split('/').any(|name| matches!(name, "." | ".."));
    if has_dots || path.starts_with('-') || path.chars().any(char::is_control) {
        return Err(RemoteUrlError::Path);
    }
    Ok(path.to_owned())
}

/// Takes `%` and two digits for a byte.
fn decoded(path: &str) -> Result<String, RemoteUrlError> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(RemoteUrlError::Path)?;
        let digits = std::str::from_utf8(digits).map_err(|_| RemoteUrlError::Path)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| RemoteUrlError::Path)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| RemoteUrlError::Path)
}
