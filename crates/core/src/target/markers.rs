//! Flux's setter markers: `image: ghcr.io/x/y:1 # {"$imagepolicy": "namespace:name"}`.
//!
//! A marker stands in a comment behind the value it is for, in any document of any YAML file;
//! `:tag`, `:name` and `:digest` behind the policy take that part of the image. Text that looks
//! like a marker inside a value or in a commented-out line is none.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::{EditError, Image, settle};
use crate::yaml::{Excerpt, NodeId, Position, Step, Stream};

/// The key of a marker. A file without this text has none, so need not be read further.
pub const KEY: &str = "$imagepolicy";

/// What the marked values of one policy should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerEdit {
    /// The policy as markers name it: `namespace:name`.
    pub policy: String,
    /// The image to write.
    pub image: Image,
}

impl fmt::Display for MarkerEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "policy `{}`", self.policy)
    }
}

/// A value with a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedValue {
    /// What the marker asks for.
    pub part: Part,
    /// The value as it is; empty where none stands.
    pub value: String,
    /// Where the value stands.
    pub at: Position,
}

/// The part of an image that a marker asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `namespace:name` alone: `repository:tag[@digest]`.
    Reference,
    /// `:name`, the repository.
    Name,
    /// `:tag`.
    Tag,
    /// `:digest`.
    Digest,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reference => "reference",
            Self::Name => "name",
            Self::Tag => "tag",
            Self::Digest => "digest",
        })
    }
}

/// Reads the values marked for `policy` (`namespace:name`), in the order of the file.
pub fn read(file: &[u8], policy: &str) -> Result<Vec<MarkedValue>, EditError> {
    let stream = Stream::parse(file)?;
    let marked = marked(&stream, policy)?;
    let values = marked.into_iter().map(|(node, part)| MarkedValue {
        part,
        value: stream.scalar(node).unwrap_or_default().to_owned(),
        at: stream.place(node),
    });
    Ok(values.collect())
}

/// Writes all values that are marked for a policy; `None` when there are none or all are right.
pub fn edit(file: &[u8], edits: &[MarkerEdit]) -> Result<Option<Vec<u8>>, EditError> {
    for edit in edits {
        edit.image.refuse_empty_values()?;
    }
    settle(file, edits, next_step)
}

fn next_step(stream: &Stream, edit: &MarkerEdit) -> Result<Option<Step>, EditError> {
    let mut texts = BTreeMap::new();
    for (node, part) in marked(stream, &edit.policy)? {
        let current = stream.scalar(node).unwrap_or_default();
        let missing = || EditError::MissingPart {
            part,
            at: stream.place(node),
        };
        let text = match part {
            Part::Reference => edit.image.spelled_like(Image::split(current).0).reference(),
            Part::Name => edit.image.spelled_like(current).name,
            Part::Tag => edit.image.tag.clone().ok_or_else(missing)?,
            Part::Digest => edit.image.digest.clone().ok_or_else(missing)?,
        };
        if texts
            .insert(node, text.clone())
            .is_some_and(|other| other != text)
        {
            return Err(EditError::Conflict {
                edit: Excerpt::new(&edit.to_string()),
            });
        }
    }
    let mut changes = Vec::new();
    for (node, text) in texts {
        if stream.set(node, &text)?.is_some() {
            changes.push((node, text));
        }
    }
    Ok((!changes.is_empty()).then_some(Step::Replace(changes)))
}

/// The values marked for `policy`, aliases followed.
fn marked(stream: &Stream, policy: &str) -> Result<Vec<(NodeId, Part)>, EditError> {
    let mut markers = Vec::new();
    for comment in stream.comments() {
        if stream.is_first_on_line(comment.span.start) {
            continue;
        }
        let text = stream.text(comment.span.clone());
        if let Some(part) = policy_of(text)
            .as_deref()
            .and_then(|text| part_of(text, policy))
        {
            markers.push((comment.span.clone(), part));
        }
    }
    if markers.is_empty() {
        return Ok(Vec::new());
    }
    let ends = value_ends(stream);
    markers
        .into_iter()
        .map(|(comment, part)| Ok((value_before(stream, &ends, &comment)?, part)))
        .collect()
}

/// The text behind [`KEY`] in a comment.
fn policy_of(comment: &str) -> Option<String> {
    if !comment.contains(KEY) {
        return None;
    }
    comment.match_indices('{').find_map(|(open, _)| {
        let json = serde_json::Deserializer::from_str(comment.get(open..)?);
        let value = json.into_iter::<serde_json::Value>().next()?.ok()?;
        Some(value.get(KEY)?.as_str()?.to_owned())
    })
}

/// What a marker's text asks of `policy`; `None` when it names another, or an unknown part.
fn part_of(text: &str, policy: &str) -> Option<Part> {
    match text.strip_prefix(policy)? {
        "" => Some(Part::Reference),
        ":name" => Some(Part::Name),
        ":tag" => Some(Part::Tag),
        ":digest" => Some(Part::Digest),
        _ => None,
    }
}

/// Where the visible text of every value ends, in order; keys are no values.
fn value_ends(stream: &Stream) -> Vec<(usize, NodeId)> {
    let values = stream.ids().filter(|id| !stream.is_key(*id));
    let mut ends: Vec<_> = values
        .filter_map(|id| Some((stream.value_line_end(id)?, id)))
        .collect();
    ends.sort_unstable();
    ends
}

/// The one value on the line of a comment.
fn value_before(
    stream: &Stream,
    ends: &[(usize, NodeId)],
    comment: &Range<usize>,
) -> Result<NodeId, EditError> {
    let at = || stream.position(comment.start);
    let line = stream.line_start(comment.start);
    let first = ends.partition_point(|(end, _)| *end <= line);
    let mut values = ends[first..]
        .iter()
        .take_while(|(end, _)| *end <= comment.start);
    match (values.next(), values.next()) {
        (Some((_, value)), None) if stream.is_block_scalar(*value) => {
            Err(EditError::MarkedBlockScalar { at: at() })
        }
        (Some((_, value)), None) => Ok(stream.follow(*value)),
        (None, _) => Err(EditError::MarkerWithoutValue { at: at() }),
        (Some(_), Some(_)) => Err(EditError::MarkerOfSeveral { at: at() }),
    }
}

#[cfg(test)]
mod tests;
