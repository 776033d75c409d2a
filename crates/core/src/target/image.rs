//! Image references as far as files need them: split, spelled like what is there, put together.
//!
//! No validation: what is written was selected and checked before.

use super::{EditError, refuse_empty};
use crate::image::{Repository, is_host};
use crate::yaml::Excerpt;

/// The image to write: a repository with a tag, a digest or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The repository, with its registry unless that is Docker Hub.
    pub name: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest, as `sha256:…`.
    pub digest: Option<String>,
}

impl Image {
    /// Splits `name[:tag][@digest]`; the colon of a registry's port is no tag.
    pub fn parse(reference: &str) -> Self {
        let (name, version) = Self::split(reference);
        let (tag, digest) = match version.split_once('@') {
            Some((tag, digest)) => (tag, Some(digest)),
            None => (version, None),
        };
        let tag = tag.strip_prefix(':');
        Self {
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        }
    }

    /// `name[:tag][@digest]`.
    pub fn reference(&self) -> String {
        let mut reference = self.name.clone();
        if let Some(tag) = &self.tag {
            reference = reference + ":" + tag;
        }
        if let Some(digest) = &self.digest {
            reference = reference + "@" + digest;
        }
        reference
    }

    /// What goes into a value for the tag: `tag[@digest]`.
    ///
    /// A digest alone becomes `latest@digest`, as argocd-image-updater writes it: charts put a
    /// colon before the value, and the digest decides what is pulled.
    pub fn version(&self) -> Option<String> {
        match (&self.tag, &self.digest) {
            (Some(tag), Some(digest)) => Some(format!("{tag}@{digest}")),
            (Some(tag), None) => Some(tag.clone()),
            (None, Some(digest)) => Some(format!("latest@{digest}")),
            (None, None) => None,
        }
    }

    /// The repository of a reference, and the rest from its `:` or `@` on.
    pub(super) fn split(reference: &str) -> (&str, &str) {
        let digest = reference.find('@').unwrap_or(reference.len());
        let path = reference[..digest].rfind('/').map_or(0, |slash| slash + 1);
        let end = reference[path..digest]
            .find(':')
            .map_or(digest, |colon| path + colon);
        reference.split_at(end)
    }

    /// This image, with the name spelled as `current` if that is the same repository.
    pub(super) fn spelled_like(&self, current: &str) -> Self {
        let name = if same_image(&self.name, current) {
            current
        } else {
            &self.name
        };
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// The name for a value that holds `current` now: without a registry if that has none.
    pub(super) fn name_for_value(&self, current: &str) -> String {
        if same_image(&self.name, current) {
            return current.to_owned();
        }
        match (split_registry(current), split_registry(&self.name)) {
            (None, Some((_, path))) => path.to_owned(),
            (Some(_), _) | (None, None) => self.name.clone(),
        }
    }

    /// Refuses an image with an empty name, tag or digest, or with neither tag nor digest.
    pub(super) fn refuse_empty_values(&self) -> Result<(), EditError> {
        if self.tag.is_none() && self.digest.is_none() {
            let subject = Excerpt::new(&self.name);
            return Err(EditError::EmptyValue {
                field: "tag",
                subject,
            });
        }
        refuse_empty(&self.name, "name", Some(&self.name))?;
        refuse_empty(&self.name, "tag", self.tag.as_deref())?;
        refuse_empty(&self.name, "digest", self.digest.as_deref())
    }
}

/// Whether two repository names are one image: Docker Hub has several spellings of each.
///
/// A name that is no repository, such as a template's placeholder, is only equal to itself.
pub(super) fn same_image(first: &str, second: &str) -> bool {
    let same = |first: &Repository| {
        second
            .parse()
            .is_ok_and(|second: Repository| second == *first)
    };
    first == second || first.parse().is_ok_and(|first| same(&first))
}

/// The registry of a name and what follows; `None` where the name does not say its registry.
fn split_registry(name: &str) -> Option<(&str, &str)> {
    name.split_once('/').filter(|(first, _)| is_host(first))
}
