//! What a file says of an image, and the edits that make it say something else: one answer for
//! each [`Format`].

use super::target::{Format, Overrides, Target};
use super::{ImageInput, ImageKeyError};
use crate::image::{Candidate, Digest, Repository, Tag};
use crate::policy::ranked;
use crate::target::argocd_source::{self, OverrideEdit};
use crate::target::helm_values::{self, ValueEdit};
use crate::target::kustomization::{self, ImageEdit};
use crate::target::manifests::{self, ManifestEdit};
use crate::target::markers::{self, MarkedValue, MarkerEdit, Part};
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
    Manifests(Vec<ManifestEdit>),
    Markers(Vec<MarkerEdit>),
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
            Format::Manifests(_) => Self::Manifests(Vec::new()),
            Format::Markers => Self::Markers(Vec::new()),
            Format::ArgocdSource(_) => Self::ArgocdSource(Vec::new()),
        }
    }

    /// Adds the edits of another image of the same file.
    pub(super) fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Kustomization(edits), Self::Kustomization(more)) => edits.extend(more),
            (Self::HelmValues(edits), Self::HelmValues(more)) => edits.extend(more),
            (Self::Manifests(edits), Self::Manifests(more)) => edits.extend(more),
            (Self::Markers(edits), Self::Markers(more)) => edits.extend(more),
            (Self::ArgocdSource(edits), Self::ArgocdSource(more)) => edits.extend(more),
            // One target has one format.
            (
                Self::Kustomization(_)
                | Self::HelmValues(_)
                | Self::Manifests(_)
                | Self::Markers(_)
                | Self::ArgocdSource(_),
                _,
            ) => {}
        }
    }

    /// Edits `file`; `None` when it says all of it already.
    pub(super) fn apply(&self, file: &[u8]) -> Result<Option<Vec<u8>>, EditError> {
        match self {
            Self::Kustomization(edits) => kustomization::edit(file, edits),
            Self::HelmValues(edits) => helm_values::edit(file, edits),
            Self::Manifests(edits) => manifests::edit(file, edits),
            Self::Markers(edits) => markers::edit(file, edits),
            Self::ArgocdSource(edits) => argocd_source::edit(file, edits),
        }
    }
}

/// Whether `file`, one of perhaps many, has anything to do with `image`. One that can't be read
/// and may have counts.
pub(super) fn concerns(format: Format, file: &[u8], image: &ImageInput<'_>) -> bool {
    match format {
        // Most files of a folder are told apart without being parsed.
        Format::Manifests(scope) => {
            let name = image.repository.path().rsplit('/').next();
            let name = name.unwrap_or_default().as_bytes();
            contains(file, name)
                && manifests::read(file, image.repository.familiar(), scope)
                    .map_or(true, |found| !found.is_empty())
        }
        Format::Markers => {
            let is_marked = |marker: &String| {
                contains(file, marker.as_bytes())
                    && markers::read(file, marker).map_or(true, |found| !found.is_empty())
            };
            contains(file, markers::KEY.as_bytes()) && image.markers.iter().any(is_marked)
        }
        Format::Kustomization | Format::HelmValues | Format::ArgocdSource(_) => true,
    }
}

fn contains(file: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(file, text).is_some()
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
        Format::Manifests(scope) => {
            let found = manifests::read(file, image.repository.familiar(), scope)?;
            let found = found.iter().map(|text| Image::parse(text));
            Ok(Current::of_several(image, found))
        }
        Format::Markers => {
            let mut found = Vec::new();
            for marker in image.markers {
                found.extend(markers::read(file, marker)?);
            }
            Ok(Current::of_several(image, found.iter().filter_map(marked)))
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

    /// From all places where a file names the image. If they differ, the one that ranks highest
    /// is current, so that none is ever lowered.
    fn of_several(image: &ImageInput<'_>, found: impl Iterator<Item = Image>) -> Self {
        let found: Vec<Image> = found.collect();
        let tags = found.iter().filter_map(|it| it.tag.as_ref()?.parse().ok());
        let candidates: Vec<Candidate> = tags.map(Candidate::new).collect();
        let highest = ranked(image.policy, None, &candidates).next();
        let is_highest = |it: &&Image| {
            highest.is_some_and(|highest| it.tag.as_deref() == Some(highest.tag.as_str()))
        };
        let with_tag = found.iter().find(|it| it.tag.is_some());
        let now = found.iter().find(is_highest).or(with_tag);
        // A digest may have a place of its own.
        let digest = found.iter().find(|it| it.tag.is_none());
        let digest = now.filter(|it| it.digest.is_some()).or(digest);
        Self {
            tag: now.and_then(|image| image.tag.clone()),
            digest: digest.and_then(|image| image.digest.clone()),
            name: image.repository.familiar().to_owned(),
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
        Format::Manifests(scope) => Ok(Edits::Manifests(vec![ManifestEdit {
            repository: image.repository.familiar().to_owned(),
            image: written(image, tag, digest),
            scope,
        }])),
        Format::Markers => {
            let edit = |marker: &String| MarkerEdit {
                policy: marker.clone(),
                image: written(image, tag, digest),
            };
            Ok(Edits::Markers(image.markers.iter().map(edit).collect()))
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

/// What the Application's source overrides itself, but for the images of the policy.
pub(super) fn repeated(target: &Target, images: &[ImageInput<'_>]) -> Edits {
    let Format::ArgocdSource(Overrides::KustomizeImages) = target.format else {
        return Edits::none(target.format);
    };
    let decided: Vec<&str> = images.iter().map(name_in_kustomization).collect();
    Edits::ArgocdSource(argocd_source::repeated(&target.source_images, &decided))
}

/// What a marked value says of the version; a name says nothing.
fn marked(value: &MarkedValue) -> Option<Image> {
    let of = |tag: Option<&str>, digest: Option<&str>| Image {
        name: String::new(),
        tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
    };
    match value.part {
        _ if value.value.is_empty() => None,
        Part::Reference => Some(Image::parse(&value.value)),
        Part::Tag => Some(of(Some(&value.value), None)),
        Part::Digest => Some(of(None, Some(&value.value))),
        Part::Name => None,
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
