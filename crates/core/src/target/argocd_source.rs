//! The override file of an Argo CD Application: `.argocd-source-<name>.yaml`.
//!
//! Helm parameters, kustomize images and the environment of a config management plugin. Fields
//! and comments this module does not know stay, and so does an entry's own spelling of
//! `forceString`: Argo CD reads it in any case.

use std::fmt;

use super::image::same_image;
use super::kustomization::{Entry, ImageEdit};
use super::list::{self, List, Place};
use super::{EditError, Image, refuse_empty, refuse_several_documents, settle};
use crate::yaml::{NodeId, Step, Stream, Value};

const HELM_PARAMETERS: [&str; 2] = ["helm", "parameters"];
const KUSTOMIZE_IMAGES: [&str; 2] = ["kustomize", "images"];
const PLUGIN_ENVIRONMENT: [&str; 2] = ["plugin", "env"];
const NAME: &str = "name";
const VALUE: &str = "value";
/// Keeps Helm from reading a numeric tag as a number.
const FORCE_STRING: &str = "forceString";

/// One override to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideEdit {
    /// An entry of `helm.parameters`. A new one gets `forceString: true`.
    HelmParameter {
        /// Path in the chart's values, as `helm --set` takes it.
        name: String,
        /// What it should be.
        value: String,
    },
    /// An entry of `kustomize.images`, written as `[name=]image[:tag][@digest]`.
    KustomizeImage(ImageEdit),
    /// An entry of `plugin.env`.
    PluginEnvironment {
        /// Name of the variable.
        name: String,
        /// What it should be.
        value: String,
    },
}

impl fmt::Display for OverrideEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HelmParameter { name, .. } => write!(formatter, "Helm parameter `{name}`"),
            Self::KustomizeImage(edit) => write!(formatter, "kustomize {edit}"),
            Self::PluginEnvironment { name, .. } => write!(formatter, "plugin variable `{name}`"),
        }
    }
}

/// Reads a Helm parameter; `None` when it is missing or has no value.
pub fn read_helm_parameter(file: &[u8], name: &str) -> Result<Option<String>, EditError> {
    read_value(file, &HELM_PARAMETERS, name)
}

/// Reads a plugin's variable; `None` when it is missing or has no value.
pub fn read_plugin_environment(file: &[u8], name: &str) -> Result<Option<String>, EditError> {
    read_value(file, &PLUGIN_ENVIRONMENT, name)
}

/// Reads the kustomize image that stands for `name`, in any spelling of it.
pub fn read_kustomize_image(file: &[u8], name: &str) -> Result<Option<Entry>, EditError> {
    let stream = parse(file)?;
    let Place::There(list) = list::at(&stream, &KUSTOMIZE_IMAGES)? else {
        return Ok(None);
    };
    let item = find_image(&stream, &list, name)?;
    Ok(item.and_then(|item| stream.scalar(item)).map(|text| {
        let KustomizeImage { name, new_image } = KustomizeImage::parse(text);
        let Image {
            name: new_name,
            tag,
            digest,
        } = new_image;
        Entry {
            new_name: name.is_some().then(|| new_name.clone()),
            name: name.unwrap_or(new_name),
            new_tag: tag,
            digest,
        }
    }))
}

/// The edits that say of kustomize's images what `images` say (`[name=]image[:tag][@digest]`), without
/// those that stand for one of `decided`, and those that say nothing.
pub fn repeated(images: &[String], decided: &[&str]) -> Vec<OverrideEdit> {
    let images = images.iter().map(|text| KustomizeImage::parse(text));
    let is_other = |image: &KustomizeImage| {
        let mut decided = decided.iter();
        !decided.any(|name| same_image(name, image.matched_name()))
    };
    let edits = images.filter(is_other).map(|image| ImageEdit {
        name: image.matched_name().to_owned(),
        new_name: image.name.is_some().then(|| image.new_image.name.clone()),
        new_tag: image.new_image.tag,
        digest: image.new_image.digest,
    });
    let says_something = |edit: &ImageEdit| {
        edit.new_name.is_some() || edit.new_tag.is_some() || edit.digest.is_some()
    };
    let edits = edits.filter(says_something);
    edits.map(OverrideEdit::KustomizeImage).collect()
}

/// Writes overrides; `None` when the file says all of it already.
pub fn edit(file: &[u8], edits: &[OverrideEdit]) -> Result<Option<Vec<u8>>, EditError> {
    for edit in edits {
        match edit {
            OverrideEdit::KustomizeImage(edit) => edit.refuse_empty_values()?,
            OverrideEdit::HelmParameter { name, value }
            | OverrideEdit::PluginEnvironment { name, value } => {
                refuse_empty(name, NAME, Some(name))?;
                refuse_empty(name, VALUE, Some(value))?;
            }
        }
    }
    settle(file, edits, next_step)
}

