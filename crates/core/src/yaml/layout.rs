//! Where things stand in the text of a file: lines, columns, colons, dashes, ends of content.
//!
//! The parser reports tokens; what is between them has to be found by looking. Everything here
//! reads; nothing writes.

use super::document::{CollectionStyle, Comment, Kind, NodeId, Stream};
use super::error::Error;
use super::scalar::ScalarStyle;

const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// A block scalar's header: `|`, `>-`, `|2+` and so on.
pub(super) struct Header {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) chomping: Chomping,
}

/// What a block scalar does with its last line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chomping {
    Clip,
    Strip,
    Keep,
}

impl Stream {
    /// Where the line with `offset` ends, before its break.
    pub(super) fn line_end(&self, offset: usize) -> usize {
        let rest = self.text(offset..self.source.len());
        rest.find(['\n', '\r'])
            .map_or(self.source.len(), |length| offset + length)
    }

    /// Where the line with `offset` begins.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        let before = self.text(0..offset);
        match before.rfind(['\n', '\r']) {
            Some(line_break) => line_break + 1,
            None if before.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            None => 0,
        }
    }

    /// The break that begins at `offset`; empty at the end of the file and inside a line.
    pub(super) fn line_break(&self, offset: usize) -> &str {
        let rest = self.text(offset..self.source.len());
        let length = match rest.as_bytes() {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        self.text(offset..offset + length)
    }

    /// The break to write for a new line behind `offset`: as the line there, else as the file.
    pub(super) fn newline(&self, offset: usize) -> String {
        let here = self.line_break(self.line_end(offset));
        let first = self.line_break(self.line_end(0));
        [here, first]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or("\n")
            .to_owned()
    }

    /// Characters before `offset` in its line.
    pub(super) fn column(&self, offset: usize) -> usize {
        self.text(self.line_start(offset)..offset).chars().count()
    }

    /// Whether only blanks stand before `offset` in its line.
    pub(crate) fn is_first_on_line(&self, offset: usize) -> bool {
        self.text(self.line_start(offset)..offset)
            .trim_matches([' ', '\t'])
            .is_empty()
    }

    /// Behind the blanks at `offset`, within the line.
    pub(super) fn skip_blanks(&self, offset: usize) -> usize {
        let rest = self.text(offset..self.source.len());
        offset + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }

    /// The next token: behind blanks, line breaks and comments.
    pub(super) fn skip_space(&self, offset: usize) -> usize {
        let mut offset = offset;
        loop {
            let rest = self.text(offset..self.source.len());
            offset += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            match self.comment_at(offset) {
                Some(comment) => offset = comment.span.end,
                None => return offset,
            }
        }
    }

    /// The end of the token before `offset`: before blanks, line breaks and comments.
    fn skip_space_back(&self, offset: usize) -> usize {
        let mut offset = offset;
        loop {
            offset = self
                .text(0..offset)
                .trim_end_matches([' ', '\t', '\r', '\n'])
                .len();
            let before = self
                .comments
                .partition_point(|comment| comment.span.start < offset);
            match before
                .checked_sub(1)
                .and_then(|index| self.comments.get(index))
            {
                // Trimming has cut the comment's own trailing blanks, too.
                Some(comment) if comment.span.end >= offset => offset = comment.span.start,
                _ => return offset,
            }
        }
    }

    /// The comment that begins at `offset`.
    pub(super) fn comment_at(&self, offset: usize) -> Option<&Comment> {
        let index = self
            .comments
            .binary_search_by_key(&offset, |comment| comment.span.start)
            .ok()?;
        self.comments.get(index)
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.source.as_bytes().get(offset).copied()
    }

    /// Whether the byte at `offset` is `byte`.
    pub(super) fn has(&self, offset: usize, byte: u8) -> bool {
        self.byte(offset) == Some(byte)
    }

    /// Whether the node stands inside brackets.
    pub(super) fn is_in_flow(&self, id: NodeId) -> bool {
        self.parent_style(id)
            .is_some_and(|style| style != CollectionStyle::Block)
    }

    /// Whether the node stands in brackets below a double-quoted key, as everything in JSON does.
    pub(super) fn has_json_look(&self, id: NodeId) -> bool {
        let mut id = Some(id);
        while let Some(inner) = id.filter(|inner| self.is_in_flow(*inner)) {
            if let Some(key) = self.key_of(inner) {
                let style = ScalarStyle::DoubleQuoted;
                return matches!(&self.node(key).kind, Kind::Scalar { style: found, .. } if *found == style);
            }
            id = self.node(inner).parent;
        }
        false
    }

    fn parent_style(&self, id: NodeId) -> Option<CollectionStyle> {
        self.node(id)
            .parent
            .and_then(|parent| self.node(parent).kind.collection_style())
    }

    /// The key of a value, if the node is the value of a mapping.
    pub(crate) fn key_of(&self, value: NodeId) -> Option<NodeId> {
        match &self.node(self.node(value).parent?).kind {
            Kind::Mapping { entries, .. } => {
                let index = entries
                    .binary_search_by_key(&value, |(_, value)| *value)
                    .ok()?;
                entries.get(index).map(|(key, _)| *key)
            }
            Kind::Scalar { .. } | Kind::Alias { .. } | Kind::Sequence { .. } => None,
        }
    }

    /// Whether the node is the key of a mapping.
    pub(crate) fn is_key(&self, id: NodeId) -> bool {
        match self.node(id).parent.map(|parent| &self.node(parent).kind) {
            Some(Kind::Mapping { entries, .. }) => {
                entries.binary_search_by_key(&id, |(key, _)| *key).is_ok()
            }
            _ => false,
        }
    }

    /// Whether the value is written with `|` or `>`.
    pub(crate) fn is_block_scalar(&self, id: NodeId) -> bool {
        matches!(
            self.node(id).kind,
            Kind::Scalar {
                style: ScalarStyle::Literal | ScalarStyle::Folded,
                ..
            }
        )
    }

    /// Where the text of a scalar or an alias ends on the line that a comment can follow; for a
    /// block scalar the end of its header. `None` for collections.
    pub(crate) fn value_line_end(&self, id: NodeId) -> Option<usize> {
        match self.node(id).kind {
            Kind::Scalar { .. } if self.is_block_scalar(id) => Some(self.header(id).ok()?.end),
            Kind::Scalar { .. } | Kind::Alias { .. } => self.content_end(id).ok(),
            Kind::Sequence { .. } | Kind::Mapping { .. } => None,
        }
    }

    /// The colon behind a key; `None` where there is none, as in `{tag}` and `? tag`.
    pub(super) fn colon(&self, key: NodeId) -> Result<Option<usize>, Error> {
        let end = self.skip_space(self.content_end(key)?);
        Ok(self.has(end, b':').then_some(end))
    }

    /// The dash of the item that the node is.
    pub(super) fn dash_of_item(&self, item: NodeId) -> Result<usize, Error> {
        let end = self.skip_space_back(self.outer_start(item));
        match end.checked_sub(1) {
            Some(dash) if self.has(dash, b'-') => Ok(dash),
            _ => Err(self.unsupported(item)),
        }
    }

    /// Behind the last byte of a node, without blank lines and comments behind it.
    pub(super) fn content_end(&self, id: NodeId) -> Result<usize, Error> {
        let mut id = id;
        loop {
            let node = self.node(id);
            let last = match &node.kind {
                Kind::Scalar {
                    style: ScalarStyle::Literal | ScalarStyle::Folded,
                    ..
                } => {
                    return self.block_scalar_end(id);
                }
                Kind::Scalar { .. } if node.span.is_empty() => return self.empty_end(id),
                Kind::Sequence {
                    style: CollectionStyle::Flow,
                    ..
                }
                | Kind::Mapping {
                    style: CollectionStyle::Flow,
                    ..
                }
                | Kind::Scalar { .. }
                | Kind::Alias { .. } => return Ok(node.span.end),
                Kind::Sequence { items, .. } => items.last().copied(),
                Kind::Mapping { entries, .. } => entries.last().map(|(_, value)| *value),
            };
            id = last.ok_or_else(|| self.unsupported(id))?;
        }
    }

    /// Where a value that is not there would begin, less one blank.
    pub(super) fn empty_end(&self, id: NodeId) -> Result<usize, Error> {
        if let Some(end) = self.properties_end(id) {
            return Ok(end);
        }
        if let Some(key) = self.key_of(id) {
            return match self.colon(key)? {
                Some(colon) => Ok(colon + 1),
                None if self.is_in_flow(id) => self.content_end(key),
                None => Err(self.unsupported(id)),
            };
        }
        match self.parent_style(id) {
            Some(CollectionStyle::Block) => Ok(self.dash_of_item(id)? + 1),
            _ => Err(self.unsupported(id)),
        }
    }

    fn block_scalar_end(&self, id: NodeId) -> Result<usize, Error> {
        let header = self.header(id)?;
        let node = self.node(id);
        if self.scalar(id).is_some_and(str::is_empty) {
            return Ok(header.end);
        }
        let content = self.text(node.span.clone());
        let kept = if header.chomping == Chomping::Keep {
            // Blank lines are content; the span also has the next line's indentation.
            let lines = content.trim_end_matches([' ', '\t']);
            let lines = lines.strip_suffix('\n').unwrap_or(lines);
            lines.strip_suffix('\r').unwrap_or(lines)
        } else {
            content.trim_end_matches([' ', '\t', '\r', '\n'])
        };
        Ok((node.span.start + kept.len()).max(header.end))
    }

    /// The header of a block scalar: the parser's span begins behind it.
    pub(super) fn header(&self, id: NodeId) -> Result<Header, Error> {
        let mut start = self
            .properties_end(id)
            .unwrap_or_else(|| self.node(id).previous_end);
        loop {
            start = self.skip_space(start);
            match self.byte(start) {
                Some(b':' | b'-' | b'?') => start += 1,
                Some(b'|' | b'>') => break,
                _ => return Err(self.unsupported(id)),
            }
        }
        let rest = self.text(start..self.line_end(start));
        let length = rest.find([' ', '\t']).unwrap_or(rest.len());
        let chomping = match &rest[..length] {
            header if header.contains('-') => Chomping::Strip,
            header if header.contains('+') => Chomping::Keep,
            _ => Chomping::Clip,
        };
        Ok(Header {
            start,
            end: start + length,
            chomping,
        })
    }

    pub(super) fn unsupported(&self, id: NodeId) -> Error {
        Error::UnsupportedPlace { at: self.place(id) }
    }
}
