//! Parses the `Link` header (RFC 8288) for the one relation registries page with: `next`.
//!
//! The target is returned as written, absolute or relative. Resolving it and refusing another
//! host is the registry adapter's part.

use super::text::{Cursor, is_token, is_whitespace};

/// The longest header value that is read, in bytes. A next link holds a repository name (at most
/// 255 bytes) and a tag (at most 128), or a cursor of the registry's own of a few hundred bytes.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// The most links and parameters read from one header value.
const MAX_PARTS: usize = 64;

/// Why a `Link` header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than [`MAX_HEADER_BYTES`].
    #[error("the link header is longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
    /// More links or parameters than any registry needs.
    #[error("the link header has too many parts")]
    TooManyParts,
    /// Not the grammar of RFC 8288.
    #[error("the link header cannot be read at byte {offset}")]
    Syntax {
        /// Where reading stopped, in bytes from the start of the value.
        offset: usize,
    },
}

/// The target of the first link whose relation is `next`, or `None` when there is no such link.
///
/// Only the first `rel` of a link counts (RFC 8288 section 3.3). A link with an `anchor` speaks
/// about another resource than the page itself, and is passed over. A header that cannot be read
/// is an error, never "no next page": a listing that is cut short must not look complete.
pub fn next(header: &str) -> Result<Option<&str>, Error> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(Error::TooLong);
    }
    let mut cursor = Cursor::new(header);
    let mut found = None;
    let mut parts = 0;
    loop {
        cursor.take_while(|character| is_whitespace(character) || character == ',');
        if cursor.peek().is_none() {
            return Ok(found);
        }
        let target = target(&mut cursor)?;
        let mut relation = None;
        let mut is_anchored = false;
        while let Some((name, value)) = parameter(&mut cursor)? {
            parts += 1;
            if parts > MAX_PARTS {
                return Err(Error::TooManyParts);
            }
            match name.to_ascii_lowercase().as_str() {
                "rel" => relation = relation.or(Some(value)),
                "anchor" => is_anchored = true,
                _ => {}
            }
        }
        let is_next = relation.is_some_and(|relation| is_next(&relation));
        if is_next && !is_anchored && found.is_none() {
            found = Some(target);
        }
    }
}

/// A relation is a list: `rel="prev next"` is both.
fn is_next(relation: &str) -> bool {
    relation
        .split_ascii_whitespace()
        .any(|relation| relation.eq_ignore_ascii_case("next"))
}

/// Reads `<target>`; the brackets may hold commas and semicolons.
fn target<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Error> {
    let offset = cursor.offset();
    if !cursor.eat('<') {
        return Err(Error::Syntax { offset });
    }
    let target = cursor.take_while(|character| character != '>' && !character.is_control());
    if target.is_empty() || !cursor.eat('>') {
        return Err(Error::Syntax {
            offset: cursor.offset(),
        });
    }
    Ok(target)
}

/// Reads `; name=value`, or nothing at the end of a link.
fn parameter<'a>(cursor: &mut Cursor<'a>) -> Result<Option<(&'a str, String)>, Error> {
    loop {
        cursor.skip_whitespace();
        let offset = cursor.offset();
        if !cursor.eat(';') {
            return match cursor.peek() {
                None | Some(',') => Ok(None),
                Some(_) => Err(Error::Syntax { offset }),
            };
        }
        cursor.skip_whitespace();
        let name = cursor.take_while(is_token);
        if name.is_empty() {
            // `<…>;` and `<…>; ; rel=next`: empty parameters are allowed.
            continue;
        }
        cursor.skip_whitespace();
        if !cursor.eat('=') {
            return Ok(Some((name, String::new())));
        }
        cursor.skip_whitespace();
        let offset = cursor.offset();
        let value = match cursor.peek() {
            Some('"') => cursor
                .quoted_string()
                .map_err(|_| Error::Syntax { offset })?,
            _ => cursor.take_while(is_token).to_owned(),
        };
        return Ok(Some((name, value)));
    }
}

#[cfg(test)]
mod tests;
