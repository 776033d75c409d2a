//! What can be wrong with a file, and what is worth saying about a right one; always with the line.

use std::fmt;

use super::{MAX_BYTES, MAX_REGISTRIES};
use crate::duration::DurationError;
use crate::image::Excerpt;
use crate::yaml;

/// Everything that is wrong with a file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `None` when there is nothing wrong.
    pub(super) fn of(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by_key(|problem| problem.line);
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// In the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    /// One line a problem.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from one; zero where it is about the whole file.
    pub line: usize,
    /// The key it is about.
    pub key: Option<Excerpt>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(formatter, "line {}: ", self.line)?;
        }
        if let Some(key) = &self.key {
            write!(formatter, "{}: ", key.as_str())?;
        }
        write!(formatter, "{}", self.fault)
    }
}

/// What is wrong, and what to write instead.
///
/// Values of `credentials`, and URLs with a user in them, are not repeated: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Larger than [`MAX_BYTES`].
    #[error("the file is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// More entries than [`MAX_REGISTRIES`].
    #[error("the file has more than {MAX_REGISTRIES} registries")]
    TooManyRegistries,
    /// Not YAML.
    #[error(transparent)]
    Yaml(yaml::Error),
    /// A second document.
    #[error("a second document begins here; one file has one list of registries")]
    SecondDocument,
    /// The file, or an entry, is not a mapping.
    #[error("expected keys with values here, as in `registries:` and `- name: …`")]
    NotAMapping,
    /// `registries` is not a list.
    #[error("expected a list of registries, each beginning with `- `")]
    NotAList,
    /// A key the file does not have.
    #[error("unknown key; the keys are {known}")]
    UnknownKey {
        /// What is known there.
        known: &'static str,
    },
    /// A key stands there twice.
    #[error("the key stands here a second time; keep one of them")]
    RepeatedKey,
    /// A key that has to be there is not.
    #[error("an entry needs this key; {hint}")]
    Missing {
        /// What to write.
        hint: &'static str,
    },
    /// A list or a mapping stands where a value is expected.
    #[error("expected one value, not a list or a mapping")]
    NotAScalar,
    /// Neither yes nor no.
    #[error("{0} is neither `true` nor `false`")]
    NotABoolean(Excerpt),
    /// Not a whole number.
    #[error("{0} is not a whole number; write requests a second, such as 20, or 0 for no limit")]
    NotANumber(Excerpt),
    /// Not a duration.
    #[error("{0}; or 0 for never")]
    Duration(DurationError),
    /// Not a URL that can be asked.
    #[error("{0} is not a URL of a registry; write it as https://host, with a path if it has one")]
    Url(Excerpt),
    /// The URL brings a user or a password.
    #[error("the URL holds a user name; take it out and use `credentials`")]
    UrlWithUser,
    /// Not a registry or a path of one.
    #[error("{0} is not the beginning of an image; write a host such as ghcr.io, or ghcr.io/org")]
    Prefix(Excerpt),
    /// Two entries have the same prefix.
    #[error("{prefix} is the prefix of the entry at line {other}, too; keep one of them")]
    RepeatedPrefix {
        /// The prefix.
        prefix: Excerpt,
        /// The line of the other entry.
        other: usize,
    },
    /// Two entries have no prefix.
    #[error("only one entry may do without a prefix, and the one at line {other} does; give one")]
    SecondWithoutPrefix {
        /// The line of the other entry.
        other: usize,
    },
    /// Two entries are the default.
    #[error("the entry at line {other} is the default already; keep one of them")]
    SecondDefault {
        /// The line of the other entry.
        other: usize,
    },
    /// Not a namespace of images.
    #[error("{0} is not a namespace of images; write lower-case letters, such as library")]
    Namespace(Excerpt),
    /// None of the forms of `credentials`.
    #[error(
        "expected pullsecret:namespace/name, secret:namespace/name#field, env:NAME or \
         ext:/path/to/program; the value is not shown, since it may be a secret"
    )]
    CredentialForm,
    /// `pullsecret:` of another form.
    #[error("expected pullsecret:namespace/name")]
    PullSecretForm,
    /// `secret:` of another form.
    #[error("expected secret:namespace/name#field")]
    SecretForm,
    /// `env:` of another form.
    #[error("expected env:NAME, of letters, digits and _")]
    EnvironmentForm,
    /// `ext:` of another form.
    #[error("expected ext:/path/to/program, from the root")]
    ProgramForm,
    /// Not an absolute path.
    #[error("{0} is not a path from the root, such as /etc/ssl/registry.pem")]
    RelativePath(Excerpt),
    /// No certificate in it.
    #[error("expected certificates as PEM, beginning with -----BEGIN CERTIFICATE-----")]
    NotPem,
}

/// Something that has no effect, or another one than its author may think.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The order in which a registry gives its tags decides nothing here.
    #[error(
        "line {line}: tagsortmode: {value} has no effect: what is newest is read from the images \
         themselves; delete the key"
    )]
    TagSortMode {
        /// Counted from one.
        line: usize,
        /// What was written.
        value: Excerpt,
    },
    /// Docker Hub has an entry of its own, so names without a registry are served by that.
    #[error(
        "line {line}: default: has no effect: names without a registry are Docker Hub's, which \
         has an entry of its own; delete the key or that entry"
    )]
    DefaultNotUsed {
        /// Counted from one.
        line: usize,
    },
}
