//! What a file says of an image, and the edits that make it say something else: one answer for
//! each [`Format`].

use super::target::{Format, Overrides};
use super::{ImageInput, ImageKeyError, PluginVariables};
use crate::image::{Digest, Repository, Tag};
use crate::target::argocd_source::{self, OverrideEdit};
use crate::target::helm_values::{self, ImageKeys, ValueEdit};
use crate::target::kustomization::{self, ImageEdit};
use crate::target::{EditError, Image};
use crate::yaml::KeyPath;

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
    ArgocdSource(Vec<OverrideEdit>),
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
            Format::ArgocdSource(_) => Self::ArgocdSource(Vec::new()),
        }
    }

    /// Adds the edits of another image of the same file.
    pub(super) fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Kustomization(edits), Self::Kustomization(more)) => edits.extend(more),
            (Self::HelmValues(edits), Self::HelmValues(more)) => edits.extend(more),
            (Self::ArgocdSource(edits), Self::ArgocdSource(more)) => edits.extend(more),
            // One target has one format.
            (Self::Kustomization(_) | Self::HelmValues(_) | Self::ArgocdSource(_), _) => {}
        }
    }

    /// Edits `file`; `None` when it says all of it already.
    pub(super) fn apply(&self, file: &[u8]) -> Result<Option<Vec<u8>>, EditError> {
        match self {
            Self::Kustomization(edits) => kustomization::edit(file, edits),
            Self::HelmValues(edits) => helm_values::edit(file, edits),
            Self::ArgocdSource(edits) => argocd_source::edit(file, edits),
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
            Ok(Current::of_entry(name, kustomization::read(file, name)?))
        }
        Format::HelmValues => {
            let keys = helm_keys(image)?;
            let read = |key: &KeyPath| helm_values::read(file, key);
            let (version, reference) = match keys {
                ImageKeys::NameAndTag { tag, .. } => (read(tag)?, None),
                ImageKeys::Spec(spec) => (None, read(spec)?),
            };
            Ok(Current::of_values(image, version, reference))
        }
        Format::ArgocdSource(Overrides::HelmParameters) => {
            let keys = helm_keys(image)?;
            let read = |key: &KeyPath| argocd_source::read_helm_parameter(file, &key.to_string());
            let (version, reference) = match keys {
                ImageKeys::NameAndTag { tag, .. } => (read(tag)?, None),
                ImageKeys::Spec(spec) => (None, read(spec)?),
            };
            Ok(Current::of_values(image, version, reference))
        }
        Format::ArgocdSource(Overrides::PluginEnvironment) => {
            let read = |name: &str| argocd_source::read_plugin_environment(file, name);
            let (version, reference) = match plugin_variables(image)? {
                PluginVariables::NameAndTag { tag, .. } => (read(tag)?, None),
                PluginVariables::Spec(spec) => (None, read(spec)?),
            };
            Ok(Current::of_values(image, version, reference))
        }
        Format::ArgocdSource(Overrides::KustomizeImages) => {
            let name = name_in_kustomization(image);
            let entry = argocd_source::read_kustomize_image(file, name)?;
            Ok(Current::of_entry(name, entry))
        }
    }
}

impl Current {
    /// Whether that is what should be.
    pub(super) fn says(&self, tag: &Tag, digest: Option<&Digest>) -> bool {
        let digest = digest.map(ToString::to_string);
        self.tag.as_deref() == Some(tag.as_str()) && (digest.is_none() || self.digest == digest)
    }

    fn of_entry(name: &str, entry: Option<kustomization::Entry>) -> Self {
        let (tag, digest) = entry.map_or((None, None), |entry| (entry.new_tag, entry.digest));
        Self {
            tag,
            digest,
            name: name.to_owned(),
        }
    }

    /// From `tag[@digest]`, or from a whole reference.
    fn of_values(
        image: &ImageInput<'_>,
        version: Option<String>,
        reference: Option<String>,
    ) -> Self {
        let reference = match version {
            Some(version) => Some(format!("{}:{version}", image.repository)),
            None => reference,
        };
        let image_now = reference.map(|reference| Image::parse(&reference));
        let (tag, digest) = image_now.map_or((None, None), |image| (image.tag, image.digest));
        Self {
            tag: tag.filter(|tag| !tag.is_empty()),
            digest,
            name: image.repository.familiar().to_owned(),
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
            let entry = kustomization::read(file, name_in_kustomization(image))?;
            let edit = image_edit(image, entry, tag, digest);
            Ok(Edits::Kustomization(vec![edit]))
        }
        Format::HelmValues => {
            let written = written(image, tag, digest);
            let edits = helm_values::image_edits(file, helm_keys(image)?, &written)?;
            Ok(Edits::HelmValues(edits))
        }
        Format::ArgocdSource(Overrides::KustomizeImages) => {
            let name = name_in_kustomization(image);
            let entry = argocd_source::read_kustomize_image(file, name)?;
            let edit = image_edit(image, entry, tag, digest);
            Ok(Edits::ArgocdSource(vec![OverrideEdit::KustomizeImage(
                edit,
            )]))
        }
        Format::ArgocdSource(Overrides::HelmParameters) => {
            let written = written(image, tag, digest);
            let parameter = |(name, value)| OverrideEdit::HelmParameter { name, value };
            let values = match helm_keys(image)? {
                ImageKeys::NameAndTag { name, tag } => apart(
                    name.as_ref().map(KeyPath::to_string),
                    tag.to_string(),
                    &written,
                ),
                ImageKeys::Spec(spec) => vec![(spec.to_string(), written.reference())],
            };
            Ok(Edits::ArgocdSource(
                values.into_iter().map(parameter).collect(),
            ))
        }
        Format::ArgocdSource(Overrides::PluginEnvironment) => {
            let written = written(image, tag, digest);
            let variable = |(name, value)| OverrideEdit::PluginEnvironment { name, value };
            let values = match plugin_variables(image)? {
                PluginVariables::NameAndTag { name, tag } => {
                    apart(name.clone(), tag.clone(), &written)
                }
                PluginVariables::Spec(spec) => vec![(spec.clone(), written.reference())],
            };
            Ok(Edits::ArgocdSource(
                values.into_iter().map(variable).collect(),
            ))
        }
    }
}

/// The image as it is written where it stands as a whole.
fn written(image: &ImageInput<'_>, tag: &Tag, digest: Option<&Digest>) -> Image {
    Image {
        name: image.repository.familiar().to_owned(),
        tag: Some(tag.to_string()),
        digest: digest.map(ToString::to_string),
    }
}

/// The values of two keys. An override that is asked for is always written: what it overrides is
/// not in the same file.
fn apart(name: Option<String>, tag: String, written: &Image) -> Vec<(String, String)> {
    let name = name.map(|key| (key, written.name.clone()));
    let tag = written.version().map(|version| (tag, version));
    name.into_iter().chain(tag).collect()
}

fn image_edit(
    image: &ImageInput<'_>,
    entry: Option<kustomization::Entry>,
    tag: &Tag,
    digest: Option<&Digest>,
) -> ImageEdit {
    let name = name_in_kustomization(image);
    let current = entry.and_then(|entry| entry.new_name);
    ImageEdit {
        name: name.to_owned(),
        new_name: new_name(image, current.as_deref().unwrap_or(name)),
        new_tag: Some(tag.to_string()),
        digest: digest.map(ToString::to_string),
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

fn plugin_variables<'a>(image: &ImageInput<'a>) -> Result<&'a PluginVariables, FormatError> {
    image
        .plugin
        .ok_or(FormatError::Key(ImageKeyError::NoPlugin))
}
