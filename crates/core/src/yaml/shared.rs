//! All paths of a document that lead to one value: by anchors, aliases and merge keys.
//!
//! For the message that an edit changes more than the path it was asked for. Nothing is
//! expanded: the search begins at the value and goes outwards.

use super::document::{Kind, NodeId, Stream};
use super::mapping::{self, Entry};
use super::path::{KeyPath, Segment};

/// Ways outwards that are followed for each path wanted. Some end at a local key that hides the
/// inherited one, so there can be more ways than paths; hostile files have no end of them.
const WAYS_PER_PATH: usize = 16;

/// Paths to what `keys` lead to from `node`, sorted, at most `limit` of them; the keys may yet
/// have to be made.
pub(crate) fn paths_to(
    stream: &Stream,
    node: NodeId,
    keys: &[String],
    limit: usize,
) -> Vec<KeyPath> {
    let mut paths = Vec::new();
    let inner = keys.iter().rev().cloned().map(Segment::Key).collect();
    let mut ways = vec![(node, inner)];
    let mut left = limit.saturating_mul(WAYS_PER_PATH);
    while let Some((node, inner)) = ways.pop() {
        if left == 0 || paths.len() == limit {
            break;
        }
        left -= 1;
        paths.extend(outwards(stream, node, inner, &mut ways));
    }
    paths.sort();
    paths.dedup();
    paths
}

/// Goes from `node` to the root and notes the aliases of every anchor on the way; `inner` are
/// the segments from `node` to the value, innermost first.
fn outwards(
    stream: &Stream,
    node: NodeId,
    mut inner: Vec<Segment>,
    ways: &mut Vec<(NodeId, Vec<Segment>)>,
) -> Option<KeyPath> {
    let mut node = node;
    loop {
        if let Some(anchor) = &stream.node(node).anchor {
            let aliases = stream.ids().skip(node.0).filter(
                |id| matches!(stream.node(*id).kind, Kind::Alias { number } if number == anchor.number),
            );
            ways.extend(aliases.map(|alias| (alias, inner.clone())));
        }
        let Some(parent) = stream.node(node).parent else {
            inner.reverse();
            return KeyPath::of_segments(inner);
        };
        if let Some(mapping) = merging(stream, node, parent) {
            node = mapping;
            // A key of its own hides the inherited one; a bare scalar cannot be merged.
            let Some(Segment::Key(key)) = inner.last() else {
                return None;
            };
            if let Ok(Entry::Local { .. }) = mapping::lookup(stream, mapping, key) {
                return None;
            }
            continue;
        }
        inner.push(segment(stream, node, parent)?);
        node = parent;
    }
}

/// The mapping that merges `node`, directly or in a list behind its `<<`.
fn merging(stream: &Stream, node: NodeId, parent: NodeId) -> Option<NodeId> {
    let is_merged = |value| {
        stream
            .key_of(value)
            .is_some_and(|key| mapping::is_merge_key(stream, key))
    };
    if is_merged(node) {
        return Some(parent);
    }
    let is_list = matches!(stream.node(parent).kind, Kind::Sequence { .. });
    if is_list && is_merged(parent) {
        stream.node(parent).parent
    } else {
        None
    }
}

fn segment(stream: &Stream, node: NodeId, parent: NodeId) -> Option<Segment> {
    match &stream.node(parent).kind {
        Kind::Sequence { items, .. } => items
            .iter()
            .position(|item| *item == node)
            .map(Segment::Index),
        Kind::Mapping { .. } => {
            let key = stream.scalar(stream.key_of(node)?)?;
            Some(Segment::Key(key.to_owned()))
        }
        Kind::Scalar { .. } | Kind::Alias { .. } => None,
    }
}
