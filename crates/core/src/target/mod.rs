//! Where a new image reference is written: one module for each file format.
//!
//! Every format has a `read` for what the file says now and an `edit` for what it should say.
//! An edit is planned one step at a time on the file as it then is, until there is nothing left
//! to do; so doing it twice is doing it once, by construction, and that is checked each time.
//! Nothing here selects an image, and nothing reads or writes a file.

pub mod argocd_source;
pub mod helm_values;
mod image;
mod image_keys;
pub mod kustomization;
mod list;
pub mod manifests;
pub mod markers;

use std::fmt;

pub use image::Image;
pub use image_keys::ImageKeys;

use crate::yaml::{self, Excerpt, Position, Step, Stream};

/// Steps that one edit may take. The longest way (a new entry for each of four keys, two of
/// them removed) is shorter; more means that a step does not achieve what it was planned for.
const MAX_STEPS_PER_EDIT: usize = 16;

/// Why a file was not edited. It is then left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is no YAML that can be edited, or the place in it is unusual.
    #[error(transparent)]
    Yaml(yaml::Error),

    /// A format of one document, and a file of several.
    #[error("the file has more than one document, the second at {second}; its reader takes one")]
    SeveralDocuments {
        /// Where the second begins.
        second: Position,
    },

    /// The first document is empty, and there are more: Helm reads the first.
    #[error(
        "the first document is empty and another begins at {second}; Helm reads only the first"
    )]
    EmptyFirstDocument {
        /// Where the second begins.
        second: Position,
    },

    /// Two entries for one image: which of them counts depends on the reader.
    #[error("`{name}` has two entries, at {first} and at {second}; delete one")]
    DuplicateEntry {
        /// The name both have.
        name: Excerpt,
        /// The first entry.
        first: Position,
        /// The second entry.
        second: Position,
    },

    /// An edit with an empty name, tag, digest or value.
    #[error("an empty {field} cannot be written for `{subject}`; leave it out instead")]
    EmptyValue {
        /// What is empty.
        field: &'static str,
        /// What the edit is for.
        subject: Excerpt,
    },

    /// No container of a manifest runs the image.
    #[error("image `{repository}` not found: no container of the file runs it")]
    ImageNotFound {
        /// The repository looked for.
        repository: Excerpt,
    },

    /// A marker for a part of the image that is not known.
    #[error("the marker of the value at {at} asks for the {part} of the image, and none is known")]
    MissingPart {
        /// What it asks for.
        part: markers::Part,
        /// Where the value stands.
        at: Position,
    },

    /// A marker behind the header of `|` or `>`.
    #[error("the marker at {at} stands behind a block scalar; write the value on one line")]
    MarkedBlockScalar {
        /// Where the marker stands.
        at: Position,
    },

    /// A marker behind no value, such as a key whose mapping follows.
    #[error("the marker at {at} has no value before it on its line; move it behind one")]
    MarkerWithoutValue {
        /// Where the marker stands.
        at: Position,
    },

    /// A marker behind several values of one line.
    #[error("the marker at {at} has several values before it; write each on a line of its own")]
    MarkerOfSeveral {
        /// Where the marker stands.
        at: Position,
    },

    /// Two edits of one call want different things in one place, perhaps through an anchor.
    #[error("conflict: {edit} is undone by another edit of the same file; they share a value")]
    Conflict {
        /// The edit that is not done in the end.
        edit: Excerpt,
    },

    /// An edit that is never done; a fault of this program, found before anything was written.
    #[error("verification failed: {edit} does not come to rest")]
    Unsettled {
        /// The edit.
        edit: Excerpt,
    },
}

/// Every YAML error is about the file that is being edited: no context is lost.
impl From<yaml::Error> for EditError {
    fn from(error: yaml::Error) -> Self {
        Self::Yaml(error)
    }
}

/// Does `edits` in order, each by the steps that `next_step` plans; `None` when nothing changes.
///
/// In the end every edit is planned once more: one that is not done any more conflicts with
/// another.
fn settle<E: fmt::Display>(
    file: &[u8],
    edits: &[E],
    next_step: impl Fn(&Stream, &E) -> Result<Option<Step>, EditError>,
) -> Result<Option<Vec<u8>>, EditError> {
    let mut stream = Stream::parse(file)?;
    let mut changed = false;
    for edit in edits {
        let mut steps = 0;
        while let Some(step) = next_step(&stream, edit)? {
            if steps == MAX_STEPS_PER_EDIT {
                return Err(EditError::Unsettled {
                    edit: Excerpt::new(&edit.to_string()),
                });
            }
            stream = stream.apply(&step)?;
            changed = true;
            steps += 1;
        }
    }
    if !changed {
        return Ok(None);
    }
    for edit in edits {
        if next_step(&stream, edit)?.is_some() {
            return Err(EditError::Conflict {
                edit: Excerpt::new(&edit.to_string()),
            });
        }
    }
    Ok(Some(stream.into_bytes()))
}

/// Refuses a file with a second document, for formats that have one.
fn refuse_several_documents(stream: &Stream) -> Result<(), EditError> {
    match stream.documents().get(1) {
        Some(second) => Err(EditError::SeveralDocuments {
            second: stream.position(second.start()),
        }),
        None => Ok(()),
    }
}

/// Refuses an empty `value` of an edit for `subject`.
fn refuse_empty(subject: &str, field: &'static str, value: Option<&str>) -> Result<(), EditError> {
    if value == Some("") {
        let subject = Excerpt::new(subject);
        return Err(EditError::EmptyValue { field, subject });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
