//! Helm values: any value by its path, and the keys that make up an image.
//!
//! Helm reads the first document of a values file, so the others are left alone. Values are
//! written as strings; missing keys are created, missing lists are not.

use std::fmt;

use super::{EditError, Image, ImageKeys, settle};
use crate::yaml::{self, KeyPath, NodeId, Resolution, Step, Stream, Value};

/// One value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueEdit {
    /// Where, from the root of the first document.
    pub path: KeyPath,
    /// What it should be, as a string.
    pub value: String,
}

impl fmt::Display for ValueEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "value `{}`", self.path)
    }
}

/// Reads the value at `path`; `None` when there is none, or null.
///
/// The text as it stands: `1.20` without quotes, a number for Helm, reads as `1.20`.
pub fn read(file: &[u8], path: &KeyPath) -> Result<Option<String>, EditError> {
    let stream = Stream::parse(file)?;
    value(&stream, path)
}

/// Writes values; `None` when the file says all of it already.
pub fn edit(file: &[u8], edits: &[ValueEdit]) -> Result<Option<Vec<u8>>, EditError> {
    settle(file, edits, next_step)
}

/// The values that make `keys` of `file` say `image`.
///
/// A name is only written where one stands that is a different image: a chart without the key
/// would ignore it. A name that stands there without a registry stays without one, because the
/// chart then has the registry in another key.
pub fn image_edits(
    file: &[u8],
    keys: &ImageKeys<KeyPath>,
    image: &Image,
) -> Result<Vec<ValueEdit>, EditError> {
    image.refuse_empty_values()?;
    let stream = Stream::parse(file)?;
    let mut edits = Vec::new();
    match keys {
        ImageKeys::Spec(path) => {
            let current = value(&stream, path)?;
            let value = match current.as_deref().map(Image::split) {
                Some((name, _)) => image.spelled_like(name).reference(),
                None => image.reference(),
            };
            edits.push(ValueEdit {
                path: path.clone(),
                value,
            });
        }
        ImageKeys::NameAndTag { name, tag } => {
            if let Some(path) = name
                && let Some(current) = value(&stream, path)?.filter(|name| !name.is_empty())
            {
                let value = image.name_for_value(&current);
                edits.push(ValueEdit {
                    path: path.clone(),
                    value,
                });
            }
            if let Some(value) = image.version() {
                edits.push(ValueEdit {
                    path: tag.clone(),
                    value,
                });
            }
        }
    }
    Ok(edits)
}

/// The paths that share the value at `path` by anchors, aliases and merge keys: an edit of
/// `path` changes them, or makes them where `path` is missing.
///
/// At most `limit` of them, sorted.
pub fn shared_with(file: &[u8], path: &KeyPath, limit: usize) -> Result<Vec<KeyPath>, EditError> {
    let stream = Stream::parse(file)?;
    let Some(root) = first_document(&stream)? else {
        return Ok(Vec::new());
    };
    let (node, keys) = match yaml::resolve(&stream, root, path)? {
        Resolution::Here { value, .. } => (value, Vec::new()),
        Resolution::Inherited { mapping, key, .. } => (mapping, vec![key]),
        Resolution::Missing { inside, rest } => (inside, rest),
    };
    let mut paths = yaml::paths_to(&stream, node, &keys, limit.saturating_add(1));
    paths.retain(|other| other != path);
    paths.truncate(limit);
    Ok(paths)
}

fn value(stream: &Stream, path: &KeyPath) -> Result<Option<String>, EditError> {
    let Some(root) = first_document(stream)? else {
        return Ok(None);
    };
    match yaml::resolve(stream, root, path)? {
        Resolution::Here { value, .. } | Resolution::Inherited { value, .. } => {
            let Some(text) = stream.scalar(value) else {
                return Err(yaml::Error::NotAScalar {
                    at: stream.place(value),
                }
                .into());
            };
            Ok((!stream.is_null(value)).then(|| text.to_owned()))
        }
        Resolution::Missing { .. } => Ok(None),
    }
}

/// The root Helm reads. An empty first document with others behind it is refused: what the user
/// wants written is certainly not there.
fn first_document(stream: &Stream) -> Result<Option<NodeId>, EditError> {
    let root = stream.first_root();
    match stream.documents().get(1) {
        Some(second) if root.is_none() => Err(EditError::EmptyFirstDocument {
            second: stream.position(second.start()),
        }),
        _ => Ok(root),
    }
}

fn next_step(stream: &Stream, edit: &ValueEdit) -> Result<Option<Step>, EditError> {
    let text = || Value::Text(edit.value.clone());
    let Some(root) = first_document(stream)? else {
        let keys = edit.path.keys().ok_or_else(|| yaml::Error::OutOfRange {
            path: edit.path.clone(),
            index: 0,
            length: 0,
        })?;
        return Ok(Some(Step::Start {
            value: text().nested(&keys),
        }));
    };
    Ok(match yaml::resolve(stream, root, &edit.path)? {
        Resolution::Here { value, .. } => stream.set(value, &edit.value)?,
        Resolution::Inherited { value, .. } if stream.says(value, &edit.value) => None,
        Resolution::Inherited { mapping, key, .. } => Some(Step::Insert {
            mapping,
            key,
            value: text(),
        }),
        Resolution::Missing { inside, rest } if stream.is_null(inside) => Some(Step::Fill {
            null: inside,
            value: text().nested(&rest),
        }),
        Resolution::Missing { inside, rest } => {
            rest.split_first().map(|(key, rest)| Step::Insert {
                mapping: inside,
                key: key.clone(),
                value: text().nested(rest),
            })
        }
    })
}

#[cfg(test)]
mod tests;
