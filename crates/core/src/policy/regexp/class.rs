//! Classes in brackets.
//!
//! The `regex` crate lets classes stand in classes and has operators on them (`&&`, `--`, `~~`);
//! in Go all that is a list of characters. So each member is read and written anew.

use super::RegexpError;
use super::escape::{Escape, parse_escape};
use super::translate::push_literal;

/// The names of `[[:alpha:]]` and its like: <https://pkg.go.dev/regexp/syntax>.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Translates the class at the front of the text, which starts with `[`; gives what follows it.
pub(super) fn translate_class<'a>(
    text: &'a str,
    pattern: &mut String,
) -> Result<&'a str, RegexpError> {
    let mut rest = &text[1..];
    pattern.push('[');
    if let Some(negated) = rest.strip_prefix('^') {
        rest = negated;
        pattern.push('^');
    }
    let mut is_first = true;
    loop {
        // In the first place a `]` is a member.
        if let Some(after) = rest.strip_prefix(']')
            && !is_first
        {
            pattern.push(']');
            return Ok(after);
        }
        is_first = false;
        rest = match translate_named_class(rest, pattern)? {
            Some(after) => after,
            None => translate_range(rest, pattern)?,
        };
    }
}

/// `[:alpha:]`, `\d` or `\pL`; none if something else comes first.
fn translate_named_class<'a>(
    text: &'a str,
    pattern: &mut String,
) -> Result<Option<&'a str>, RegexpError> {
    // Without its end, `[:` is two members.
    if let Some((name, rest)) = text
        .strip_prefix("[:")
        .and_then(|name| name.split_once(":]"))
    {
        if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(RegexpError::BadClass);
        }
        pattern.extend(["[:", name, ":]"]);
        return Ok(Some(rest));
    }
    if !text.starts_with('\\') {
        return Ok(None);
    }
    let (escape, rest) = parse_escape(text)?;
    match escape {
        Escape::Literal(_) => return Ok(None),
        Escape::Assertion(_) => return Err(RegexpError::BadEscape),
        Escape::Class {
            is_negated: false,
            ranges,
        } => pattern.push_str(ranges),
        Escape::Class {
            is_negated: true,
            ranges,
        } => pattern.extend(["[^", ranges, "]"]),
        Escape::Property(property) => pattern.push_str(&property),
    }
    Ok(Some(rest))
}

/// One character, or a range of them.
fn translate_range<'a>(text: &'a str, pattern: &mut String) -> Result<&'a str, RegexpError> {
    let (low, rest) = split_member(text)?;
    push_literal(pattern, low);
    // A dash before the end of the class is a member of its own.
    let Some(high) = rest.strip_prefix('-').filter(|high| !high.starts_with(']')) else {
        return Ok(rest);
    };
    let (high, rest) = split_member(high)?;
    if low > high {
        return Err(RegexpError::BadClass);
    }
    pattern.push('-');
    push_literal(pattern, high);
    Ok(rest)
}

fn split_member(text: &str) -> Result<(char, &str), RegexpError> {
    if text.starts_with('\\') {
        return match parse_escape(text)? {
            (Escape::Literal(literal), rest) => Ok((literal, rest)),
            _ => Err(RegexpError::BadClass),
        };
    }
    let mut rest = text.chars();
    let member = rest.next().ok_or(RegexpError::BadClass)?;
    Ok((member, rest.as_str()))
}
