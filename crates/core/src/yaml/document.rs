//! The tree of a YAML file, with the bytes every node stands on.
//!
//! It expands no alias, resolves no type and keeps the text as it is.

mod parse;

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::{Error, Position};
use super::scalar::{self, ScalarStyle};

/// Largest file that is read or written: far above any hand-kept file, and parsed in half a second.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// A node of a [`Stream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(super) usize);

/// A whole file: its text, its documents and all their nodes in the order of the text.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) source: String,
    pub(super) nodes: Vec<Node>,
    pub(super) documents: Vec<Document>,
    pub(super) comments: Vec<Comment>,
    anchors: BTreeMap<usize, NodeId>,
}

/// One document of a file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Behind `---`, or where the first node begins.
    pub(super) start: usize,
    /// Before `...`, the next `---` or the end of the file.
    pub(super) end: usize,
    pub(super) root: Option<NodeId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Comment {
    /// From `#` to the end of the line, without its break.
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The value without anchor and tag; empty for a block collection and for no value at all.
    pub(crate) span: Range<usize>,
    pub(super) anchor: Option<Anchor>,
    pub(super) tag: Option<NodeTag>,
    pub(crate) parent: Option<NodeId>,
    /// End of the last token with any text before this node, its own properties not counted.
    pub(super) previous_end: usize,
    /// The node behind the last one inside this one.
    pub(super) subtree_end: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Anchor {
    /// Counts definitions, so a name defined twice has two.
    pub(super) number: usize,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct NodeTag {
    /// With its handle resolved.
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

impl Document {
    /// Behind `---`, or where the first node begins.
    pub(crate) fn start(&self) -> usize {
        self.start
    }
}

impl NodeTag {
    /// `!!str`, or `!`, which says "not resolved" and so "string" for a scalar.
    pub(super) fn means_string(&self) -> bool {
        self.name == "tag:yaml.org,2002:str" || self.name == "!"
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar {
        value: String,
        style: ScalarStyle,
    },
    /// The number of the [`Anchor`].
    Alias {
        number: usize,
    },
    Sequence {
        style: CollectionStyle,
        items: Vec<NodeId>,
    },
    /// Keys with their values, in the order of the text.
    Mapping {
        style: CollectionStyle,
        entries: Vec<(NodeId, NodeId)>,
    },
}

/// How a collection stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CollectionStyle {
    /// By indentation.
    Block,
    /// In brackets.
    Flow,
    /// `a: b` as an item of a flow sequence: a mapping without brackets of its own.
    Pair,
}

impl Kind {
    /// `None` for what is no collection.
    pub(crate) fn collection_style(&self) -> Option<CollectionStyle> {
        match self {
            Self::Sequence { style, .. } | Self::Mapping { style, .. } => Some(*style),
            Self::Scalar { .. } | Self::Alias { .. } => None,
        }
    }
}

impl Stream {
    /// Parses `file`.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, Error> {
        parse::stream(file)
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The node itself, or what an alias stands for.
    pub(crate) fn follow(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            // An alias never refers to an alias: an anchor on one does not parse.
            Kind::Alias { number } => self.anchors.get(&number).copied().unwrap_or(id),
            Kind::Scalar { .. } | Kind::Sequence { .. } | Kind::Mapping { .. } => id,
        }
    }

    /// All nodes in the order of the text.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    pub(crate) fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The content of the first document; `None` when there is nothing but comments.
    pub(crate) fn first_root(&self) -> Option<NodeId> {
        let root = self.documents.first()?.root?;
        let is_empty = self.node(root).span.is_empty() && self.is_null(root);
        (!is_empty || self.node(root).anchor.is_some()).then_some(root)
    }

    pub(crate) fn comments(&self) -> &[Comment] {
        &self.comments
    }

    pub(crate) fn text(&self, range: Range<usize>) -> &str {
        self.source.get(range).unwrap_or_default()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.source.into_bytes()
    }

    /// The text of a scalar, an alias followed; `None` for a collection.
    pub(crate) fn scalar(&self, id: NodeId) -> Option<&str> {
        match &self.node(self.follow(id)).kind {
            Kind::Scalar { value, .. } => Some(value),
            Kind::Alias { .. } | Kind::Sequence { .. } | Kind::Mapping { .. } => None,
        }
    }

    /// Whether nothing stands there, or a plain `~` or `null`.
    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.tag.is_none()
            && matches!(&node.kind, Kind::Scalar { value, style: ScalarStyle::Plain }
                if value.is_empty() || value == "~" || value.eq_ignore_ascii_case("null"))
    }

    /// Whether every reader takes the scalar for a string.
    pub(crate) fn is_string(&self, id: NodeId) -> bool {
        let node = self.node(id);
        match &node.kind {
            Kind::Scalar { value, style } => match &node.tag {
                Some(tag) => tag.means_string(),
                None => *style != ScalarStyle::Plain || !scalar::is_other_type(value),
            },
            Kind::Alias { .. } | Kind::Sequence { .. } | Kind::Mapping { .. } => false,
        }
    }

    /// Where the node begins, its anchor and tag included.
    pub(crate) fn outer_start(&self, id: NodeId) -> usize {
        let node = self.node(id);
        let anchor = node.anchor.as_ref().map(|anchor| anchor.span.start);
        let tag = node.tag.as_ref().map(|tag| tag.span.start);
        [anchor, tag]
            .into_iter()
            .flatten()
            .fold(node.span.start, usize::min)
    }

    /// Where the anchor and the tag of the node end, if it has any.
    pub(super) fn properties_end(&self, id: NodeId) -> Option<usize> {
        let node = self.node(id);
        let anchor = node.anchor.as_ref().map(|anchor| anchor.span.end);
        let tag = node.tag.as_ref().map(|tag| tag.span.end);
        anchor.max(tag)
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        position(&self.source, offset)
    }

    /// Where a node is shown to be in a message.
    pub(crate) fn place(&self, id: NodeId) -> Position {
        self.position(self.outer_start(id))
    }
}

fn position(source: &str, offset: usize) -> Position {
    let before = source.get(..offset).unwrap_or(source);
    let before = before.strip_prefix(BYTE_ORDER_MARK).unwrap_or(before);
    let mut line = 1;
    let mut line_start = 0;
    let bytes = before.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let ends_line = match byte {
            b'\n' => true,
            // In `\r\n` the line ends at the second byte.
            b'\r' => bytes.get(index + 1) != Some(&b'\n'),
            _ => false,
        };
        if ends_line {
            line += 1;
            line_start = index + 1;
        }
    }
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Position { line, column }
}
