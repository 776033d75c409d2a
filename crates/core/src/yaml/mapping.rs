//! Keys of a mapping, with what merge keys (`<<`) bring in.
//!
//! Go's readers differ about merge keys below a key they bring again, and about keys that stand
//! twice; both are refused instead of guessed.

use std::collections::BTreeSet;

use super::document::{Kind, NodeId, Stream};
use super::error::{Error, Excerpt};
use super::scalar::ScalarStyle;

/// Mappings that one merge key may bring together. Without an end, a file of merge keys that
/// each bring the one before would take quadratic time.
const MAX_MERGED: usize = 256;

/// What a mapping says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The key stands there, as entry number `index`.
    Local {
        index: usize,
        value: NodeId,
    },
    /// Only a merge key brings it.
    Inherited {
        value: NodeId,
    },
    Missing,
}

impl Entry {
    /// The value, wherever it comes from.
    pub(crate) fn value(self) -> Option<NodeId> {
        match self {
            Self::Local { value, .. } | Self::Inherited { value } => Some(value),
            Self::Missing => None,
        }
    }
}

/// The entries of a mapping; none for anything else.
pub(crate) fn entries(stream: &Stream, id: NodeId) -> &[(NodeId, NodeId)] {
    match &stream.node(id).kind {
        Kind::Mapping { entries, .. } => entries,
        Kind::Scalar { .. } | Kind::Alias { .. } | Kind::Sequence { .. } => &[],
    }
}

/// Looks `key` up by its decoded text, so `"tag"` and `tag` are the same key.
pub(crate) fn lookup(stream: &Stream, mapping: NodeId, key: &str) -> Result<Entry, Error> {
    let Some((index, value)) = local(stream, mapping, key)? else {
        return Ok(inherited(stream, mapping, key)?
            .map_or(Entry::Missing, |value| Entry::Inherited { value }));
    };
    for (merge_key, merged) in entries(stream, mapping).iter().skip(index + 1) {
        if is_merge_key(stream, *merge_key) && merged_value(stream, *merged, key)?.is_some() {
            return Err(Error::MergeOverrides {
                key: Excerpt::new(key),
                at: stream.place(*merge_key),
            });
        }
    }
    Ok(Entry::Local { index, value })
}

fn local(stream: &Stream, mapping: NodeId, key: &str) -> Result<Option<(usize, NodeId)>, Error> {
    let mut found = None;
    for (index, (name, value)) in entries(stream, mapping).iter().enumerate() {
        if stream.scalar(*name) != Some(key) || is_merge_key(stream, *name) {
            continue;
        }
        if found.is_some() {
            return Err(Error::DuplicateKey {
                key: Excerpt::new(key),
                at: stream.place(*name),
            });
        }
        found = Some((index, *value));
    }
    Ok(found)
}

fn inherited(stream: &Stream, mapping: NodeId, key: &str) -> Result<Option<NodeId>, Error> {
    for (merge_key, merged) in entries(stream, mapping) {
        if is_merge_key(stream, *merge_key)
            && let Some(value) = merged_value(stream, *merged, key)?
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Looks `key` up in what stands behind a `<<`: a mapping or a list of mappings, first one wins.
fn merged_value(stream: &Stream, merged: NodeId, key: &str) -> Result<Option<NodeId>, Error> {
    let mut waiting = vec![merged];
    // Without it, mappings that merge each other's anchors twice take exponential time.
    let mut seen = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        let node = stream.follow(next);
        if !seen.insert(node) {
            continue;
        }
        if seen.len() > MAX_MERGED {
            return Err(Error::UnsupportedPlace {
                at: stream.place(merged),
            });
        }
        match &stream.node(node).kind {
            Kind::Sequence { items, .. } => waiting.extend(items.iter().rev()),
            Kind::Mapping { entries, .. } => {
                if let Some((_, value)) = local(stream, node, key)? {
                    return Ok(Some(value));
                }
                let inner = entries
                    .iter()
                    .rev()
                    .filter(|(name, _)| is_merge_key(stream, *name));
                waiting.extend(inner.map(|(_, value)| *value));
            }
            Kind::Scalar { .. } | Kind::Alias { .. } => {}
        }
    }
    Ok(None)
}

/// Only a plain `<<` merges; `"<<"` is a key like any other.
pub(crate) fn is_merge_key(stream: &Stream, key: NodeId) -> bool {
    matches!(&stream.node(key).kind, Kind::Scalar { value, style: ScalarStyle::Plain } if value == "<<")
}
