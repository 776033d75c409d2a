//! The name of a branch, by git's own rules.

use std::{fmt, str::FromStr};

/// The longest name of a branch accepted, in bytes. Git has no limit; file systems that hold refs have 255.
pub const MAX_BRANCH_BYTES: usize = 250;

/// What stands before a branch's name in the name of its ref.
const REF_PREFIX: &str = "refs/heads/";

/// The name of a branch, such as `main` or `image-updates/shop`.
///
/// The rules are those of `git check-ref-format --branch`. `refs/heads/main` is accepted as another
/// spelling of `main`, because that is how Argo CD users may write a revision.
///
/// # Examples
///
/// ```
/// # use image_update_core::remote::BranchName;
/// let branch: BranchName = "refs/heads/main".parse()?;
/// assert_eq!(branch.as_str(), "main");
/// assert_eq!(branch.to_ref(), "refs/heads/main");
/// assert!("a..b".parse::<BranchName>().is_err());
/// # Ok::<(), image_update_core::remote::BranchNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

/// Why a text is not the name of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BranchNameError {
    /// Nothing at all.
    #[error("the name of the branch is empty")]
    Empty,
    /// More than 250 bytes.
    #[error("the name of the branch is longer than {MAX_BRANCH_BYTES} bytes")]
    TooLong,
    /// `HEAD` and `@` name what is checked out, not a branch.
    #[error("the name of the branch is reserved by git")]
    Reserved,
    /// Starts with a dash, so that git would take it for an option.
    #[error("the name of the branch starts with a dash")]
    LeadingDash,
    /// A character git forbids in refs.
    #[error("the name of the branch contains {0:?}")]
    Forbidden(char),
    /// `..`, `@{` or `//`.
    #[error("the name of the branch contains a sequence that git reserves: .. or @{{ or //")]
    Sequence,
    /// A component that starts with a dot, or ends with a dot or `.lock`; or a slash at an end.
    #[error("a component of the branch's name is empty, starts with a dot, or ends with .lock")]
    Component,
    /// The whole name ends with a dot.
    #[error("the name of the branch ends with a dot")]
    TrailingDot,
}

impl BranchName {
    /// The name without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name of the ref, `refs/heads/…`.
    pub fn to_ref(&self) -> String {
        format!("{REF_PREFIX}{}", self.0)
    }

    /// The branch a ref's full name stands for; nothing for tags and others.
    pub fn from_ref(name: &str) -> Option<Self> {
        name.strip_prefix(REF_PREFIX)?.parse().ok()
    }
}

impl FromStr for BranchName {
    type Err = BranchNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix(REF_PREFIX).unwrap_or(text);
        if name.is_empty() {
            return Err(BranchNameError::Empty);
        }
        if name.len() > MAX_BRANCH_BYTES {
            return Err(BranchNameError::TooLong);
        }
        if name == "@" || name == "HEAD" {
            return Err(BranchNameError::Reserved);
        }
        if name.starts_with('-') {
            return Err(BranchNameError::LeadingDash);
        }
        if let Some(character) = name.chars().find(|character| is_forbidden(*character)) {
            return Err(BranchNameError::Forbidden(character));
        }
        if ["..", "@{", "//"]
            .iter()
            .any(|sequence| name.contains(sequence))
        {
            return Err(BranchNameError::Sequence);
        }
        if name.ends_with('.') {
            return Err(BranchNameError::TrailingDot);
        }
        if name.split('/').any(is_refused_component) {
            return Err(BranchNameError::Component);
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for BranchName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BranchName({})", self.0)
    }
}

/// The characters of `git check-ref-format`, rules 4, 5 and 10.
fn is_forbidden(character: char) -> bool {
    character.is_ascii_control()
        || matches!(character, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')
}

/// `git check-ref-format`, rules 1 and 6.
fn is_refused_component(component: &str) -> bool {
    component.is_empty() || component.starts_with('.') || component.as_bytes().ends_with(b".lock")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_kept() {
        check("main", Ok("main"));
        check("image-updates/shop_1", Ok("image-updates/shop_1"));
        check("release/v1.2.x", Ok("release/v1.2.x"));
        check("zweig/größe", Ok("zweig/größe"));
        check("a@b", Ok("a@b"));
        check("{x}", Ok("{x}"));
    }

    #[test]
    fn full_ref_is_another_spelling() {
        check("refs/heads/main", Ok("main"));
        check("refs/heads/", Err(BranchNameError::Empty));
    }

    #[test]
    fn names_git_refuses_are_refused() {
        check("", Err(BranchNameError::Empty));
        check("@", Err(BranchNameError::Reserved));
        check("HEAD", Err(BranchNameError::Reserved));
        check("-d", Err(BranchNameError::LeadingDash));
        check("a b", Err(BranchNameError::Forbidden(' ')));
        check("a\nb", Err(BranchNameError::Forbidden('\n')));
        check("a\u{7f}b", Err(BranchNameError::Forbidden('\u{7f}')));
        check("a~1", Err(BranchNameError::Forbidden('~')));
        check("a:b", Err(BranchNameError::Forbidden(':')));
        check("a\\b", Err(BranchNameError::Forbidden('\\')));
        check("*", Err(BranchNameError::Forbidden('*')));
        check("a..b", Err(BranchNameError::Sequence));
        check("a@{1}", Err(BranchNameError::Sequence));
        check("a//b", Err(BranchNameError::Sequence));
        check("/a", Err(BranchNameError::Component));
        check("a/", Err(BranchNameError::Component));
        check(".a", Err(BranchNameError::Component));
        check("a/.b", Err(BranchNameError::Component));
        check("a.lock", Err(BranchNameError::Component));
        check("a.lock/b", Err(BranchNameError::Component));
        check("a.", Err(BranchNameError::TrailingDot));
        check(&"a".repeat(251), Err(BranchNameError::TooLong));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_is_the_identity(text in "[ -~]{1,20}") {
            if let Ok(branch) = text.parse::<BranchName>() {
                // A branch may itself be called `refs/heads/…`; only its ref tells it apart.
                prop_assert_eq!(BranchName::from_ref(&branch.to_ref()), Some(branch));
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BranchNameError>) {
        let actual = text.parse::<BranchName>();
        assert_eq!(
            actual.as_ref().map(BranchName::as_str),
            expected.as_ref().copied(),
            "{text:?}"
        );
    }
}
