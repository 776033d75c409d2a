//! What a file says of an image, and the edits that make it say something else: one answer for
//! each [`Format`].

use super::target::Format;
use super::{ImageInput, ImageKeyError};
use crate::image::{Digest, Repository, Tag};
use crate::target::helm_values::{self, ImageKeys, ValueEdit};
use crate::target::kustomization::{self, ImageEdit};
use crate::target::{EditError, Image};

/// What a file says of an image now.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
    /// The image that is written, as the file has it.
    pub(super) name: String,
}

/// Edits of one file.
#[derive(Debug)]
pub(super) enum Edits {
    Kustomization(Vec<ImageEdit>),
    HelmValues(Vec<ValueEdit>),
}

/// Why a file says nothing of an image.
#[derive(Debug)]
pub(super) enum FormatError {
    /// The file is at fault.
    Edit(EditError),
    /// The policy does not say how the image stands in such a file.
    Key(ImageKeyError),
}

impl From<EditError> for FormatError {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl Edits {
    /// No edits of a file of this format.
    pub(super) fn none(format: Format) -> Self {
        match format {
            Format::Kustomization => Self::Kustomization(Vec::new()),
            Format::HelmValues => Self::HelmValues(Vec::new()),
        }
    }

    /// Adds the edits of another image of the same file.
    pub(super) fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Kustomization(edits), Self::Kustomization(more)) => edits.extend(more),
            (Self::HelmValues(edits), Self::HelmValues(more)) => edits.extend(more),
            // One file has one format.
            (Self::Kustomization(_), Self::HelmValues(_))
            | (Self::HelmValues(_), Self::Kustomization(_)) => {}
        }
    }

    /// Edits `file`; `None` when it says all of it already.
    pub(super) fn apply(&self, file: &[u8]) -> Result<Option<Vec<u8>>, EditError> {
        match self {
            Self::Kustomization(edits) => kustomization::edit(file, edits),
            Self::HelmValues(edits) => helm_values::edit(file, edits),
        }
    }
}

/// Reads what `file` says of `image`.
pub(super) fn read(
    format: Format,
    file: &[u8],
    image: &ImageInput<'_>,
) -> Result<Current, FormatError> {
    match format {
        Format::Kustomization => {
            let name = name_in_kustomization(image);
            let entry = kustomization::read(file, name)?;
            let (tag, digest) = entry.map_or((None, None), |entry| (entry.new_tag, entry.digest));
            Ok(Current {
                tag,
                digest,
                name: name.to_owned(),
            })
        }
        Format::HelmValues => {
            let version = match helm_keys(image)? {
                ImageKeys::NameAndTag { tag, .. } => helm_values::read(file, tag)?
                    .map(|version| Image::parse(&format!("{}:{version}", image.repository))),
                ImageKeys::Spec(path) => {
                    helm_values::read(file, path)?.map(|reference| Image::parse(&reference))
                }
            };
            let (tag, digest) = version.map_or((None, None), |image| (image.tag, image.digest));
            Ok(Current {
                tag: tag.filter(|tag| !tag.is_empty()),
                digest,
                name: image.repository.familiar().to_owned(),
            })
        }
    }
}

/// The edits that make `file` say `tag` and `digest` of `image`.
pub(super) fn edits(
    format: Format,
    file: &[u8],
    image: &ImageInput<'_>,
    tag: &Tag,
    digest: Option<&Digest>,
) -> Result<Edits, FormatError> {
    match format {
        Format::Kustomization => {
            let name = name_in_kustomization(image);
            let entry = kustomization::read(file, name)?;
            let written = entry.and_then(|entry| entry.new_name);
            Ok(Edits::Kustomization(vec![ImageEdit {
                name: name.to_owned(),
                new_name: new_name(image, written.as_deref().unwrap_or(name)),
                new_tag: Some(tag.to_string()),
                digest: digest.map(ToString::to_string),
            }]))
        }
        Format::HelmValues => {
            let written = Image {
                name: image.repository.familiar().to_owned(),
                tag: Some(tag.to_string()),
                digest: digest.map(ToString::to_string),
            };
            let edits = helm_values::image_edits(file, helm_keys(image)?, &written)?;
            Ok(Edits::HelmValues(edits))
        }
    }
}

/// The name of the image's entry: what the manifests call it.
fn name_in_kustomization<'a>(image: &'a ImageInput<'_>) -> &'a str {
    image
        .kustomize_name
        .unwrap_or_else(|| image.repository.familiar())
}

/// `newName` is written only where the entry does not lead to the image already.
fn new_name(image: &ImageInput<'_>, written: &str) -> Option<String> {
    let leads_there = written
        .parse::<Repository>()
        .is_ok_and(|written| written == *image.repository);
    (!leads_there).then(|| image.repository.familiar().to_owned())
}

fn helm_keys<'a>(image: &ImageInput<'a>) -> Result<&'a ImageKeys, FormatError> {
    image.helm.ok_or(FormatError::Key(ImageKeyError::NoHelm))
}
