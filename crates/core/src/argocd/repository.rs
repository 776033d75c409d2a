//! Which of Argo CD's repository Secrets is for a remote, and whether a project permits it, and who
//! may say that he is of that project. Pure.
//!
//! Addresses are compared by [`RemotePrefix`], which is stricter than Argo CD. What can't be read is
//! for nobody.

use std::str::FromStr as _;

use crate::policy::Glob;
use crate::remote::{RemotePrefix, RemoteUrl};

/// The longest pattern of a project that is read, in bytes: as long as an address of the API.
const MAX_PATTERN_BYTES: usize = 2048;

/// What a Secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// One repository: `argocd.argoproj.io/secret-type: repository`.
    Repository,
    /// All below an address: `repo-creds`.
    Template,
}

/// What one Secret says of where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is for.
    pub kind: EntryKind,
    /// Its `url`.
    pub url: &'a str,
    /// Its `project`: for Applications of that project only.
    pub project: Option<&'a str>,
}

/// The Secrets for a remote, by their places in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// That of the repository itself.
    pub repository: Option<usize>,
    /// That with the longest address that the remote is below of.
    pub template: Option<usize>,
}

/// Looks for the Secrets for `remote`. Of several for the same address one of `project` goes
/// first, then the first of the list; those of other projects are passed over.
pub fn find(remote: &RemoteUrl, project: Option<&str>, entries: &[Entry<'_>]) -> Found {
    let wanted = RemotePrefix::of(remote);
    let mut found = Found::default();
    let (mut repository_is_own, mut best_template) = (None, None);
    for (index, entry) in entries.iter().enumerate() {
        if entry.project.is_some() && entry.project != project {
            continue;
        }
        let is_own = entry.project.is_some();
        match entry.kind {
            EntryKind::Repository => {
                let address = RemoteUrl::from_str(entry.url).ok();
                let is_it = address.is_some_and(|it| RemotePrefix::of(&it) == wanted);
                if is_it && repository_is_own.is_none_or(|before: bool| is_own && !before) {
                    repository_is_own = Some(is_own);
                    found.repository = Some(index);
                }
            }
            EntryKind::Template => {
                let prefix = RemotePrefix::from_str(entry.url).ok();
                let Some(prefix) = prefix.filter(|it| it.covers(remote)) else {
                    continue;
                };
                let rank = (prefix.path_bytes(), is_own);
                if best_template.is_none_or(|before| rank > before) {
                    best_template = Some(rank);
                    found.template = Some(index);
                }
            }
        }
    }
    found
}

/// Whether a project whose `spec.sourceRepos` are these permits a remote.
///
/// One pattern has to match, and none of those with `!`. As in Argo CD `*` and `?` stop at a slash,
/// `**` does not, and `*` alone is everything. Patterns with `[`, `{` or a backslash are not read:
/// they permit nothing, and with `!` forbid everything.
///
/// Rules: <https://argo-cd.readthedocs.io/en/stable/user-guide/projects/#managing-projects>
pub fn permits(source_repos: &[String], remote: &RemoteUrl) -> bool {
    let remote = normalized(remote.as_str());
    let is_permitted = source_repos
        .iter()
        .filter(|pattern| !pattern.starts_with('!'))
        .any(|pattern| matches(pattern, &remote) == Some(true));
    let is_forbidden = source_repos
        .iter()
        .filter_map(|pattern| pattern.strip_prefix('!'))
        .any(|pattern| matches(pattern, &remote) != Some(false));
    is_permitted && !is_forbidden
}

/// Whether a project whose `spec.sourceNamespaces` are these permits Applications of a namespace that
/// is not Argo CD's own.
///
/// One pattern has to match, by `*` and `?`. Those with `[`, `{` or a backslash, which globs disagree
/// about, and regular expressions, `/…/`, are not read: they permit nothing.
///
/// Rules: <https://argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace/>
pub fn permits_namespace(source_namespaces: &[String], namespace: &str) -> bool {
    let readable = source_namespaces
        .iter()
        .filter(|pattern| !pattern.contains(['[', ']', '{', '}', '\\', '/']));
    readable
        .filter_map(|pattern| Glob::from_str(pattern).ok())
        .any(|glob| glob.matches(namespace))
}

/// As Argo CD compares them: in lower case, without `.git`, and SSH in one spelling.
fn normalized(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let text = match text.strip_prefix("ssh://") {
        Some(rest) => rest.to_owned(),
        None if text.contains('@') && !text.contains("://") => text.replacen(':', "/", 1),
        None => text,
    };
    text.strip_suffix(".git").unwrap_or(&text).to_owned()
}

/// Whether a pattern matches a normalized address; nothing if it can't be read.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    let pattern = normalized(pattern);
    if pattern.len() > MAX_PATTERN_BYTES || pattern.contains(['[', ']', '{', '}', '\\']) {
        return None;
    }
    if pattern == "*" {
        return Some(true);
    }
    // Which lengths of the text the pattern so far can be about.
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern.as_str();
    while let Some(character) = rest.chars().next() {
        let is_deep = rest.starts_with("**");
        rest = &rest[if is_deep { 2 } else { character.len_utf8() }..];
        let mut next = vec![false; text.len() + 1];
        for (length, is_reached) in reached.iter().enumerate() {
            if character == '*' {
                let passes = |it: char| is_deep || it != '/';
                let is_next =
                    *is_reached || length > 0 && next[length - 1] && passes(text[length - 1]);
                next[length] = is_next;
            } else if let Some(found) = text.get(length).filter(|_| *is_reached) {
                next[length + 1] = character == *found || character == '?' && *found != '/';
            }
        }
        reached = next;
    }
    reached.last().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REMOTE: &str = "https://git.example/org/env.git";

    #[test]
    fn repository_is_found_by_its_address() {
        check(REMOTE, &["https://git.example/org/env.git"], Some(0), None);
        check(REMOTE, &["https://git.example/org/env"], Some(0), None);
        check(REMOTE, &["https://GIT.example:443/org/env/"], Some(0), None);
        check(REMOTE, &["https://git.example/org"], None, None);
        check(REMOTE, &["https://git.example/org/Env"], None, None);
        check(REMOTE, &["http://git.example/org/env"], None, None);
        check(REMOTE, &["https://git.example:444/org/env"], None, None);
        check(REMOTE, &["git@git.example:org/env"], None, None);
        check(REMOTE, &["not an address", REMOTE], Some(1), None);
    }

    #[test]
    fn both_spellings_of_ssh_are_one_address() {
        for remote in [
            "git@git.example:org/env",
            "ssh://git@git.example/org/env.git",
        ] {
            check(remote, &["git@git.example:org/env.git"], Some(0), None);
            check(remote, &["ssh://git@git.example:22/org/env"], Some(0), None);
            check(remote, &["me@git.example:org/env"], None, None);
            check(remote, &["> git@git.example:org"], None, Some(0));
            check(remote, &["> ssh://git@git.example"], None, Some(0));
            check(remote, &["> https://git.example"], None, None);
        }
    }

    #[test]
    fn template_is_found_by_the_longest_address_above() {
        check(REMOTE, &["> https://git.example"], None, Some(0));
        check(REMOTE, &["> https://git.example/"], None, Some(0));
        check(
            REMOTE,
            &["> https://git.example/org/env.git"],
            None,
            Some(0),
        );
        check(
            REMOTE,
            &["> https://git.example", "> https://git.example/org/"],
            None,
            Some(1),
        );
        check(
            REMOTE,
            &["> https://git.example/org", "> https://git.example"],
            None,
            Some(0),
        );
    }

    #[test]
    fn template_never_reaches_another_server_or_half_a_name() {
        let evil = "https://git.example.evil.example/org/env";
        check(evil, &["> https://git.example"], None, None);
        check(REMOTE, &["> https://git.exam"], None, None);
        check(REMOTE, &["> https://git.example:8443"], None, None);
        check(REMOTE, &["> http://git.example"], None, None);
        check(REMOTE, &["> https://git.example/or"], None, None);
        check(REMOTE, &["> https://git.example/org/en"], None, None);
        check(REMOTE, &["> https://me@git.example/org"], None, None);
        check(REMOTE, &["> https://"], None, None);
        check(REMOTE, &["> "], None, None);
    }

    #[test]
    fn entries_of_a_project_are_for_that_project() {
        let own = "shop: https://git.example/org/env";
        check(REMOTE, &[own], Some(0), None);
        check(REMOTE, &["bank: https://git.example/org/env"], None, None);
        check(REMOTE, &[REMOTE, own], Some(1), None);
        check(REMOTE, &[own, REMOTE], Some(0), None);
        check(REMOTE, &[REMOTE, REMOTE], Some(0), None);
        let entry = Entry {
            kind: EntryKind::Repository,
            url: REMOTE,
            project: Some("shop"),
        };
        let remote = REMOTE.parse().expect("an address");
        assert_eq!(find(&remote, None, &[entry]), Found::default());
    }

    #[test]
    fn project_permits_as_argo_cd_does() {
        permitted(&["*"], REMOTE, true);
        permitted(&[], REMOTE, false);
        permitted(&[REMOTE], REMOTE, true);
        permitted(&["https://GIT.example/Org/env"], REMOTE, true);
        permitted(&["https://git.example/*"], REMOTE, false);
        permitted(&["https://git.example/**"], REMOTE, true);
        permitted(&["https://git.example/*/*"], REMOTE, true);
        permitted(&["https://git.example/org/e?v"], REMOTE, true);
        permitted(&["https://git.example/org?env"], REMOTE, false);
        permitted(&["https://git.example/org/en"], REMOTE, false);
        permitted(&["**"], REMOTE, true);
        permitted(&["*", "!https://git.example/org/*"], REMOTE, false);
        permitted(&["*", "!https://git.example/other/*"], REMOTE, true);
        permitted(&["!https://git.example/other/*"], REMOTE, false);
        permitted(&["https://git.example/{org,x}/env"], REMOTE, false);
        permitted(&["*", "!https://git.example/[a-z]*/x"], REMOTE, false);
        let ssh = "git@git.example:org/env.git";
        permitted(&["git@git.example:org/*"], ssh, true);
        permitted(&["ssh://git@git.example/org/*"], ssh, true);
        permitted(&["https://git.example/org/*"], ssh, false);
    }

    #[test]
    fn project_says_whose_applications_may_be_of_it() {
        for (patterns, expected) in [
            (&[][..], false),
            (&["team-a"], true),
            (&["team"], false),
            (&["team-b", "team-*"], true),
            (&["team-?"], true),
            (&["*"], true),
            (&["TEAM-A"], false),
            (&[""], false),
            (&["team-[ab]"], false),
            (&["{team-a,team-b}"], false),
            (&["/team-.*/"], false),
        ] {
            let owned: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            assert_eq!(
                permits_namespace(&owned, "team-a"),
                expected,
                "{patterns:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn template_matches_no_other_host(host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", path in "[a-z/]{0,9}") {
            let remote: RemoteUrl = REMOTE.parse().expect("an address");
            let url = format!("https://{host}/{path}");
            let entry = Entry { kind: EntryKind::Template, url: &url, project: None };
            let found = find(&remote, None, &[entry]);
            prop_assert!(found.template.is_none() || host == "git.example");
        }

        #[test]
        fn literal_patterns_match_themselves_only(a in "[a-z/]{1,9}", b in "[a-z/]{1,9}") {
            prop_assert_eq!(matches(&a, &b), Some(a == b));
        }
    }

    /// Entries are addresses; `> ` stands before those of templates, `project: ` before those of a
    /// project. The Application is of the project `shop`.
    #[track_caller]
    fn check(remote: &str, entries: &[&str], repository: Option<usize>, template: Option<usize>) {
        let parsed: Vec<Entry<'_>> = entries
            .iter()
            .map(
                |text| match (text.strip_prefix("> "), text.split_once(": ")) {
                    (Some(url), _) => (EntryKind::Template, url, None),
                    (None, Some((project, url))) => (EntryKind::Repository, url, Some(project)),
                    (None, None) => (EntryKind::Repository, *text, None),
                },
            )
            .map(|(kind, url, project)| Entry { kind, url, project })
            .collect();
        let remote = remote.parse().expect("the row's remote is an address");
        let expected = Found {
            repository,
            template,
        };
        assert_eq!(
            find(&remote, Some("shop"), &parsed),
            expected,
            "{entries:?}"
        );
    }

    #[track_caller]
    fn permitted(patterns: &[&str], remote: &str, expected: bool) {
        let owned: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let remote = remote.parse().expect("the row's remote is an address");
        assert_eq!(permits(&owned, &remote), expected, "{patterns:?}");
    }
}
