//! Paths to a value: `image.tag`, `apps[1].image.tag`, `labels.app\.kubernetes\.io/version`.
//!
//! A path finds a value in the file as it stands: through aliases, and with keys that hold a
//! dot themselves. It never makes or lengthens a list.

use std::fmt;
use std::str::FromStr;

use super::document::{Kind, NodeId, Stream};
use super::error::{Error, Excerpt};
use super::mapping::{self, Entry};

/// Most segments of a path. Charts nest a handful; every split of the keys is tried, so the
/// work doubles with each.
const MAX_SEGMENTS: usize = 16;

/// Where a value stands, from the root of a document: at least one key or index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The path down `keys`, whatever characters they have.
    pub(crate) fn of_keys(keys: &[&str]) -> Self {
        Self(
            keys.iter()
                .map(|key| Segment::Key((*key).to_owned()))
                .collect(),
        )
    }

    /// The keys of a path without an index.
    pub(crate) fn keys(&self) -> Option<Vec<String>> {
        let keys = self.0.iter().map(|segment| match segment {
            Segment::Key(key) => Some(key.clone()),
            Segment::Index(_) => None,
        });
        keys.collect()
    }

    /// The path of these segments; `None` for none.
    pub(super) fn of_segments(segments: Vec<Segment>) -> Option<Self> {
        (!segments.is_empty()).then_some(Self(segments))
    }
}

impl FromStr for KeyPath {
    type Err = Error;

    /// Keys are separated by dots, `\` takes the next character as it is, `[0]` is an index.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadPath {
            path: Excerpt::new(text),
        };
        let mut segments = Vec::new();
        let mut characters = text.chars().peekable();
        let mut key_expected = true;
        while let Some(&next) = characters.peek() {
            if next == '[' {
                characters.next();
                let mut digits = String::new();
                while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                if characters.next() != Some(']') || (key_expected && !segments.is_empty()) {
                    return Err(bad());
                }
                segments.push(Segment::Index(digits.parse().map_err(|_| bad())?));
                key_expected = false;
            } else if next == '.' && !key_expected {
                characters.next();
                key_expected = true;
            } else if key_expected {
                let mut key = String::new();
                while let Some(character) = characters.next_if(|next| !".[".contains(*next)) {
                    if character == '\\' {
                        key.push(characters.next().ok_or_else(bad)?);
                    } else {
                        key.push(character);
                    }
                }
                if key.is_empty() {
                    return Err(bad());
                }
                segments.push(Segment::Key(key));
                key_expected = false;
            } else {
                return Err(bad());
            }
        }
        if key_expected || segments.len() > MAX_SEGMENTS {
            return Err(bad());
        }
        Ok(Self(segments))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) => {
                    if index > 0 {
                        formatter.write_str(".")?;
                    }
                    for character in key.chars().filter(|character| !character.is_control()) {
                        if ".[\\".contains(character) {
                            formatter.write_str("\\")?;
                        }
                        write!(formatter, "{character}")?;
                    }
                }
                Segment::Index(number) => write!(formatter, "[{number}]")?,
            }
        }
        Ok(())
    }
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// A node, aliases followed, and the last alias on the way.
    Here {
        value: NodeId,
        alias: Option<NodeId>,
    },
    /// A node that a merge key brings into `mapping`, where `key` can be added.
    Inherited {
        value: NodeId,
        mapping: NodeId,
        key: String,
    },
    /// Nothing: the mapping (or null) down to which the path leads, and the keys that remain.
    Missing { inside: NodeId, rest: Vec<String> },
}

/// Looks `path` up below `root`.
pub(crate) fn resolve(stream: &Stream, root: NodeId, path: &KeyPath) -> Result<Resolution, Error> {
    let mut search = Search {
        stream,
        path,
        hits: Vec::new(),
        ends: Vec::new(),
        failure: None,
    };
    search.descend(root, 0)?;
    let Search {
        mut hits,
        mut ends,
        failure,
        ..
    } = search;
    let ambiguous = |first: NodeId, second: NodeId| Error::AmbiguousPath {
        path: path.clone(),
        first: stream.place(first),
        second: stream.place(second),
    };
    if let Some(hit) = hits.pop() {
        return match hits.pop() {
            Some(other) => Err(ambiguous(node_of(&other), node_of(&hit))),
            None => Ok(hit),
        };
    }
    // The place that took most of the path is where the rest belongs.
    ends.sort_by_key(|end| end.depth);
    let Some(end) = ends.pop() else {
        return Err(failure.unwrap_or_else(|| Error::BadPath {
            path: Excerpt::new(&path.to_string()),
        }));
    };
    if let Some(failure) = failure {
        return Err(failure);
    }
    if let Some(other) = ends.pop().filter(|other| other.depth == end.depth) {
        return Err(ambiguous(other.inside, end.inside));
    }
    if let Some(alias) = end.alias {
        return Err(Error::ThroughAlias {
            at: stream.place(alias),
        });
    }
    let mut rest = Vec::new();
    for segment in &path.0[end.depth..] {
        match segment {
            Segment::Key(key) => rest.push(key.clone()),
            Segment::Index(index) => {
                return Err(Error::OutOfRange {
                    path: path.clone(),
                    index: *index,
                    length: 0,
                });
            }
        }
    }
    Ok(Resolution::Missing {
        inside: end.inside,
        rest,
    })
}

