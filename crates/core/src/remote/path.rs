//! A path inside a repository's tree.
//!
//! Paths come from users (a target's `path`) and end as names in git trees that other people check
//! out, so what is refused here is what `git fsck` and a checkout on any platform refuse.

use std::{fmt, str::FromStr};

/// The longest path accepted, in bytes: what Linux can check out (`PATH_MAX`, less its NUL).
const MAX_LENGTH_BYTES: usize = 4095;

/// The most components accepted. Each costs a request on a cold read.
const MAX_COMPONENTS: usize = 64;

/// A path of a file or directory in a repository, relative to the root, with `/` between names.
///
/// # Examples
///
/// ```
/// # use image_update_core::remote::RepoPath;
/// let path: RepoPath = "overlays/prod/kustomization.yaml".parse()?;
/// assert_eq!(path.file_name(), "kustomization.yaml");
/// assert!("../other/secret.yaml".parse::<RepoPath>().is_err());
/// assert!(".GIT/config".parse::<RepoPath>().is_err());
/// # Ok::<(), image_update_core::remote::RepoPathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(String);

/// Why a text is not a path in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RepoPathError {
    /// Nothing at all: the root of the repository is not a file.
    #[error("the path is empty")]
    Empty,
    /// More than 4,095 bytes.
    #[error("the path is longer than {MAX_LENGTH_BYTES} bytes")]
    TooLong,
    /// More than 64 names.
    #[error("the path has more than {MAX_COMPONENTS} components")]
    TooDeep,
    /// Starts with a slash.
    #[error("the path is absolute; it must be relative to the root of the repository")]
    Absolute,
    /// An empty name, as in `a//b` or `a/`.
    #[error("the path has an empty component")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("the path has a component that is . or ..")]
    DotComponent,
    /// `.git`, or a name some file system takes for it.
    #[error("the path has a component that a file system may take for .git")]
    DotGit,
    /// A control character, or a backslash, which is a separator on Windows.
    #[error("the path contains {0:?}")]
    Forbidden(char),
}

impl RepoPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names on the path, the root's child first. Never empty.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last name.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directory this is in; nothing where that is the root.
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Appends `relative`, which must be a path of its own right.
    pub fn join(&self, relative: &str) -> Result<Self, RepoPathError> {
        relative.parse::<Self>()?;
        format!("{}/{relative}", self.0).parse()
    }
}

impl FromStr for RepoPath {
    type Err = RepoPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(RepoPathError::Empty);
        }
        if text.len() > MAX_LENGTH_BYTES {
            return Err(RepoPathError::TooLong);
        }
        if text.starts_with('/') {
            return Err(RepoPathError::Absolute);
        }
        if let Some(character) = text.chars().find(|it| it.is_control() || *it == '\\') {
            return Err(RepoPathError::Forbidden(character));
        }
        if text.split('/').count() > MAX_COMPONENTS {
            return Err(RepoPathError::TooDeep);
        }
        for component in text.split('/') {
            match component {
                "" => return Err(RepoPathError::EmptyComponent),
                "." | ".." => return Err(RepoPathError::DotComponent),
                name if is_dot_git(name) => return Err(RepoPathError::DotGit),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RepoPath({})", self.0)
    }
}

/// Says whether some file system takes `name` for `.git`.
///
/// NTFS drops trailing dots and spaces, has streams after a colon and the short name `git~1`; HFS+
/// ignores some code points; both ignore case. Git's own `verify_path` has the same three rules.
fn is_dot_git(name: &str) -> bool {
    let visible: String = name.chars().filter(|it| !is_ignored_by_hfs(*it)).collect();
    let before_stream = visible.split(':').next().unwrap_or_default();
    let stem = before_stream.trim_end_matches(['.', ' ']);
    stem.eq_ignore_ascii_case(".git") || stem.eq_ignore_ascii_case("git~1")
}

/// The code points HFS+ skips when it compares names (`next_hfs_char` in git's `utf8.c`).
fn is_ignored_by_hfs(character: char) -> bool {
    matches!(
        character,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_paths_are_kept() {
        check("values.yaml", Ok("values.yaml"));
        check(
            "apps/shop/values-prod.yaml",
            Ok("apps/shop/values-prod.yaml"),
        );
        check(".argocd-source-shop.yaml", Ok(".argocd-source-shop.yaml"));
        check(".github/x", Ok(".github/x"));
        check(".gitignore", Ok(".gitignore"));
        check("a b/größe", Ok("a b/größe"));
        check("...", Ok("..."));
        check("git~10", Ok("git~10"));
    }

    #[test]
    fn paths_that_leave_the_repository_are_refused() {
        check("", Err(RepoPathError::Empty));
        check("/etc/passwd", Err(RepoPathError::Absolute));
        check("..", Err(RepoPathError::DotComponent));
        check("a/../../b", Err(RepoPathError::DotComponent));
        check("./a", Err(RepoPathError::DotComponent));
        check("a//b", Err(RepoPathError::EmptyComponent));
        check("a/", Err(RepoPathError::EmptyComponent));
        check("a\\..\\b", Err(RepoPathError::Forbidden('\\')));
        check("a\0b", Err(RepoPathError::Forbidden('\0')));
        check("a\nb", Err(RepoPathError::Forbidden('\n')));
        check("a\u{85}b", Err(RepoPathError::Forbidden('\u{85}')));
    }

    #[test]
    fn every_spelling_of_dot_git_is_refused() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git.",
            ".git ",
            ".git. .",
            ".git:x",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".gi\u{202e}t",
        ] {
            check(name, Err(RepoPathError::DotGit));
            check(&format!("a/{name}/config"), Err(RepoPathError::DotGit));
        }
    }

    #[test]
    fn size_is_bounded() {
        check(&"a".repeat(4096), Err(RepoPathError::TooLong));
        check(&["a"; 65].join("/"), Err(RepoPathError::TooDeep));
    }

    #[test]
    fn parts_are_readable() {
        let path: RepoPath = "a/b/c".parse().expect("a valid path");
        assert_eq!(path.components().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(path.parent().as_ref().map(RepoPath::as_str), Some("a/b"));
        assert_eq!(
            path.join("d/e").as_ref().map(RepoPath::as_str),
            Ok("a/b/c/d/e")
        );
        assert_eq!(path.join("../e"), Err(RepoPathError::DotComponent));
        assert_eq!(path.join("/e"), Err(RepoPathError::Absolute));
        let file: RepoPath = "c".parse().expect("a valid path");
        assert_eq!(file.parent(), None);
    }

    proptest! {
        #[test]
        fn accepted_paths_stay_inside(text in "[./a-c\\\\:]{0,12}") {
            if let Ok(path) = text.parse::<RepoPath>() {
                prop_assert!(path.components().all(|name| !["", ".", ".."].contains(&name)));
                prop_assert_eq!(path.as_str(), text);
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, RepoPathError>) {
        let actual = text.parse::<RepoPath>();
        assert_eq!(
            actual.as_ref().map(RepoPath::as_str),
            expected.as_ref().copied(),
            "{text:?}"
        );
    }
}
