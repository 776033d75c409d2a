//! From parser events to the tree: the only module that knows the parser.
//!
//! What YAML readers disagree about is refused here, before anything is edited.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, StructureStyle, Tag, options};

use super::super::error::{Error, Excerpt, Position};
use super::super::scalar::{self, ScalarStyle};
use super::{
    Anchor, BYTE_ORDER_MARK, CollectionStyle, Comment, Document, Kind, MAX_FILE_BYTES, Node,
    NodeId, NodeTag, Stream, position,
};

/// Nested collections that are followed, the parser's own default.
const MAX_NESTING: usize = 255;

/// Parses a file into its tree.
pub(super) fn stream(file: &[u8]) -> Result<Stream, Error> {
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
            // These carry nothing; an alias without its anchor is an error unless asked for. The
            // enum may grow.
            Event::StreamStart | Event::StreamEnd | Event::UnresolvedAlias(_) | _ => return Ok(()),
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