fn node_of(resolution: &Resolution) -> NodeId {
    match resolution {
        Resolution::Here { value: node, .. }
        | Resolution::Inherited { value: node, .. }
        | Resolution::Missing { inside: node, .. } => *node,
    }
}

/// A mapping or null that the path leads to, with keys left over.
struct End {
    inside: NodeId,
    depth: usize,
    /// The last alias on the way.
    alias: Option<NodeId>,
}

struct Search<'a> {
    stream: &'a Stream,
    path: &'a KeyPath,
    hits: Vec<Resolution>,
    ends: Vec<End>,
    /// The first thing that stood in the way of one of the tries.
    failure: Option<Error>,
}

impl Search<'_> {
    /// Tries every way to read the path from segment `depth` on: `a.b` is one key or two.
    fn descend(&mut self, node: NodeId, depth: usize) -> Result<(), Error> {
        self.descend_through(node, depth, None)
    }

    fn descend_through(
        &mut self,
        node: NodeId,
        depth: usize,
        alias: Option<NodeId>,
    ) -> Result<(), Error> {
        let target = self.stream.follow(node);
        let alias = if target == node { alias } else { Some(node) };
        let Some(segment) = self.path.0.get(depth) else {
            self.hits.push(Resolution::Here {
                value: target,
                alias,
            });
            return Ok(());
        };
        let at = || self.stream.place(node);
        let path = || self.path.clone();
        match (&self.stream.node(target).kind, segment) {
            (Kind::Sequence { items, .. }, Segment::Index(index)) => match items.get(*index) {
                Some(item) => return self.descend_through(*item, depth + 1, alias),
                None => self.fail(Error::OutOfRange {
                    path: path(),
                    index: *index,
                    length: items.len(),
                }),
            },
            (Kind::Sequence { .. }, Segment::Key(_)) => {
                let error = Error::NeedsIndex {
                    path: path(),
                    at: at(),
                };
                self.fail(error);
            }
            (_, Segment::Index(_)) if !self.stream.is_null(target) => {
                let error = Error::NotASequence {
                    path: path(),
                    at: at(),
                };
                self.fail(error);
            }
            (Kind::Mapping { .. }, Segment::Key(_)) => {
                return self.descend_keys(target, depth, alias);
            }
            _ if self.stream.is_null(target) => {
                self.ends.push(End {
                    inside: target,
                    depth,
                    alias,
                });
            }
            _ => {
                let error = Error::NotAMapping {
                    path: path(),
                    at: at(),
                };
                self.fail(error);
            }
        }
        Ok(())
    }

    fn descend_keys(
        &mut self,
        mapping: NodeId,
        depth: usize,
        alias: Option<NodeId>,
    ) -> Result<(), Error> {
        let mut joined = String::new();
        let mut found = false;
        for (offset, segment) in self.path.0[depth..].iter().enumerate() {
            let Segment::Key(key) = segment else { break };
            if offset > 0 {
                joined.push('.');
            }
            joined.push_str(key);
            let next = depth + offset + 1;
            match mapping::lookup(self.stream, mapping, &joined)? {
                Entry::Local { value, .. } => {
                    found = true;
                    self.descend_through(value, next, alias)?;
                }
                Entry::Inherited { value } if next == self.path.0.len() => {
                    found = true;
                    if let Some(alias) = alias {
                        return Err(Error::ThroughAlias {
                            at: self.stream.place(alias),
                        });
                    }
                    let (value, key) = (self.stream.follow(value), joined.clone());
                    self.hits.push(Resolution::Inherited {
                        value,
                        mapping,
                        key,
                    });
                }
                Entry::Inherited { .. } => {
                    return Err(Error::InheritedParent {
                        key: Excerpt::new(&joined),
                        at: self.stream.place(mapping),
                    });
                }
                Entry::Missing => {}
            }
        }
        if !found {
            self.ends.push(End {
                inside: mapping,
                depth,
                alias,
            });
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }
}
