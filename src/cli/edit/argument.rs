//! What stands behind the flags of `edit`: `key=value` and images, read without a guess.
//!
//! A key ends at the first `=`, and the value is all the rest. A tag's colon comes after the last
//! slash, since one before it is a port's. What a key's value may be is the file's business; images
//! are checked here, because a file takes any text.

use image_update_core::image::{Repository, RepositoryError, Tag, TagError};
use image_update_core::target::Image;
use image_update_core::target::kustomization::ImageEdit;
use image_update_core::yaml;

/// Why a value of a flag is not what the flag takes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgumentError {
    /// Nothing tells the key from the value.
    #[error("there is no = in it")]
    NoAssignment,
    /// Nothing stands before the `=`, or before a tag.
    #[error("the name is empty")]
    EmptyName,
    /// Nothing stands behind the `=` of an image.
    #[error("the value is empty")]
    EmptyValue,
    /// The key is not a path into the file.
    #[error("the key cannot be used")]
    Path(#[source] yaml::Error),
    /// The name in the manifests has a tag or a digest.
    #[error("the name before the = has a tag or a digest")]
    NameWithVersion,
    /// There is a name and nothing to write.
    #[error("there is no tag and no digest")]
    NoVersion,
    /// The repository is not one.
    #[error("the repository is not valid")]
    Repository(#[source] RepositoryError),
    /// The tag is not one.
    #[error("the tag is not valid")]
    Tag(#[source] TagError),
    /// The digest has not the form of one.
    #[error("the digest is not valid")]
    Digest,
    /// The policy is not `namespace:name`.
    #[error("the policy is not of the form namespace:name")]
    Policy,
}

impl ArgumentError {
    /// What to write instead.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NoAssignment => "write KEY=VALUE",
            Self::EmptyName => "write the name first",
            Self::EmptyValue => "write what is to run instead; is a variable of a script unset?",
            Self::Path(_) => r"write keys as a.b[0].c, and a dot in a key as \.",
            Self::NameWithVersion => "write the tag or digest at the end: NAME=NEWNAME:TAG",
            Self::NoVersion => "write :TAG, @DIGEST or both behind the name",
            Self::Repository(_) => "write registry/repository, such as ghcr.io/org/app or nginx",
            Self::Tag(_) => {
                "a tag has letters, digits, _, . and -, at most 128, and begins with none of . and -"
            }
            Self::Digest => "a digest is an algorithm and hexadecimal digits: sha256:0123abcd…",
            Self::Policy => "write namespace:name, as the marker has it",
        }
    }
}

/// Splits at the first `=`. The value is taken as it is, and may be empty.
pub(super) fn assignment(text: &str) -> Result<(&str, &str), ArgumentError> {
    let (key, value) = text.split_once('=').ok_or(ArgumentError::NoAssignment)?;
    if key.is_empty() {
        return Err(ArgumentError::EmptyName);
    }
    Ok((key, value))
}

/// Reads `name[:tag][@digest]` with a tag, a digest or both. The name is looked for, so it may be any,
/// such as a placeholder.
pub(super) fn image_of_any_name(text: &str) -> Result<Image, ArgumentError> {
    let image = checked(text)?;
    if image.tag.is_none() && image.digest.is_none() {
        return Err(ArgumentError::NoVersion);
    }
    Ok(image)
}

/// Reads `repository[:tag][@digest]` with a tag, a digest or both.
pub(super) fn image(text: &str) -> Result<Image, ArgumentError> {
    let image = image_of_any_name(text)?;
    check_repository(&image.name)?;
    Ok(image)
}

/// Reads `name[=newname][:tag][@digest]`. The name may be any, such as a placeholder; what runs
/// instead must be a repository.
pub(super) fn kustomize_image(text: &str) -> Result<ImageEdit, ArgumentError> {
    let Some((name, instead)) = text.split_once('=') else {
        let image = image_of_any_name(text)?;
        return Ok(ImageEdit {
            name: image.name,
            new_name: None,
            new_tag: image.tag,
            digest: image.digest,
        });
    };
    if name.is_empty() {
        return Err(ArgumentError::EmptyName);
    }
    let whole = Image::parse(name);
    if whole.tag.is_some() || whole.digest.is_some() {
        return Err(ArgumentError::NameWithVersion);
    }
    if instead.is_empty() {
        return Err(ArgumentError::EmptyValue);
    }
    let image = checked(instead)?;
    check_repository(&image.name)?;
    Ok(ImageEdit {
        name: name.to_owned(),
        new_name: Some(image.name),
        new_tag: image.tag,
        digest: image.digest,
    })
}