fn parse(file: &[u8]) -> Result<Stream, EditError> {
    let stream = Stream::parse(file)?;
    refuse_several_documents(&stream)?;
    Ok(stream)
}

fn read_value(file: &[u8], keys: &[&str], name: &str) -> Result<Option<String>, EditError> {
    let stream = parse(file)?;
    let Place::There(list) = list::at(&stream, keys)? else {
        return Ok(None);
    };
    match list.find(&stream, NAME, name, |found| found == name)? {
        Some(entry) => list::field(&stream, entry, VALUE),
        None => Ok(None),
    }
}

fn next_step(stream: &Stream, edit: &OverrideEdit) -> Result<Option<Step>, EditError> {
    refuse_several_documents(stream)?;
    match edit {
        OverrideEdit::HelmParameter { name, value } => {
            let new = || named_value(name, value, Some(FORCE_STRING));
            named_value_step(stream, &HELM_PARAMETERS, name, value, new)
        }
        OverrideEdit::PluginEnvironment { name, value } => {
            let new = || named_value(name, value, None);
            named_value_step(stream, &PLUGIN_ENVIRONMENT, name, value, new)
        }
        OverrideEdit::KustomizeImage(edit) => kustomize_image_step(stream, edit),
    }
}

fn named_value_step(
    stream: &Stream,
    keys: &[&str],
    name: &str,
    value: &str,
    new: impl Fn() -> Value,
) -> Result<Option<Step>, EditError> {
    let list = match list::at(stream, keys)? {
        Place::There(list) => list,
        Place::Missing(gap) => return Ok(Some(gap.fill(stream, new())?)),
    };
    match list.find(stream, NAME, name, |found| found == name)? {
        Some(entry) => list::set_field(stream, entry, VALUE, value),
        None => Ok(Some(list.append(stream, new())?)),
    }
}

fn named_value(name: &str, value: &str, flag: Option<&str>) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut entries = vec![
        (NAME.to_owned(), text(name)),
        (VALUE.to_owned(), text(value)),
    ];
    entries.extend(flag.map(|flag| (flag.to_owned(), Value::True)));
    Value::Mapping(entries)
}

fn kustomize_image_step(stream: &Stream, edit: &ImageEdit) -> Result<Option<Step>, EditError> {
    if edit.is_empty() {
        return Ok(None);
    }
    let new = || Value::Text(KustomizeImage::of_name(&edit.name).with(edit).to_string());
    let list = match list::at(stream, &KUSTOMIZE_IMAGES)? {
        Place::There(list) => list,
        Place::Missing(gap) => return Ok(Some(gap.fill(stream, new())?)),
    };
    match find_image(stream, &list, &edit.name)? {
        Some(item) => {
            let current = stream.scalar(item).unwrap_or_default();
            let wanted = KustomizeImage::parse(current).with(edit).to_string();
            Ok(stream.set(item, &wanted)?)
        }
        None => Ok(Some(list.append(stream, new())?)),
    }
}

/// The item for an image: spelled like `name` if there is one, else the same image.
fn find_image(stream: &Stream, list: &List, name: &str) -> Result<Option<NodeId>, EditError> {
    for is_match in [|found: &str, name: &str| found == name, same_image] {
        let mut found = None;
        for item in list.items(stream) {
            let image = stream.scalar(item).map(KustomizeImage::parse);
            if image.is_some_and(|image| is_match(image.matched_name(), name)) {
                list::unique(stream, &mut found, item, name)?;
            }
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// `[name=]image[:tag][@digest]`.
struct KustomizeImage {
    /// The name in the manifests, where it differs from the new one.
    name: Option<String>,
    new_image: Image,
}

impl KustomizeImage {
    fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((name, image)) => Self {
                name: Some(name.to_owned()),
                new_image: Image::parse(image),
            },
            None => Self {
                name: None,
                new_image: Image::parse(text),
            },
        }
    }

    fn of_name(name: &str) -> Self {
        let new_image = Image {
            name: name.to_owned(),
            tag: None,
            digest: None,
        };
        Self {
            name: None,
            new_image,
        }
    }

    fn matched_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.new_image.name)
    }

    fn with(mut self, edit: &ImageEdit) -> Self {
        if let Some(new_name) = &edit.new_name
            && !same_image(new_name, &self.new_image.name)
        {
            let old_name = std::mem::replace(&mut self.new_image.name, new_name.clone());
            self.name.get_or_insert(old_name);
        }
        if edit.new_tag.is_some() || edit.digest.is_some() {
            self.new_image.tag.clone_from(&edit.new_tag);
            self.new_image.digest.clone_from(&edit.digest);
        }
        self
    }
}

impl fmt::Display for KustomizeImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(formatter, "{name}=")?;
        }
        formatter.write_str(&self.new_image.reference())
    }
}

#[cfg(test)]
mod tests;
