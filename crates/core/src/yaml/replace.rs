//! New text for scalars that are there: the quotes, the block header and the comment stay.

use super::document::{Kind, NodeId, Stream};
use super::edit::Splice;
use super::error::{Error, Excerpt};
use super::layout::Chomping;
use super::scalar::{self, ScalarStyle};

/// Checks that text may be written to a scalar.
pub(super) fn check(stream: &Stream, id: NodeId) -> Result<(), Error> {
    let node = stream.node(id);
    if !matches!(node.kind, Kind::Scalar { .. }) {
        return Err(Error::NotAScalar {
            at: stream.place(id),
        });
    }
    match &node.tag {
        Some(tag) if !tag.means_string() => Err(Error::ExplicitTag {
            tag: Excerpt::new(stream.text(tag.span.clone())),
            at: stream.place(id),
        }),
        _ => Ok(()),
    }
}

/// The splices that give scalar `id` the text `value`.
pub(super) fn splices(stream: &Stream, id: NodeId, value: &str) -> Result<Vec<Splice>, Error> {
    check(stream, id)?;
    let node = stream.node(id);
    let in_flow = stream.is_in_flow(id);
    match &node.kind {
        Kind::Scalar {
            style: style @ (ScalarStyle::Literal | ScalarStyle::Folded),
            value: old,
        } => block(stream, id, value, old.is_empty(), *style),
        Kind::Scalar { style, .. } if !node.span.is_empty() => {
            // A number in JSON becomes a JSON string; plain text would be YAML only.
            let is_json = !stream.is_string(id) && stream.has_json_look(id);
            let style = if is_json {
                ScalarStyle::DoubleQuoted
            } else {
                *style
            };
            let text = scalar::write(value, style, in_flow);
            Ok(vec![Splice {
                range: node.span.clone(),
                text,
            }])
        }
        Kind::Scalar { .. } | Kind::Alias { .. } | Kind::Sequence { .. } | Kind::Mapping { .. } => {
            let at = stream.empty_end(id)?;
            let text = scalar::write(value, ScalarStyle::Plain, in_flow);
            let has_colon = match stream.key_of(id) {
                Some(key) => stream.properties_end(id).is_some() || stream.colon(key)?.is_some(),
                None => true,
            };
            let text = if has_colon {
                format!(" {text}")
            } else {
                format!(": {text}")
            };
            Ok(vec![Splice {
                range: at..at,
                text,
            }])
        }
    }
}

/// `|-` and `>-` keep their header; any other would end the text with a line break.
fn block(
    stream: &Stream,
    id: NodeId,
    value: &str,
    was_empty: bool,
    style: ScalarStyle,
) -> Result<Vec<Splice>, Error> {
    let header = stream.header(id)?;
    let end = stream.content_end(id)?;
    let header_line_end = stream.line_end(header.end);
    let fits_block = !value.is_empty() && !value.starts_with(' ') && scalar::is_printable(value);
    if header.chomping == Chomping::Strip && fits_block && !was_empty {
        let content = stream.node(id).span.start;
        let indentation = stream.text(stream.line_start(content)..content);
        let first_line = header_line_end + stream.line_break(header_line_end).len();
        let text = format!("{indentation}{value}");
        return Ok(vec![Splice {
            range: first_line..end,
            text,
        }]);
    }
    let text = scalar::write(value, style, false);
    let mut splices = vec![Splice {
        range: header.start..header.end,
        text,
    }];
    if !was_empty {
        let last = stream.text(header_line_end..end).trim_end().len();
        splices.push(Splice {
            range: header_line_end..header_line_end + last,
            text: String::new(),
        });
    }
    Ok(splices)
}
