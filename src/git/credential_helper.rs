//! Asks the git of a person for the password of a remote, as `git push` would: for commands only.
//!
//! `git credential fill` runs the helpers that the person has set up. It asks nobody: a remote that no
//! helper knows has no password. <https://git-scm.com/docs/git-credential>

use std::ffi::OsStr;
use std::io::ErrorKind;

use image_update_core::remote::{RemoteUrl, Scheme};

use super::options::Credential;
use crate::program::{self, Call, ProgramError};

/// Keeps git from asking whoever sits at the terminal.
const ASK_NOBODY: [(&str, &str); 3] = [
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", ""),
];

/// What the helpers have for a remote over HTTPS. `None` without git, and where they have nothing.
pub async fn find(remote: &RemoteUrl) -> Result<Option<Credential>, ProgramError> {
    let scheme = match remote.scheme() {
        Scheme::Https => "https",
        Scheme::Http => "http",
        Scheme::Ssh => return Ok(None),
    };
    let host = host(remote);
    let path = remote.path().trim_start_matches('/');
    let input = format!("protocol={scheme}\nhost={host}\npath={path}\n\n");
    let call = Call {
        arguments: &["credential", "fill"],
        variables: &ASK_NOBODY,
        input: &input,
    };
    match program::run(OsStr::new("git"), call).await {
        Ok(printed) => Ok(read(&printed, &host)),
        Err(ProgramError::Failed(_)) => Ok(None),
        Err(ProgramError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The host of a remote, with the port where it is not that of the scheme: as helpers know it.
pub fn host(remote: &RemoteUrl) -> String {
    match (remote.scheme(), remote.port()) {
        (_, None)
        | (Scheme::Https, Some(443))
        | (Scheme::Http, Some(80))
        | (Scheme::Ssh, Some(22)) => remote.host().to_owned(),
        (_, Some(port)) => format!("{}:{port}", remote.host()),
    }
}

/// The credential of an answer. One for another host than was asked about is nobody's business.
fn read(printed: &str, host: &str) -> Option<Credential> {
    let value = |key: &str| {
        let mut lines = printed.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    if value("host").is_some_and(|it| it != host) {
        return None;
    }
    Some(Credential::basic(value("username")?, value("password")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(printed: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(username, password)| Credential::basic(username, password));
        assert!(read(printed, "git.example") == expected, "{printed}");
    }

    #[test]
    fn an_answer_is_taken_whole() {
        check(
            "protocol=https\nhost=git.example\nusername=u\npassword=a=b\n",
            Some(("u", "a=b")),
        );
        check("username=u\n", None);
    }

    #[test]
    fn what_is_for_another_host_is_not_taken() {
        check("host=evil.example\nusername=u\npassword=p\n", None);
    }
}
