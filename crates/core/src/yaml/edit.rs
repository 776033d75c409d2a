//! One step of an edit: planned on the tree, done on the bytes, proven by reading back.
//!
//! A step knows nodes, not files or formats; what to write and where is decided by
//! [`crate::target`]. No step touches a byte outside its splices.

use std::ops::Range;

use super::document::{MAX_FILE_BYTES, NodeId, Stream};
use super::error::Error;
use super::render::Value;
use super::verify::Outline;
use super::{insert, remove, replace};

/// A change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// New text for scalars that are there, if only as an empty place.
    Replace(Vec<(NodeId, String)>),
    /// A new key of a mapping.
    Insert {
        mapping: NodeId,
        key: String,
        value: Value,
    },
    /// A new last item of a sequence.
    Append { sequence: NodeId, item: Value },
    /// A collection instead of nothing or null.
    Fill { null: NodeId, value: Value },
    /// The content of a file that has none.
    Start { value: Value },
    /// An entry of a mapping goes away.
    Remove { mapping: NodeId, index: usize },
}

/// Bytes that are replaced by text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Stream {
    /// The step that makes `id`, an alias followed, the string `text`; `None` when it is that.
    pub(crate) fn set(&self, id: NodeId, text: &str) -> Result<Option<Step>, Error> {
        let id = self.follow(id);
        replace::check(self, id)?;
        if self.says(id, text) {
            return Ok(None);
        }
        Ok(Some(Step::Replace(vec![(id, text.to_owned())])))
    }

    /// Whether a value is the string `text`; `1.20` without quotes is not.
    pub(crate) fn says(&self, id: NodeId, text: &str) -> bool {
        let id = self.follow(id);
        self.scalar(id) == Some(text) && self.is_string(id)
    }

    /// Does one step and proves it.
    pub(crate) fn apply(&self, step: &Step) -> Result<Self, Error> {
        let mut splices = self.splices(step)?;
        splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
        let first = splices.first().map_or(0, |splice| splice.range.start);
        let failed = || Error::Verification {
            at: self.position(first),
        };
        let text = spliced(&self.source, &splices).ok_or_else(failed)?;
        let edited = match Self::parse(text.as_bytes()) {
            Ok(edited) => edited,
            Err(error @ Error::TooLarge { .. }) => return Err(error),
            Err(_) => return Err(failed()),
        };
        if Outline::of(&edited) == Outline::after(self, step, &splices) {
            Ok(edited)
        } else {
            Err(failed())
        }
    }

    fn splices(&self, step: &Step) -> Result<Vec<Splice>, Error> {
        match step {
            Step::Replace(texts) => {
                let mut splices = Vec::new();
                for (id, text) in texts {
                    splices.extend(replace::splices(self, *id, text)?);
                }
                Ok(splices)
            }
            Step::Insert {
                mapping,
                key,
                value,
            } => insert::entry(self, *mapping, key, value),
            Step::Append { sequence, item } => insert::item(self, *sequence, item),
            Step::Fill { null, value } => insert::collection(self, *null, value),
            Step::Start { value } => Ok(insert::root(self, self.documents.first(), value)),
            Step::Remove { mapping, index } => Ok(vec![remove::entry(self, *mapping, *index)?]),
        }
    }
}

/// `source` with the splices done; `None` when they overlap or cut a character.
fn spliced(source: &str, splices: &[Splice]) -> Option<String> {
    let mut text = String::with_capacity(source.len().min(MAX_FILE_BYTES));
    let mut done = 0;
    for splice in splices {
        text.push_str(source.get(done..splice.range.start)?);
        text.push_str(&splice.text);
        done = splice.range.end;
    }
    text.push_str(source.get(done..)?);
    Some(text)
}
