//! Entries taken out of a mapping, with their line where they have one.

use super::document::{CollectionStyle, Kind, NodeId, Stream};
use super::edit::Splice;
use super::error::{Error, Excerpt};

/// The splice that takes entry `index` out of `mapping`.
///
/// Refuses what others may refer to, and the only entry, which would leave no mapping.
pub(super) fn entry(stream: &Stream, mapping: NodeId, index: usize) -> Result<Splice, Error> {
    let Kind::Mapping { style, entries } = &stream.node(mapping).kind else {
        return Err(stream.unsupported(mapping));
    };
    let Some((key, value)) = entries.get(index).copied().filter(|_| entries.len() > 1) else {
        return Err(stream.unsupported(mapping));
    };
    let removed = key.0..stream.node(value).subtree_end;
    if stream.nodes[removed]
        .iter()
        .any(|node| node.anchor.is_some())
    {
        return Err(Error::SharedRemoval {
            key: Excerpt::new(stream.scalar(key).unwrap_or_default()),
            at: stream.place(value),
        });
    }
    let start = stream.outer_start(key);
    let end = stream.content_end(value)?;
    let next = entries
        .get(index + 1)
        .map(|(next, _)| stream.outer_start(*next));
    let range = match style {
        CollectionStyle::Pair => return Err(stream.unsupported(mapping)),
        CollectionStyle::Block if stream.is_first_on_line(start) => lines(stream, start, end),
        // `- digest: x` with more keys below: those move up to the dash.
        CollectionStyle::Block => match next {
            Some(next) => start..before_comment(stream, end, next),
            None => return Err(stream.unsupported(mapping)),
        },
        CollectionStyle::Flow => {
            let comma = Some(stream.skip_space(end)).filter(|next| stream.has(*next, b','));
            let behind = comma.map_or(end, |comma| comma + 1);
            let line_end = stream.line_end(behind);
            let whole_line = stream.is_first_on_line(start)
                && line_end < stream.node(mapping).span.end
                && next.is_none_or(|next| next > line_end);
            let before = index.checked_sub(1).and_then(|index| entries.get(index));
            match (whole_line, before, next) {
                (true, _, _) => lines(stream, start, behind),
                (false, Some((_, before)), _) => stream.content_end(*before)?..end,
                (false, None, Some(next)) => start..next,
                (false, None, None) => return Err(stream.unsupported(mapping)),
            }
        }
    };
    Ok(Splice {
        range,
        text: String::new(),
    })
}

/// The whole lines from `start` to `end`; at the end of a file without a last line break, the
/// break before goes instead.
fn lines(stream: &Stream, start: usize, end: usize) -> std::ops::Range<usize> {
    let first = stream.line_start(start);
    let line_end = stream.line_end(end);
    let line_break = stream.line_break(line_end).len();
    if line_break > 0 {
        return first..line_end + line_break;
    }
    let before = stream.text(0..first);
    let before = before.strip_suffix('\n').unwrap_or(before);
    let before = before.strip_suffix('\r').unwrap_or(before);
    before.len()..line_end
}

/// `next`, or the first comment line before it.
fn before_comment(stream: &Stream, end: usize, next: usize) -> usize {
    let line_end = stream.line_end(end);
    stream
        .comments()
        .iter()
        .map(|comment| comment.span.start)
        .find(|start| (line_end..next).contains(start))
        .unwrap_or(next)
}
