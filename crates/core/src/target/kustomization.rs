//! The `images:` list of a kustomization: `name`, `newName`, `newTag`, `digest`.
//!
//! Entries are found by `name`, the name in the manifests. A missing entry or list is added;
//! comments and fields this module does not know stay. Nothing but `images` is written.

use std::fmt;

use super::image::same_image;
use super::list::{self, List, Place};
use super::{EditError, refuse_empty, refuse_several_documents, settle};
use crate::yaml::{self, Entry as Found, Excerpt, NodeId, Step, Stream, Value};

/// Names kustomize reads a kustomization from; a directory may have one of them:
/// <https://github.com/kubernetes-sigs/kustomize/blob/master/api/konfig/general.go>
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const IMAGES: &str = "images";
const NAME: &str = "name";
const NEW_NAME: &str = "newName";
const NEW_TAG: &str = "newTag";
const DIGEST: &str = "digest";

/// What an entry of `images` should say.
///
/// Setting only a tag takes a digest away, and the other way round: kustomize lets a digest win,
/// so a stale one would hide the new tag. With neither, both stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEdit {
    /// The image's name in the manifests.
    pub name: String,
    /// The repository to run instead; `None` leaves what is there. Written only when it is a
    /// different image than the one the entry gives without it.
    pub new_name: Option<String>,
    /// The tag to run.
    pub new_tag: Option<String>,
    /// The digest to run, as `sha256:…`.
    pub digest: Option<String>,
}

impl ImageEdit {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.new_name.is_none() && self.new_tag.is_none() && self.digest.is_none()
    }

    /// Refuses an edit that would write an empty value.
    pub(super) fn refuse_empty_values(&self) -> Result<(), EditError> {
        refuse_empty(&self.name, NAME, Some(&self.name))?;
        refuse_empty(&self.name, NEW_NAME, self.new_name.as_deref())?;
        refuse_empty(&self.name, NEW_TAG, self.new_tag.as_deref())?;
        refuse_empty(&self.name, DIGEST, self.digest.as_deref())
    }
}

impl fmt::Display for ImageEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "image `{}`", self.name)
    }
}

/// What an entry of `images` says; a field that is missing or empty is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The image's name in the manifests, as spelled in the file.
    pub name: String,
    /// The repository to run instead.
    pub new_name: Option<String>,
    /// The tag to run.
    pub new_tag: Option<String>,
    /// The digest to run.
    pub digest: Option<String>,
}

/// Reads the entry of an image, in any spelling of its name; `None` when there is none.
pub fn read(file: &[u8], name: &str) -> Result<Option<Entry>, EditError> {
    let stream = Stream::parse(file)?;
    refuse_several_documents(&stream)?;
    let Place::There(list) = list::at(&stream, &[IMAGES])? else {
        return Ok(None);
    };
    let Some(entry) = find(&stream, &list, name)? else {
        return Ok(None);
    };
    let field = |key| list::field(&stream, entry, key);
    Ok(Some(Entry {
        name: field(NAME)?.unwrap_or_default(),
        new_name: field(NEW_NAME)?,
        new_tag: field(NEW_TAG)?,
        digest: field(DIGEST)?,
    }))
}

/// Writes entries; `None` when the file says all of it already.
pub fn edit(file: &[u8], edits: &[ImageEdit]) -> Result<Option<Vec<u8>>, EditError> {
    for edit in edits {
        edit.refuse_empty_values()?;
    }
    settle(file, edits, next_step)
}

fn next_step(stream: &Stream, edit: &ImageEdit) -> Result<Option<Step>, EditError> {
    refuse_several_documents(stream)?;
    if edit.is_empty() {
        return Ok(None);
    }
    let list = match list::at(stream, &[IMAGES])? {
        Place::There(list) => list,
        Place::Missing(gap) => return Ok(Some(gap.fill(stream, new_entry(edit))?)),
    };
    match find(stream, &list, &edit.name)? {
        Some(entry) => entry_step(stream, entry, edit),
        None => Ok(Some(list.append(stream, new_entry(edit))?)),
    }
}

/// The entry of an image: spelled like `name` if there is one, else the same image.
///
/// The exact name comes first because kustomize replaces names as they are spelled, so manifests
/// with both spellings need an entry for each.
fn find(stream: &Stream, list: &List, name: &str) -> Result<Option<NodeId>, EditError> {
    let exact = list.find(stream, NAME, name, |found| found == name)?;
    match exact {
        Some(entry) => Ok(Some(entry)),
        None => list.find(stream, NAME, name, |found| same_image(found, name)),
    }
}

fn entry_step(stream: &Stream, entry: NodeId, edit: &ImageEdit) -> Result<Option<Step>, EditError> {
    let tag = edit.new_tag.as_deref();
    let digest = edit.digest.as_deref();
    if let Some(new_name) = edit.new_name.as_deref() {
        let current = match list::field(stream, entry, NEW_NAME)? {
            Some(current) => current,
            None => list::field(stream, entry, NAME)?.unwrap_or_default(),
        };
        if !same_image(&current, new_name)
            && let Some(step) = list::set_field(stream, entry, NEW_NAME, new_name)?
        {
            return Ok(Some(step));
        }
    }
    for (key, value, other) in [(NEW_TAG, tag, digest), (DIGEST, digest, tag)] {
        let step = match (value, other) {
            (Some(value), _) => list::set_field(stream, entry, key, value)?,
            (None, Some(_)) => remove(stream, entry, key)?,
            (None, None) => None,
        };
        if step.is_some() {
            return Ok(step);
        }
    }
    Ok(None)
}

fn remove(stream: &Stream, entry: NodeId, key: &str) -> Result<Option<Step>, EditError> {
    match yaml::lookup(stream, entry, key)? {
        Found::Local { index, .. } => Ok(Some(Step::Remove {
            mapping: entry,
            index,
        })),
        Found::Inherited { value } => Err(EditError::Yaml(yaml::Error::SharedRemoval {
            key: Excerpt::new(key),
            at: stream.place(value),
        })),
        Found::Missing => Ok(None),
    }
}

fn new_entry(edit: &ImageEdit) -> Value {
    let different = edit
        .new_name
        .as_ref()
        .filter(|new_name| !same_image(new_name, &edit.name));
    let fields = [
        (NAME, Some(&edit.name)),
        (NEW_NAME, different),
        (NEW_TAG, edit.new_tag.as_ref()),
        (DIGEST, edit.digest.as_ref()),
    ];
    let entries = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), Value::Text(value?.clone()))));
    Value::Mapping(entries.collect())
}

#[cfg(test)]
mod tests;
