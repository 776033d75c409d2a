//! What is shown to a registry, and how a Secret says it.
//!
//! Pure: the Secret has been read by somebody else. No error repeats a value, since any of them
//! may be a password.

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use image_update_core::image::Repository;
use image_update_core::wire::docker_config::{self, Auth};
use zeroize::Zeroizing;

/// The Secret type and field of a docker configuration.
const DOCKER_CONFIG_JSON: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");

/// The Secret type and field of the configuration docker wrote before 2015.
const DOCKER_CFG: (&str, &str) = ("kubernetes.io/dockercfg", ".dockercfg");

/// What is shown to a registry; its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password, or an access token in its place.
    Basic {
        /// The user name.
        username: Zeroizing<String>,
        /// The password.
        password: Zeroizing<String>,
    },
    /// A refresh token that the registry's token server exchanges.
    IdentityToken(Zeroizing<String>),
}

impl Credential {
    /// A user name with a password.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic {
            username: Zeroizing::new(username.into()),
            password: Zeroizing::new(password.into()),
        }
    }

    /// `user:password`, split at the first colon: a user name can't hold one, a password can. Line
    /// ends after it are ignored: files and programs leave them. `None` for anything else.
    pub fn from_pair(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        let pair = text.split_once(':').filter(|(user, _)| !user.is_empty());
        pair.map(|(user, password)| Self::basic(user, password))
    }

    /// A refresh token.
    pub fn identity_token(token: impl Into<String>) -> Self {
        Self::IdentityToken(Zeroizing::new(token.into()))
    }

    /// The value of an `Authorization` header for basic authentication (RFC 7617).
    pub(super) fn basic_header(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Basic { username, password } => {
                let pair = Zeroizing::new(format!("{}:{}", **username, **password));
                let encoded = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
                Some(Zeroizing::new(format!("Basic {}", *encoded)))
            }
            Self::IdentityToken(_) => None,
        }
    }

    /// The part that must never be shown.
    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Basic {
                username: _,
                password,
            } => password,
            Self::IdentityToken(token) => token,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Basic { .. } => "Basic(redacted)",
            Self::IdentityToken(_) => "IdentityToken(redacted)",
        })
    }
}

impl From<Auth> for Credential {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Basic { username, password } => Self::basic(username, password),
            Auth::IdentityToken(token) => Self::identity_token(token),
        }
    }
}

/// Why a Secret gives no credential.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field that has to be there is not.
    #[error("the secret has no field `{field}`")]
    NoField {
        /// The field's name, as the spec or the Secret's type gives it.
        field: String,
    },
    /// The Secret is of no form that holds a credential.
    #[error("the secret has neither `{}` nor `username` and `password`", DOCKER_CONFIG_JSON.1)]
    NoCredential,
    /// A value is not UTF-8.
    #[error("the secret's field `{field}` is not text")]
    NotText {
        /// The field's name.
        field: String,
    },
    /// The value of the named key is not `user:password`.
    #[error("the secret's field `{field}` is not of the form user:password")]
    NotAPair {
        /// The field's name.
        field: String,
    },
    /// The docker configuration cannot be read.
    #[error("the secret's docker configuration cannot be used")]
    DockerConfig(#[source] docker_config::Error),
}

/// The credential a Secret holds for a repository.
///
/// With a `key`, that field holds `user:password`. Without one, a docker configuration is looked
/// for first (by the Secret's type, then by the field's name) and then `username` with
/// `password`. Line ends after a value are ignored: `kubectl create secret --from-file` keeps
/// them.
///
/// `None` means that the Secret is a docker configuration without an entry for this repository:
/// it is then asked without a credential, as the kubelet does.
pub fn from_secret(
    secret_type: &str,
    data: &BTreeMap<String, Vec<u8>>,
    key: Option<&str>,
    repository: &Repository,
) -> Result<Option<Credential>, Error> {
    if let Some(key) = key {
        return pair(data, key).map(Some);
    }
    let is = |(name, field): (&str, &str)| secret_type == name || data.contains_key(field);
    let found = if is(DOCKER_CONFIG_JSON) {
        let config = value(data, DOCKER_CONFIG_JSON.1)?;
        docker_config::find(config, repository.registry(), repository.path())
    } else if is(DOCKER_CFG) {
        let config = value(data, DOCKER_CFG.1)?;
        docker_config::find_in_dockercfg(config, repository.registry(), repository.path())
    } else if data.contains_key("username") || data.contains_key("password") {
        let credential = Credential::basic(text(data, "username")?, text(data, "password")?);
        return Ok(Some(credential));
    } else {
        return Err(Error::NoCredential);
    };
    Ok(found.map_err(Error::DockerConfig)?.map(Credential::from))
}

