//! Which remotes a Secret of a policy is shown to, where Applications name the remotes. Pure.
//!
//! Whoever may write an Application that a policy selects could name a server of their own, and be
//! shown the policy's credential. So the Secret says below which address it is for, or all remotes
//! are on one server.

use image_update_core::remote::{RemotePrefix, RemoteUrl, Scheme};
use image_update_core::secret::SecretData;

use crate::controller::error::{Error, ScopeProblem, SecretProblem};

/// The key that says below which address a Secret is for, as in Argo CD's Secrets.
const URL_KEY: &str = "url";

/// The value of that key; nothing if it is empty, as templates leave it behind.
pub(super) fn url(data: &SecretData) -> Option<Vec<u8>> {
    data.get(URL_KEY)
        .filter(|url| !url.trim_ascii().is_empty())
        .cloned()
}

/// What the Secret `name` is for, if it says so. Fails if it does not and `remotes` are on several
/// servers.
pub(super) fn of<'a>(
    name: &str,
    url: Option<&[u8]>,
    remotes: impl Iterator<Item = &'a RemoteUrl>,
) -> Result<Option<RemotePrefix>, Error> {
    let Some(url) = url else {
        return one_server(name, remotes).map(|()| None);
    };
    let invalid = |problem| Error::InvalidSecret {
        name: name.to_owned(),
        problem,
    };
    let text = std::str::from_utf8(url);
    let text = text.map_err(|_| invalid(SecretProblem::NotText { key: URL_KEY }))?;
    let prefix = text.parse();
    prefix
        .map(Some)
        .map_err(|problem| invalid(SecretProblem::Address(problem)))
}

fn one_server<'a>(
    name: &str,
    mut remotes: impl Iterator<Item = &'a RemoteUrl>,
) -> Result<(), Error> {
    let Some(one) = remotes.next() else {
        return Ok(());
    };
    match remotes.find(|other| server(other) != server(one)) {
        None => Ok(()),
        Some(other) => Err(Error::SecretScope(ScopeProblem::SeveralServers {
            secret: name.to_owned(),
            one: one.clone(),
            other: other.clone(),
        })),
    }
}

/// What a credential is shown to.
fn server(remote: &RemoteUrl) -> (Scheme, &str, Option<u16>) {
    (remote.scheme(), remote.host(), remote.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom a Secret is shown to, of these remotes; or what is wrong.
    fn shown(url: &[u8], remotes: &[&str]) -> Result<Vec<String>, Error> {
        let remotes: Vec<RemoteUrl> = remotes
            .iter()
            .map(|remote| remote.parse().expect("the row's remote is an address"))
            .collect();
        let data = [(URL_KEY.to_owned(), url.to_vec())].into_iter().collect();
        let only = of("git", super::url(&data).as_deref(), remotes.iter())?;
        let is_for = |remote: &&RemoteUrl| only.as_ref().is_none_or(|it| it.covers(remote));
        let shown = remotes.iter().filter(is_for);
        Ok(shown.map(ToString::to_string).collect())
    }

    #[track_caller]
    fn check(url: &str, remotes: &[&str], expected: &[&str]) {
        let found = shown(url.as_bytes(), remotes);
        assert_eq!(found.expect("it is for somebody"), expected, "{url}");
    }

    #[track_caller]
    fn check_refused(url: &[u8], remotes: &[&str], words: &str) {
        let error = shown(url, remotes).expect_err("it is for nobody").chain();
        assert!(error.contains(words), "{error}");
    }

    const ENV: &str = "https://git.example/org/env.git";
    const APPS: &str = "https://git.example/org/apps";

    #[test]
    fn one_server_is_shown_it_whatever_its_repositories() {
        check("", &[], &[]);
        check("", &[ENV], &[ENV]);
        check(" \n", &[ENV, APPS], &[ENV, APPS]);
        let users = ["git@git.example:org/env", "ssh://me@git.example/org/env"];
        check("", &users, &users);
    }

    #[test]
    fn of_several_servers_none_is_shown_it() {
        for other in [
            "https://evil.example/org/env.git",
            "https://git.example.evil.example/org/env.git",
            "https://git.example:8443/org/env.git",
            "http://git.example/org/env.git",
            "git@git.example:org/env.git",
        ] {
            check_refused(b"", &[ENV, other], "add key url to the Secret");
            check_refused(b"", &[other, APPS, ENV], "writeBack.git.repository");
        }
        let ports = ["ssh://git.example/env", "ssh://git.example:2222/env"];
        check_refused(b"", &ports, "two servers");
    }

    #[test]
    fn key_url_says_below_what_it_is_shown() {
        let evil = "https://git.example.evil.example/org/env.git";
        check("https://git.example", &[ENV, evil, APPS], &[ENV, APPS]);
        check("https://git.example/org/env\n", &[ENV, evil, APPS], &[ENV]);
        check("https://git.example/or", &[ENV, evil], &[]);
        check(
            "git@git.example:org",
            &["git@git.example:org/env", ENV],
            &["git@git.example:org/env"],
        );
    }

    #[test]
    fn key_url_that_says_nothing_is_an_error() {
        check_refused(b"git.example", &[ENV], "key url is not the address");
        check_refused(
            b"https://me:hunter2@git.example",
            &[ENV],
            "user name or password",
        );
        check_refused(b"\xff", &[ENV], "key url is not UTF-8 text");
    }
}
