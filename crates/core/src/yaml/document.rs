//! The tree of a YAML file, with the bytes every node stands on.
//!
//! The only module that knows the parser. It expands no alias, resolves no type and keeps the
//! text as it is; what YAML readers disagree about is refused here, before anything is edited.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, StructureStyle, Tag, options};

use super::error::{Error, Excerpt, Position};
use super::scalar::{self, ScalarStyle};

/// Largest file that is read or written: far above any hand-kept file, and parsed in half a second.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Nested collections that are followed, the parser's own default.
const MAX_NESTING: usize = 255;

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

    /// The content; `None` for an empty document.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
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
        if file.len() > MAX_FILE_BYTES {
            return Err(Error::TooLarge {
                bytes: file.len(),
                limit: MAX_FILE_BYTES,
            });
        }
        let source = std::str::from_utf8(file).map_err(|error| Error::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        refuse_disputed_characters(source)?;
        let mut builder = Builder::new(source);
        let options = options! {
            emit_anchor_events: true,
            // As libyaml and go-yaml read it.
            block_scalar_eof_without_line_feed: true,
            // The default of 96 stops at values files with a long commented-out example.
            max_buffered_comment_events: MAX_FILE_BYTES,
            block_nesting_limit: MAX_NESTING,
            flow_nesting_limit: MAX_NESTING,
        };
        for item in Parser::new_from_str_with_options(source, options) {
            let (event, span) = item.map_err(|error| Error::Syntax {
                at: Position {
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                },
                reason: Excerpt::new(&error.kind().to_string()),
            })?;
            let tag_span = span.tag_span().and_then(|tag| tag.byte_range());
            // Always present for a parser of a `&str`.
            let bytes = span.byte_range().unwrap_or_default();
            builder.take(event, bytes, tag_span)?;
        }
        Ok(builder.finish())
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

/// Refuses what one reader takes for a line break or an indicator, and another for text.
fn refuse_disputed_characters(source: &str) -> Result<(), Error> {
    for (offset, character) in source.char_indices() {
        if character.is_ascii() {
            continue;
        }
        let at = || position(source, offset);
        if scalar::is_line_separator(character) {
            let character = u32::from(character);
            return Err(Error::LineSeparator {
                character,
                at: at(),
            });
        }
        if character == BYTE_ORDER_MARK && offset > 0 {
            return Err(Error::ByteOrderMark { at: at() });
        }
    }
    Ok(())
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

/// Collects parser events into a [`Stream`].
struct Builder<'source> {
    source: &'source str,
    nodes: Vec<Node>,
    documents: Vec<Document>,
    comments: Vec<Comment>,
    anchors: BTreeMap<usize, NodeId>,
    /// Collections not yet ended, outermost first, each with a key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
    previous_end: usize,
}

impl<'source> Builder<'source> {
    fn new(source: &'source str) -> Self {
        Self {
            source,
            nodes: Vec::new(),
            documents: Vec::new(),
            comments: Vec::new(),
            anchors: BTreeMap::new(),
            open: Vec::new(),
            previous_end: 0,
        }
    }

    fn take(
        &mut self,
        event: Event<'_>,
        span: Range<usize>,
        tag_span: Option<Range<usize>>,
    ) -> Result<(), Error> {
        let tag_end = tag_span.as_ref().map_or(0, |tag| tag.end);
        match event {
            Event::DocumentStart(..) => self.documents.push(Document {
                start: span.end,
                end: span.end,
                root: None,
            }),
            Event::DocumentEnd => {
                if let Some(document) = self.documents.last_mut() {
                    document.end = span.start;
                }
            }
            Event::Comment(..) => {
                self.comments.push(Comment { span });
                return Ok(());
            }
            Event::Anchor(number, name) => return self.anchor(number, &name, span),
            Event::Alias(number) => {
                let target = self.anchors.get(&number);
                if self.open.iter().any(|(open, _)| Some(open) == target) {
                    let at = position(self.source, span.start);
                    return Err(Error::RecursiveAlias { at });
                }
                self.add(Kind::Alias { number }, &span, None);
            }
            Event::Scalar(value, style, _, tag) => {
                let implied = span.is_empty() && style == granit_parser::ScalarStyle::Plain;
                // The parser says `~` for a value that is not there.
                let value = if implied {
                    String::new()
                } else {
                    value.into_owned()
                };
                let style = style_of(style);
                self.add(
                    Kind::Scalar { value, style },
                    &span,
                    node_tag(tag.as_deref(), tag_span),
                );
            }
            Event::SequenceStart(style, _, tag) => {
                let style = collection_style(style, &span);
                let kind = Kind::Sequence {
                    style,
                    items: Vec::new(),
                };
                let id = self.add(kind, &span, node_tag(tag.as_deref(), tag_span));
                self.open.push((id, None));
            }
            Event::MappingStart(style, _, tag) => {
                let style = collection_style(style, &span);
                let kind = Kind::Mapping {
                    style,
                    entries: Vec::new(),
                };
                let id = self.add(kind, &span, node_tag(tag.as_deref(), tag_span));
                self.open.push((id, None));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let end = self.nodes.len();
                if let Some((id, _)) = self.open.pop() {
                    let node = &mut self.nodes[id.0];
                    node.subtree_end = end;
                    if node.kind.collection_style() == Some(CollectionStyle::Flow) {
                        node.span.end = span.end;
                    }
                }
            }
            // StreamStart and StreamEnd carry nothing, and an unresolved alias is an error
            // unless asked for.
            _ => return Ok(()),
        }
        if !span.is_empty() {
            self.previous_end = self.previous_end.max(span.end);
        }
        self.previous_end = self.previous_end.max(tag_end);
        Ok(())
    }

    /// Adds a node to the collection that is open, or as the root of its document.
    fn add(&mut self, kind: Kind, span: &Range<usize>, tag: Option<NodeTag>) -> NodeId {
        let id = NodeId(self.nodes.len());
        let parent = self.open.last().map(|(parent, _)| *parent);
        self.nodes.push(Node {
            kind,
            span: span.clone(),
            anchor: None,
            tag,
            parent,
            previous_end: self.previous_end,
            subtree_end: id.0 + 1,
        });
        match self.open.last_mut() {
            Some((parent, key)) => match &mut self.nodes[parent.0].kind {
                Kind::Sequence { items, .. } => items.push(id),
                Kind::Mapping { entries, .. } => match key.take() {
                    Some(key) => entries.push((key, id)),
                    None => *key = Some(id),
                },
                Kind::Scalar { .. } | Kind::Alias { .. } => {}
            },
            None => {
                if let Some(document) = self.documents.last_mut() {
                    document.root = Some(id);
                }
            }
        }
        id
    }

    /// The parser reports an anchor right behind its node.
    fn anchor(&mut self, number: usize, name: &str, span: Range<usize>) -> Result<(), Error> {
        let allowed =
            |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(Error::AnchorName {
                name: Excerpt::new(name),
                at: position(self.source, span.start),
            });
        }
        if let Some(node) = self.nodes.last_mut() {
            self.previous_end = self.previous_end.max(span.end);
            node.anchor = Some(Anchor { number, span });
            self.anchors.insert(number, NodeId(self.nodes.len() - 1));
        }
        Ok(())
    }

    fn finish(self) -> Stream {
        let Self {
            source,
            nodes,
            documents,
            mut comments,
            anchors,
            open: _,
            previous_end: _,
        } = self;
        // The comment behind a block scalar's header is reported behind the scalar.
        comments.sort_by_key(|comment| comment.span.start);
        Stream {
            source: source.to_owned(),
            nodes,
            documents,
            comments,
            anchors,
        }
    }
}

fn collection_style(style: StructureStyle, start: &Range<usize>) -> CollectionStyle {
    match style {
        StructureStyle::Block => CollectionStyle::Block,
        StructureStyle::Flow if start.is_empty() => CollectionStyle::Pair,
        StructureStyle::Flow => CollectionStyle::Flow,
    }
}

fn node_tag(tag: Option<&Tag>, span: Option<Range<usize>>) -> Option<NodeTag> {
    let tag = tag?;
    Some(NodeTag {
        name: format!("{}{}", tag.handle(), tag.suffix()),
        span: span?,
    })
}

fn style_of(style: granit_parser::ScalarStyle) -> ScalarStyle {
    match style {
        granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
        granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
        granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
        granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
        granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
    }
}