fn pair(data: &BTreeMap<String, Vec<u8>>, field: &str) -> Result<Credential, Error> {
    Credential::from_pair(text(data, field)?).ok_or_else(|| Error::NotAPair {
        field: field.to_owned(),
    })
}

fn text<'a>(data: &'a BTreeMap<String, Vec<u8>>, field: &str) -> Result<&'a str, Error> {
    let text = std::str::from_utf8(value(data, field)?).map_err(|_| Error::NotText {
        field: field.to_owned(),
    })?;
    Ok(text.trim_end_matches(['\r', '\n']))
}

fn value<'a>(data: &'a BTreeMap<String, Vec<u8>>, field: &str) -> Result<&'a [u8], Error> {
    let value = data.get(field).ok_or_else(|| Error::NoField {
        field: field.to_owned(),
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPAQUE: &str = "Opaque";

    #[test]
    fn reads_a_docker_configuration() {
        let config = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#;
        let typed = "kubernetes.io/dockerconfigjson";
        check(
            typed,
            &[(".dockerconfigjson", config)],
            None,
            Ok(Some(Credential::basic("u", "p"))),
        );
        check(
            OPAQUE,
            &[(".dockerconfigjson", config)],
            None,
            Ok(Some(Credential::basic("u", "p"))),
        );
        check(typed, &[(".dockerconfigjson", "{}")], None, Ok(None));
        check(typed, &[], None, Err(no_field(".dockerconfigjson")));
    }

    #[test]
    fn reads_an_old_docker_configuration() {
        let config = r#"{"docker.io":{"identitytoken":"t"}}"#;
        let expected = Ok(Some(Credential::identity_token("t")));
        check(
            "kubernetes.io/dockercfg",
            &[(".dockercfg", config)],
            None,
            expected,
        );
    }

    #[test]
    fn a_docker_configuration_that_cannot_be_read_is_an_error() {
        let cause = docker_config::Error::Syntax { line: 1, column: 1 };
        let expected = Err(Error::DockerConfig(cause));
        check(OPAQUE, &[(".dockerconfigjson", "[")], None, expected);
    }

    #[test]
    fn reads_username_and_password() {
        let expected = || Ok(Some(Credential::basic("u", "p")));
        check(
            OPAQUE,
            &[("username", "u"), ("password", "p")],
            None,
            expected(),
        );
        check(
            "kubernetes.io/basic-auth",
            &[("username", "u\n"), ("password", "p\r\n")],
            None,
            expected(),
        );
        check(
            OPAQUE,
            &[("username", "u")],
            None,
            Err(no_field("password")),
        );
        check(OPAQUE, &[("other", "u")], None, Err(Error::NoCredential));
    }

    #[test]
    fn reads_a_pair_under_a_key() {
        let expected = Ok(Some(Credential::basic("u", "p:with:colons")));
        check(
            OPAQUE,
            &[("k", "u:p:with:colons\n"), ("username", "x")],
            Some("k"),
            expected,
        );
        check(
            OPAQUE,
            &[("k", "nocolon")],
            Some("k"),
            Err(Error::NotAPair {
                field: "k".to_owned(),
            }),
        );
        check(
            OPAQUE,
            &[("k", ":p")],
            Some("k"),
            Err(Error::NotAPair {
                field: "k".to_owned(),
            }),
        );
        check(OPAQUE, &[], Some("k"), Err(no_field("k")));
    }

    #[test]
    fn a_value_that_is_not_text_is_an_error() {
        let data = BTreeMap::from([("k".to_owned(), vec![0xff, b':'])]);
        let found = from_secret(OPAQUE, &data, Some("k"), &repository());
        assert_eq!(
            found,
            Err(Error::NotText {
                field: "k".to_owned()
            })
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = [
            Credential::basic("u", "hunter2"),
            Credential::identity_token("hunter2"),
        ];
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
    }

    #[test]
    fn encodes_basic_authentication() {
        let header = Credential::basic("Aladdin", "open sesame").basic_header();
        let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(); // the example of RFC 7617
        assert_eq!(header, Some(Zeroizing::new(expected)));
        assert_eq!(Credential::identity_token("t").basic_header(), None);
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a row without & reads better"
    )]
    #[track_caller]
    fn check(
        secret_type: &str,
        data: &[(&str, &str)],
        key: Option<&str>,
        expected: Result<Option<Credential>, Error>,
    ) {
        let data = data
            .iter()
            .map(|(field, value)| ((*field).to_owned(), value.as_bytes().to_vec()))
            .collect();
        assert_eq!(
            from_secret(secret_type, &data, key, &repository()),
            expected
        );
    }

    fn no_field(field: &str) -> Error {
        Error::NoField {
            field: field.to_owned(),
        }
    }

    fn repository() -> Repository {
        "docker.io/library/nginx"
            .parse()
            .expect("the test's repository is valid")
    }
}