/// Reads `namespace:name`.
pub(super) fn policy(text: &str) -> Result<String, ArgumentError> {
    let is_name = |name: &str| {
        let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '.');
        !name.is_empty() && name.chars().all(is_part)
    };
    match text.split_once(':') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(text.to_owned()),
        _ => Err(ArgumentError::Policy),
    }
}

fn checked(text: &str) -> Result<Image, ArgumentError> {
    let image = Image::parse(text);
    if image.name.is_empty() {
        return Err(ArgumentError::EmptyName);
    }
    if let Some(tag) = &image.tag {
        tag.parse::<Tag>().map_err(ArgumentError::Tag)?;
    }
    if !image.digest.as_deref().is_none_or(is_digest) {
        return Err(ArgumentError::Digest);
    }
    Ok(image)
}

/// Whether a text has the form of a digest, of whatever algorithm the file's reader knows:
/// <https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests>.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hash)| {
        let is_algorithm = |it: char| it.is_ascii_alphanumeric() || "+._-".contains(it);
        let is_hash = |it: char| it.is_ascii_hexdigit();
        !algorithm.is_empty()
            && !hash.is_empty()
            && algorithm.chars().all(is_algorithm)
            && hash.chars().all(is_hash)
    })
}

fn check_repository(name: &str) -> Result<(), ArgumentError> {
    let repository = name.parse::<Repository>();
    repository.map(|_| ()).map_err(ArgumentError::Repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[track_caller]
    fn check(text: &str, expected: [Option<&str>; 4]) {
        let edit = kustomize_image(text).expect("the row's text is an image");
        let ImageEdit {
            name,
            new_name,
            new_tag,
            digest,
        } = &edit;
        let found = [
            Some(name.as_str()),
            new_name.as_deref(),
            new_tag.as_deref(),
            digest.as_deref(),
        ];
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &ArgumentError) {
        assert_eq!(kustomize_image(text).as_ref(), Err(expected));
    }

    #[test]
    fn a_value_is_all_that_follows_the_first_equals_sign() {
        assert_eq!(assignment("a.b=c=d,e"), Ok(("a.b", "c=d,e")));
        assert_eq!(assignment("a= "), Ok(("a", " ")));
        assert_eq!(assignment("a"), Err(ArgumentError::NoAssignment));
        assert_eq!(assignment("=a"), Err(ArgumentError::EmptyName));
        assert_eq!(assignment("a="), Ok(("a", "")));
    }

    #[test]
    fn every_part_of_a_kustomize_image_but_the_name_may_be_missing() {
        check("nginx:1", [Some("nginx"), None, Some("1"), None]);
        check("APP:1", [Some("APP"), None, Some("1"), None]);
        let digest = format!("nginx@{DIGEST}");
        check(&digest, [Some("nginx"), None, None, Some(DIGEST)]);
        check("nginx=x.io/n", [Some("nginx"), Some("x.io/n"), None, None]);
        let all = format!("nginx=x.io/n:1@{DIGEST}");
        check(
            &all,
            [Some("nginx"), Some("x.io/n"), Some("1"), Some(DIGEST)],
        );
    }

    #[test]
    fn a_port_is_no_tag() {
        check(
            "r:5000/a=r:5001/b:2",
            [Some("r:5000/a"), Some("r:5001/b"), Some("2"), None],
        );
        check_refused("r:5000/a", &ArgumentError::NoVersion);
    }

    #[test]
    fn the_bad_part_is_named() {
        check_refused("nginx", &ArgumentError::NoVersion);
        check_refused(":1", &ArgumentError::EmptyName);
        check_refused("=nginx:1", &ArgumentError::EmptyName);
        check_refused("nginx=", &ArgumentError::EmptyValue);
        check_refused("nginx=:1", &ArgumentError::EmptyName);
        check_refused("nginx:1=x.io/n", &ArgumentError::NameWithVersion);
        check_refused("nginx:", &ArgumentError::Tag(TagError::Empty));
        check_refused("nginx:^1", &ArgumentError::Tag(TagError::BadStart('^')));
        for digest in [
            "nginx@",
            "nginx@bb",
            "nginx@sha256:",
            "nginx@sha256:xy",
            "nginx@:bb",
        ] {
            check_refused(digest, &ArgumentError::Digest);
        }
        let upper = "X".parse::<Repository>().expect_err("a capital letter");
        check_refused("nginx=X:1", &ArgumentError::Repository(upper));
    }

    #[test]
    fn a_policy_has_a_namespace() {
        assert_eq!(
            policy("flux-system:podinfo"),
            Ok("flux-system:podinfo".to_owned())
        );
        for text in ["podinfo", "a:", ":a", "a:b:tag", "a b:c"] {
            assert_eq!(policy(text), Err(ArgumentError::Policy), "{text}");
        }
    }
}
