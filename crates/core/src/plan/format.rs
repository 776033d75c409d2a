//! What a file says of an image, and the edits that make it say something else: one answer for
//! each [`Format`].

use super::target::{Format, Overrides};
use super::{ImageInput, ImageKeyError};
use crate::image::{Digest, Repository, Tag};
use crate::target::argocd_source::{self, OverrideEdit};
use crate::target::helm_values::{self, ValueEdit};
use crate::target::kustomization::{self, ImageEdit};
use crate::target::{EditError, Image, ImageKeys};
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
            let read = |key: &KeyPath| helm_values::read(file, key);
            Ok(Current::of_keys(image, helm_keys(image)?, read)?)
        }
        Format::ArgocdSource(Overrides::HelmParameters) => {
            let read = |key: &KeyPath| argocd_source::read_helm_parameter(file, &key.to_string());
            Ok(Current::of_keys(image, helm_keys(image)?, read)?)
        }
        Format::ArgocdSource(Overrides::PluginEnvironment) => {
            let read = |name: &String| argocd_source::read_plugin_environment(file, name);
            Ok(Current::of_keys(image, plugin_variables(image)?, read)?)
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

    /// From `tag[@digest]`, or from a whole reference, as `read` finds them under `keys`.
    fn of_keys<K>(
        image: &ImageInput<'_>,
        keys: &ImageKeys<K>,
        read: impl FnOnce(&K) -> Result<Option<String>, EditError>,
    ) -> Result<Self, EditError> {
        let reference = match keys {
            ImageKeys::NameAndTag { name: _, tag } => {
                read(tag)?.map(|version| format!("{}:{version}", image.repository))
            }
            ImageKeys::Spec(spec) => read(spec)?,
        };
        let now = reference.map(|reference| Image::parse(&reference));
        let (tag, digest) = now.map_or((None, None), |image| (image.tag, image.digest));
        Ok(Self {
            tag: tag.filter(|tag| !tag.is_empty()),
            digest,
            name: image.repository.familiar().to_owned(),
        })
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
            let values = values(helm_keys(image)?, &written(image, tag, digest));
            let parameter = |(name, value)| OverrideEdit::HelmParameter { name, value };
            Ok(Edits::ArgocdSource(values.map(parameter).collect()))
        }
        Format::ArgocdSource(Overrides::PluginEnvironment) => {
            let values = values(plugin_variables(image)?, &written(image, tag, digest));
            let variable = |(name, value)| OverrideEdit::PluginEnvironment { name, value };
            Ok(Edits::ArgocdSource(values.map(variable).collect()))
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

/// The value of each key. An override that is asked for is always written: what it overrides is
/// not in the same file.
fn values<K: ToString>(
    keys: &ImageKeys<K>,
    written: &Image,
) -> impl Iterator<Item = (String, String)> + use<K> {
    let (name, version) = match keys {
        ImageKeys::NameAndTag { name, tag } => (
            name.as_ref()
                .map(|key| (key.to_string(), written.name.clone())),
            written.version().map(|version| (tag.to_string(), version)),
        ),
        ImageKeys::Spec(spec) => (Some((spec.to_string(), written.reference())), None),
    };
    name.into_iter().chain(version)
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

fn helm_keys<'a>(image: &ImageInput<'a>) -> Result<&'a ImageKeys<KeyPath>, FormatError> {
    image.helm.ok_or(FormatError::Key(ImageKeyError::NoHelm))
}

fn plugin_variables<'a>(image: &ImageInput<'a>) -> Result<&'a ImageKeys<String>, FormatError> {
    image
        .plugin
        .ok_or(FormatError::Key(ImageKeyError::NoPlugin))
}
