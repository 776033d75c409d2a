//! Where a credential is, as the key `credentials` says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::problem::Fault;

/// The longest name of a namespace, a Secret, a field or a variable, as Kubernetes bounds names.
const MAX_NAME: usize = 253;

/// Where a credential is. It holds none, so it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// `pullsecret:namespace/name`: a Secret with a docker configuration.
    PullSecret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// `secret:namespace/name#field`: a field of a Secret, `user:password`.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
    },
    /// `env:NAME`: an environment variable of the operator, `user:password`.
    Environment(String),
    /// `ext:/path`: a program that prints `user:password`.
    Program(PathBuf),
}

impl FromStr for CredentialSource {
    type Err = Fault;

    /// The text may be a password in the wrong place, so no error repeats it.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let (form, rest) = text.split_once(':').ok_or(Fault::CredentialForm)?;
        match form {
            "pullsecret" => {
                let (namespace, name) = object(rest).ok_or(Fault::PullSecretForm)?;
                Ok(Self::PullSecret { namespace, name })
            }
            "secret" => {
                let (rest, field) = rest.split_once('#').ok_or(Fault::SecretForm)?;
                let (namespace, name) = object(rest).ok_or(Fault::SecretForm)?;
                let field = is_field(field).then(|| field.to_owned());
                let field = field.ok_or(Fault::SecretForm)?;
                Ok(Self::Secret {
                    namespace,
                    name,
                    field,
                })
            }
            "env" if is_variable(rest) => Ok(Self::Environment(rest.to_owned())),
            "env" => Err(Fault::EnvironmentForm),
            "ext" if is_program(rest) => Ok(Self::Program(PathBuf::from(rest))),
            "ext" => Err(Fault::ProgramForm),
            _ => Err(Fault::CredentialForm),
        }
    }
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PullSecret { namespace, name } => {
                write!(formatter, "pullsecret:{namespace}/{name}")
            }
            Self::Secret {
                namespace,
                name,
                field,
            } => write!(formatter, "secret:{namespace}/{name}#{field}"),
            Self::Environment(name) => write!(formatter, "env:{name}"),
            Self::Program(path) => write!(formatter, "ext:{}", path.display()),
        }
    }
}

fn object(text: &str) -> Option<(String, String)> {
    let (namespace, name) = text.split_once('/')?;
    (is_object_name(namespace) && is_object_name(name))
        .then(|| (namespace.to_owned(), name.to_owned()))
}

/// RFC 1123 as Kubernetes has it: lower-case letters, digits, `-` and `.`, none of the latter two
/// at an end.
pub(crate) fn is_object_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|it| is_inner(it) || b"-.".contains(&it))
        && name.bytes().next().is_some_and(is_inner)
        && name.bytes().last().is_some_and(is_inner)
}

fn is_field(field: &str) -> bool {
    (1..=MAX_NAME).contains(&field.len())
        && field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_variable(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_program(path: &str) -> bool {
    path.len() > 1 && path.starts_with('/') && !path.chars().any(char::is_control)
}
