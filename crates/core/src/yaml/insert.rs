//! New entries and items: on a line of their own in blocks, behind a comma in brackets.

use super::document::{CollectionStyle, Document, Kind, NodeId, Stream};
use super::edit::Splice;
use super::error::Error;
use super::render::{self, Look, Value};
use super::scalar::ScalarStyle;

/// The splices that add `key: value` to a mapping, behind its last entry.
pub(super) fn entry(
    stream: &Stream,
    mapping: NodeId,
    key: &str,
    value: &Value,
) -> Result<Vec<Splice>, Error> {
    let node = stream.node(mapping);
    let Kind::Mapping { style, entries } = &node.kind else {
        return Err(stream.unsupported(mapping));
    };
    let last = entries.last().copied();
    let quotes = last.map_or(ScalarStyle::Plain, |(key, _)| {
        render::key_style(stream, key)
    });
    match style {
        CollectionStyle::Block => {
            let column = stream.column(node.span.start);
            let explicit_key = entries.first().is_some_and(|(key, _)| {
                stream.has(node.span.start, b'?') && stream.outer_start(*key) > node.span.start
            });
            if explicit_key {
                return Err(stream.unsupported(mapping));
            }
            let at = behind_lines(stream, stream.content_end(mapping)?, column);
            let look = Look::of(stream, stream.newline(at));
            let key = render::key_text(key, quotes, false);
            let text = look.break_to(column) + &look.block_entry(&key, value, column);
            Ok(vec![Splice {
                range: at..at,
                text,
            }])
        }
        CollectionStyle::Flow => {
            let quotes = match last {
                Some(_) => json_quotes(quotes),
                None => quotes_inside(stream, mapping),
            };
            let text = render::flow_entry(key, value, quotes);
            in_brackets(stream, mapping, last, &text)
        }
        CollectionStyle::Pair => Err(stream.unsupported(mapping)),
    }
}

/// The splices that add `item` to a sequence, behind its last item.
pub(super) fn item(stream: &Stream, sequence: NodeId, item: &Value) -> Result<Vec<Splice>, Error> {
    let Kind::Sequence { style, items } = &stream.node(sequence).kind else {
        return Err(stream.unsupported(sequence));
    };
    let last = items.last().copied();
    match (style, last) {
        (CollectionStyle::Block, Some(last)) => {
            let dash = stream.dash_of_item(last)?;
            let column = stream.column(dash);
            let between = stream.text(dash + 1..stream.outer_start(last));
            let gap = if between.is_empty() || between.contains(|other| other != ' ') {
                " "
            } else {
                between
            };
            let at = behind_lines(stream, stream.content_end(last)?, column + 1);
            let look = Look::of(stream, stream.newline(at));
            let text = look.block(item, column + 1 + gap.len());
            let text = format!("{}-{gap}{text}", look.break_to(column));
            Ok(vec![Splice {
                range: at..at,
                text,
            }])
        }
        (CollectionStyle::Block, None) | (CollectionStyle::Pair, _) => {
            Err(stream.unsupported(sequence))
        }
        (CollectionStyle::Flow, last) => {
            let quotes = match last {
                Some(last) => quotes_of_item(stream, last),
                None => quotes_inside(stream, sequence),
            };
            let text = render::flow(item, quotes);
            in_brackets(stream, sequence, last.map(|last| (last, last)), &text)
        }
    }
}

/// The splices that put a collection where a mapping's value is nothing or null.
pub(super) fn collection(
    stream: &Stream,
    null: NodeId,
    value: &Value,
) -> Result<Vec<Splice>, Error> {
    let node = stream.node(null);
    let (Some(parent), Some(key)) = (node.parent, stream.key_of(null)) else {
        return Err(stream.unsupported(null));
    };
    let Some(colon) = stream.colon(key)? else {
        return Err(stream.unsupported(null));
    };
    let before = stream.properties_end(null).unwrap_or(colon + 1);
    let written = before..node.span.end.max(before);
    if stream.is_in_flow(null) {
        let text = format!(" {}", render::flow(value, quotes_inside(stream, null)));
        return Ok(vec![Splice {
            range: written,
            text,
        }]);
    }
    let is_sequence = matches!(value, Value::Sequence(_));
    let outer = stream.column(stream.node(parent).span.start);
    let at = behind_lines(stream, written.end, outer + 1);
    let look = Look::of(stream, stream.newline(at));
    let column = outer
        + if is_sequence {
            look.dash()
        } else {
            look.step()
        };
    let text = look.break_to(column) + &look.block(value, column);
    let mut splices = vec![Splice {
        range: at..at,
        text,
    }];
    if !node.span.is_empty() {
        splices.insert(
            0,
            Splice {
                range: written,
                text: String::new(),
            },
        );
    }
    Ok(splices)
}

