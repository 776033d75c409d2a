//! What the commits of all converted policies are like: the predecessor had one answer for all
//! Applications, in its own settings and not in their annotations.

use std::fmt;
use std::str::FromStr;

use crate::message::MessageTemplate;

/// The longest name an author may have, in characters: what the policy's schema permits.
const MAX_NAME_CHARACTERS: usize = 128;

/// The longest address an author may have, in characters: what the policy's schema permits.
const MAX_EMAIL_CHARACTERS: usize = 254;

/// Who commits, and with what words. The default is what the predecessor did unless told otherwise:
/// <https://argocd-image-updater.readthedocs.io/en/stable/install/reference/>.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitSettings {
    /// The name of author and committer.
    pub author_name: AuthorName,
    /// Their address.
    pub author_email: AuthorEmail,
    /// The message; `None` for the default one.
    pub message: Option<MessageTemplate>,
    /// Whether messages are signed off.
    pub sign_off: bool,
    /// The Secret, of each Application's own namespace, with the key that signs.
    pub signing_secret: Option<SecretName>,
}

/// The name of an author, as git and a policy's schema take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorName(String);

/// The address of an author, as git and a policy's schema take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorEmail(String);

/// The name of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName(String);

/// Why a text is none of these. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitSettingsError {
    /// The name of an author.
    #[error("a name has 1 to {MAX_NAME_CHARACTERS} characters, and neither <, > nor a line break")]
    Name,
    /// The address of an author.
    #[error("an address has 1 to {MAX_EMAIL_CHARACTERS} characters, and neither <, > nor space")]
    Email,
    /// The name of a Secret.
    #[error("the name of a Secret has lower-case letters, digits, - and .")]
    Secret,
}

impl Default for AuthorName {
    fn default() -> Self {
        Self("argocd-image-updater".to_owned())
    }
}

impl Default for AuthorEmail {
    fn default() -> Self {
        Self("noreply@argoproj.io".to_owned())
    }
}

impl FromStr for AuthorName {
    type Err = CommitSettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count())
            // Git trims an author's name, and an empty one is refused.
            && !text.trim().is_empty()
            && !text.contains(['<', '>', '\n', '\0']);
        let name = is_name.then(|| Self(text.to_owned()));
        name.ok_or(CommitSettingsError::Name)
    }
}

impl FromStr for AuthorEmail {
    type Err = CommitSettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_refused = |it: char| it.is_whitespace() || matches!(it, '<' | '>' | '\0');
        let is_email = (1..=MAX_EMAIL_CHARACTERS).contains(&text.chars().count())
            && !text.contains(is_refused);
        let email = is_email.then(|| Self(text.to_owned()));
        email.ok_or(CommitSettingsError::Email)
    }
}

impl FromStr for SecretName {
    type Err = CommitSettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = crate::registries_conf::is_object_name(text).then(|| Self(text.to_owned()));
        name.ok_or(CommitSettingsError::Secret)
    }
}

impl AuthorName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AuthorEmail {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for AuthorEmail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr<Err = CommitSettingsError>>(text: &str, expected: bool) {
        assert_eq!(text.parse::<T>().is_ok(), expected, "{text:?}");
    }

    #[test]
    fn authors_are_what_git_and_the_schema_take() {
        check::<AuthorName>("Release Robot", true);
        check::<AuthorName>("Änne", true);
        check::<AuthorName>("", false);
        check::<AuthorName>(" ", false);
        check::<AuthorName>("Robot <r@example.org>", false);
        check::<AuthorName>("two\nlines", false);
        check::<AuthorName>(&"x".repeat(128), true);
        check::<AuthorName>(&"x".repeat(129), false);
        check::<AuthorEmail>("robot@example.org", true);
        check::<AuthorEmail>("", false);
        check::<AuthorEmail>("robot @example.org", false);
        check::<AuthorEmail>("<robot@example.org>", false);
        check::<AuthorEmail>(&"x".repeat(255), false);
    }

    #[test]
    fn a_secret_has_a_name_and_no_path() {
        check::<SecretName>("signing-key", true);
        check::<SecretName>("/app/keys/signing", false);
        check::<SecretName>("other/key", false);
        check::<SecretName>("", false);
    }
}
