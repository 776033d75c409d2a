//! Proof that an edit did what it was meant to and nothing else.
//!
//! The new text is parsed, and its nodes and comments are compared with those that the old file
//! has after the step in theory. Spans and styles do not count, values and types do; aliases
//! are compared, never expanded.

use std::ops::Range;

use super::document::{Kind, Node, NodeId, Stream};
use super::edit::{Splice, Step};
use super::render::Value;

/// What a file says, without how it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    nodes: Vec<Fact<'a>>,
    /// Number of nodes of each document.
    documents: Vec<usize>,
    comments: Vec<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact<'a> {
    content: Content<'a>,
    /// Number of the anchor, 0 for none.
    anchor: usize,
    tag: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content<'a> {
    Scalar { value: &'a str, is_string: bool },
    Alias(usize),
    Sequence { length: usize },
    Mapping { length: usize },
}

impl<'a> Outline<'a> {
    /// What `stream` says.
    pub(super) fn of(stream: &'a Stream) -> Self {
        let roots = stream.documents.iter().filter_map(|document| document.root);
        let starts: Vec<usize> = roots.map(|root| root.0).collect();
        let ends = starts.iter().skip(1).copied().chain([stream.nodes.len()]);
        Self {
            nodes: stream.ids().map(|id| fact(stream, id)).collect(),
            documents: starts
                .iter()
                .zip(ends)
                .map(|(start, end)| end - start)
                .collect(),
            comments: comments(stream, &[]),
        }
    }

    /// What `stream` should say after `step`, done by `splices`.
    pub(super) fn after(stream: &'a Stream, step: &'a Step, splices: &[Splice]) -> Self {
        let mut outline = Self::of(stream);
        outline.comments = comments(stream, splices);
        match step {
            Step::Replace(texts) => {
                for (id, text) in texts {
                    outline.nodes[id.0].content = text_content(text);
                }
            }
            Step::Insert {
                mapping,
                key,
                value,
            } => {
                let mut added = vec![plain(text_content(key))];
                push(&mut added, value);
                outline.nodes[mapping.0].lengthen(1);
                let end = stream.node(*mapping).subtree_end;
                outline.put(end..end, added, *mapping);
            }
            Step::Append { sequence, item } => {
                let mut added = Vec::new();
                push(&mut added, item);
                outline.nodes[sequence.0].lengthen(1);
                let end = stream.node(*sequence).subtree_end;
                outline.put(end..end, added, *sequence);
            }
            Step::Fill { null, value } => {
                let mut added = Vec::new();
                push(&mut added, value);
                if let Some(first) = added.first_mut() {
                    first.anchor = outline.nodes[null.0].anchor;
                }
                outline.put(null.0..null.0 + 1, added, *null);
            }
            Step::Start { value } => {
                let mut added = Vec::new();
                push(&mut added, value);
                outline.documents = vec![added.len()];
                outline.nodes = added;
            }
            Step::Remove { mapping, index } => {
                if let Kind::Mapping { entries, .. } = &stream.node(*mapping).kind
                    && let Some((key, value)) = entries.get(*index)
                {
                    outline.nodes[mapping.0].shorten(1);
                    outline.put(key.0..stream.node(*value).subtree_end, Vec::new(), *mapping);
                }
            }
        }
        outline
    }

    /// Replaces a run of nodes, all in the document that `inside` is in.
    fn put(&mut self, run: Range<usize>, added: Vec<Fact<'a>>, inside: NodeId) {
        let mut start = 0;
        for length in &mut self.documents {
            if (start..start + *length).contains(&inside.0) {
                *length = *length + added.len() - run.len();
                break;
            }
            start += *length;
        }
        self.nodes.splice(run, added);
    }
}

impl Fact<'_> {
    fn lengthen(&mut self, by: usize) {
        if let Content::Sequence { length } | Content::Mapping { length } = &mut self.content {
            *length += by;
        }
    }

    fn shorten(&mut self, by: usize) {
        if let Content::Sequence { length } | Content::Mapping { length } = &mut self.content {
            *length = length.saturating_sub(by);
        }
    }
}

fn fact(stream: &Stream, id: NodeId) -> Fact<'_> {
    let Node {
        kind, anchor, tag, ..
    } = stream.node(id);
    let content = match kind {
        Kind::Scalar { value, .. } => Content::Scalar {
            value,
            is_string: stream.is_string(id),
        },
        Kind::Alias { number } => Content::Alias(*number),
        Kind::Sequence { items, .. } => Content::Sequence {
            length: items.len(),
        },
        Kind::Mapping { entries, .. } => Content::Mapping {
            length: entries.len(),
        },
    };
    Fact {
        content,
        anchor: anchor.as_ref().map_or(0, |anchor| anchor.number),
        tag: tag.as_ref().map_or("", |tag| &tag.name),
    }
}

fn plain(content: Content<'_>) -> Fact<'_> {
    Fact {
        content,
        anchor: 0,
        tag: "",
    }
}

fn text_content(text: &str) -> Content<'_> {
    Content::Scalar {
        value: text,
        is_string: true,
    }
}

/// The nodes of something new, in the order of the text.
fn push<'a>(facts: &mut Vec<Fact<'a>>, value: &'a Value) {
    match value {
        Value::Text(text) => facts.push(plain(text_content(text))),
        Value::True => facts.push(plain(Content::Scalar {
            value: "true",
            is_string: false,
        })),
        Value::Mapping(entries) => {
            facts.push(plain(Content::Mapping {
                length: entries.len(),
            }));
            for (key, value) in entries {
                facts.push(plain(text_content(key)));
                push(facts, value);
            }
        }
        Value::Sequence(items) => {
            facts.push(plain(Content::Sequence {
                length: items.len(),
            }));
            for item in items {
                push(facts, item);
            }
        }
    }
}

/// All comments but those inside what is taken out.
fn comments<'a>(stream: &'a Stream, splices: &[Splice]) -> Vec<&'a str> {
    let is_removed = |span: &Range<usize>| {
        splices.iter().any(|splice| {
            splice.text.is_empty()
                && splice.range.start <= span.start
                && span.end <= splice.range.end
        })
    };
    let kept = stream
        .comments
        .iter()
        .filter(|comment| !is_removed(&comment.span));
    kept.map(|comment| stream.text(comment.span.clone()))
        .collect()
}