/// The splices that give an empty document a content.
pub(super) fn root(stream: &Stream, document: Option<&Document>, value: &Value) -> Vec<Splice> {
    let at = match document {
        Some(document)
            if stream
                .text(document.end..stream.source.len())
                .starts_with("...") =>
        {
            document.end
        }
        _ => stream.source.len(),
    };
    let before = stream.text(0..at).trim_start_matches('\u{FEFF}');
    let newline = stream.newline(0);
    let look = Look::of(stream, newline.clone());
    let text = look.block(value, 0);
    let on_new_line = before.is_empty() || before.ends_with(['\n', '\r']);
    let text = if on_new_line {
        text + &newline
    } else {
        newline + &text
    };
    vec![Splice {
        range: at..at,
        text,
    }]
}

/// The end of the last line that belongs to what ends at `content_end`: with comment lines right
/// below, unless they are indented less than `column`, and with blank lines that hold a tab.
///
/// Below deeper text, libyaml and go-yaml would take such a tab for indentation.
fn behind_lines(stream: &Stream, content_end: usize, column: usize) -> usize {
    let mut end = stream.line_end(content_end);
    loop {
        let next_line = end + stream.line_break(end).len();
        if next_line == end {
            return end;
        }
        let first = stream.skip_blanks(next_line);
        let is_comment = stream.comment_at(first).is_some() && stream.column(first) >= column;
        let is_blank = first == stream.line_end(first);
        if !(is_comment || is_blank && stream.text(next_line..first).contains('\t')) {
            return end;
        }
        end = stream.line_end(first);
    }
}

/// Adds `text` behind the last entry or item (its first and its last node) of a flow collection.
fn in_brackets(
    stream: &Stream,
    collection: NodeId,
    last: Option<(NodeId, NodeId)>,
    text: &str,
) -> Result<Vec<Splice>, Error> {
    let span = &stream.node(collection).span;
    let Some((first, last)) = last else {
        let at = span.start + 1;
        return Ok(vec![Splice {
            range: at..at,
            text: text.to_owned(),
        }]);
    };
    let insert = |at: usize, text: String| Splice {
        range: at..at,
        text,
    };
    let last_end = stream.content_end(last)?;
    let start = stream.outer_start(first);
    let comma = Some(stream.skip_space(last_end)).filter(|next| stream.has(*next, b','));
    let behind = comma.map_or(last_end, |comma| comma + 1);
    let line_end = stream.line_end(behind);
    let own_line = stream.is_first_on_line(start) && line_end < span.end;
    let on_new_line = || {
        let indentation = stream.text(stream.line_start(start)..start);
        format!("{}{indentation}{text}", stream.newline(behind))
    };
    // libyaml and go-yaml take `key:,` for a scalar.
    let separator = if stream.node(last).span.is_empty() && stream.has(last_end - 1, b':') {
        " ,"
    } else {
        ","
    };
    Ok(match (comma, own_line) {
        (Some(_), true) => vec![insert(line_end, on_new_line() + ",")],
        (Some(_), false) => vec![insert(behind, format!(" {text}"))],
        (None, true) => {
            vec![
                insert(last_end, separator.to_owned()),
                insert(line_end, on_new_line()),
            ]
        }
        (None, false) => vec![insert(last_end, format!("{separator} {text}"))],
    })
}

/// Quotes for text beside an item: those of the item, or of the keys in it.
fn quotes_of_item(stream: &Stream, item: NodeId) -> ScalarStyle {
    let shown = match &stream.node(item).kind {
        Kind::Mapping { entries, .. } => entries.last().map_or(item, |(key, _)| *key),
        Kind::Scalar { .. } | Kind::Alias { .. } | Kind::Sequence { .. } => item,
    };
    json_quotes(render::key_style(stream, shown))
}

/// Quotes for what is put where nothing shows any: in an empty collection or instead of null.
fn quotes_inside(stream: &Stream, id: NodeId) -> ScalarStyle {
    if stream.has_json_look(id) {
        ScalarStyle::DoubleQuoted
    } else {
        ScalarStyle::Plain
    }
}

/// JSON quotes keys and values alike; a single-quoted key says nothing about values.
fn json_quotes(style: ScalarStyle) -> ScalarStyle {
    if style == ScalarStyle::DoubleQuoted {
        style
    } else {
        ScalarStyle::Plain
    }
}
