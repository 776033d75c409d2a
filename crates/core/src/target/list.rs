//! A list of entries at a fixed place of a file, such as `helm.parameters`.
//!
//! The list is found or made; entries are told apart by one of their keys. What an entry says
//! besides is for the formats to decide.

use super::EditError;
use crate::yaml::{self, Entry, Excerpt, Kind, NodeId, Step, Stream, Value};

/// A list that is there.
pub(super) struct List {
    items: Vec<NodeId>,
    sequence: NodeId,
    /// An alias or merge key on the way to it: others share the list.
    shared: Option<NodeId>,
}

/// A list, or where it belongs.
pub(super) enum Place {
    There(List),
    Missing(Gap),
}

/// Where a list is missing.
pub(super) struct Gap {
    /// The mapping that lacks a key, or the null that stands there; `None` in an empty file.
    inside: Option<NodeId>,
    /// The keys from there to the list.
    keys: Vec<String>,
    /// An alias or merge key on the way.
    shared: Option<NodeId>,
}

/// Finds the list at `keys`.
pub(super) fn at(stream: &Stream, keys: &[&str]) -> Result<Place, EditError> {
    let gap = |inside: Option<NodeId>, keys: &[&str], shared: Option<NodeId>| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(Place::Missing(Gap {
            inside,
            keys,
            shared,
        }))
    };
    let path = || yaml::KeyPath::of_keys(keys);
    let Some(mut node) = stream.first_root() else {
        return gap(None, keys, None);
    };
    let mut shared = None;
    for (depth, key) in keys.iter().enumerate() {
        shared = follow(stream, &mut node, shared);
        if stream.is_null(node) {
            return gap(Some(node), &keys[depth..], shared);
        }
        if !matches!(stream.node(node).kind, Kind::Mapping { .. }) {
            let at = stream.place(node);
            return Err(yaml::Error::NotAMapping { path: path(), at }.into());
        }
        match yaml::lookup(stream, node, key)? {
            Entry::Local { value, .. } => node = value,
            Entry::Inherited { value } => {
                shared = Some(node);
                node = value;
            }
            Entry::Missing => return gap(Some(node), &keys[depth..], shared),
        }
    }
    shared = follow(stream, &mut node, shared);
    if stream.is_null(node) {
        return gap(Some(node), &[], shared);
    }
    match &stream.node(node).kind {
        Kind::Sequence { items, .. } => {
            let items = items.clone();
            Ok(Place::There(List {
                items,
                sequence: node,
                shared,
            }))
        }
        Kind::Scalar { .. } | Kind::Alias { .. } | Kind::Mapping { .. } => {
            let at = stream.place(node);
            Err(yaml::Error::NotASequence { path: path(), at }.into())
        }
    }
}

/// Replaces an alias by what it stands for, and remembers it.
fn follow(stream: &Stream, node: &mut NodeId, shared: Option<NodeId>) -> Option<NodeId> {
    let target = stream.follow(*node);
    let shared = if target == *node { shared } else { Some(*node) };
    *node = target;
    shared
}

impl Gap {
    /// The step that makes the list, with one item.
    pub(super) fn fill(&self, stream: &Stream, item: Value) -> Result<Step, EditError> {
        refuse_shared(stream, self.shared)?;
        let list = Value::Sequence(vec![item]);
        Ok(match (self.inside, self.keys.split_first()) {
            (None, _) => Step::Start {
                value: list.nested(&self.keys),
            },
            (Some(mapping), Some((key, inner))) if !stream.is_null(mapping) => Step::Insert {
                mapping,
                key: key.clone(),
                value: list.nested(inner),
            },
            (Some(null), _) => Step::Fill {
                null,
                value: list.nested(&self.keys),
            },
        })
    }
}

impl List {
    /// The items, aliases followed.
    pub(super) fn items<'a>(&'a self, stream: &'a Stream) -> impl Iterator<Item = NodeId> + 'a {
        self.items.iter().map(|item| stream.follow(*item))
    }

    /// The entry whose `key` matches; `name` is for the message about a second one.
    pub(super) fn find(
        &self,
        stream: &Stream,
        key: &str,
        name: &str,
        matches: impl Fn(&str) -> bool,
    ) -> Result<Option<NodeId>, EditError> {
        let mut found = None;
        for item in self.items(stream) {
            let value = yaml::lookup(stream, item, key)?.value();
            if !value
                .and_then(|value| stream.scalar(value))
                .is_some_and(&matches)
            {
                continue;
            }
            unique(stream, &mut found, item, name)?;
        }
        Ok(found)
    }

    /// The step that adds an item.
    pub(super) fn append(&self, stream: &Stream, item: Value) -> Result<Step, EditError> {
        refuse_shared(stream, self.shared)?;
        Ok(Step::Append {
            sequence: self.sequence,
            item,
        })
    }
}

/// Refuses to add to what others share, too.
fn refuse_shared(stream: &Stream, shared: Option<NodeId>) -> Result<(), EditError> {
    match shared {
        Some(shared) => Err(yaml::Error::ThroughAlias {
            at: stream.place(shared),
        }
        .into()),
        None => Ok(()),
    }
}

/// Takes `item` as the one that was looked for; an error if there is one already.
pub(super) fn unique(
    stream: &Stream,
    found: &mut Option<NodeId>,
    item: NodeId,
    name: &str,
) -> Result<(), EditError> {
    match found.replace(item) {
        Some(first) => Err(EditError::DuplicateEntry {
            name: Excerpt::new(name),
            first: stream.place(first),
            second: stream.place(item),
        }),
        None => Ok(()),
    }
}

/// A field of an entry; `None` when it is missing, null or empty.
pub(super) fn field(
    stream: &Stream,
    entry: NodeId,
    key: &str,
) -> Result<Option<String>, EditError> {
    let Some(value) = yaml::lookup(stream, entry, key)?.value() else {
        return Ok(None);
    };
    let text = stream
        .scalar(value)
        .filter(|_| !stream.is_null(stream.follow(value)));
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// The step that makes field `key` of an entry the string `value`; `None` when it is that.
pub(super) fn set_field(
    stream: &Stream,
    entry: NodeId,
    key: &str,
    value: &str,
) -> Result<Option<Step>, EditError> {
    Ok(match yaml::lookup(stream, entry, key)? {
        Entry::Local { value: node, .. } => stream.set(node, value)?,
        Entry::Inherited { value: node } if stream.says(node, value) => None,
        Entry::Inherited { .. } | Entry::Missing => Some(Step::Insert {
            mapping: entry,
            key: key.to_owned(),
            value: Value::Text(value.to_owned()),
        }),
    })
}
