//! What a backslash means in Go's syntax.

use super::RegexpError;

/// The meaning of an escape sequence.
pub(super) enum Escape {
    /// One character.
    Literal(char),
    /// `\A`, `\z`, `\b` or `\B`, without the backslash. Not allowed in classes.
    Assertion(char),
    /// A Perl class, which in Go is always ASCII.
    Class {
        /// Whether it is everything but `ranges`.
        is_negated: bool,
        /// As the inside of a bracketed class.
        ranges: &'static str,
    },
    /// A Unicode property, as the `regex` crate writes it.
    Property(String),
}

/// Reads the escape sequence at the front of the text, which starts with a backslash.
pub(super) fn parse_escape(text: &str) -> Result<(Escape, &str), RegexpError> {
    let mut rest = text[1..].chars();
    let character = rest.next().ok_or(RegexpError::BadEscape)?;
    let rest = rest.as_str();
    let literal = |literal: char| Ok((Escape::Literal(literal), rest));
    let class = |ranges| {
        Ok((
            Escape::Class {
                is_negated: character.is_ascii_uppercase(),
                ranges,
            },
            rest,
        ))
    };
    match character {
        'a' => literal('\u{7}'),
        'f' => literal('\u{c}'),
        'n' => literal('\n'),
        'r' => literal('\r'),
        't' => literal('\t'),
        'v' => literal('\u{b}'),
        'd' | 'D' => class("0-9"),
        's' | 'S' => class(r"\t\n\x0C\r\x20"),
        'w' | 'W' => class("0-9A-Za-z_"),
        'A' | 'z' | 'b' | 'B' => Ok((Escape::Assertion(character), rest)),
        'x' => parse_hexadecimal(rest),
        '0'..='7' => parse_octal(character, rest),
        'p' | 'P' => parse_property(character == 'P', rest),
        // The `regex` crate makes word boundaries of `\<` and `\>`; Go takes them as they are.
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => literal(other),
        _ => Err(RegexpError::BadEscape),
    }
}

/// `\x7F` or `\x{10FFFF}`, behind the `x`.
fn parse_hexadecimal(text: &str) -> Result<(Escape, &str), RegexpError> {
    let (digits, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or(RegexpError::BadEscape)?,
        None => text.split_at_checked(2).ok_or(RegexpError::BadEscape)?,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(RegexpError::BadEscape);
    }
    let code = u32::from_str_radix(digits, 16).map_err(|_| RegexpError::BadEscape)?;
    let character = char::from_u32(code).ok_or(RegexpError::BadEscape)?;
    Ok((Escape::Literal(character), rest))
}

/// Up to three octal digits. A single one from 1 to 7 would be a back-reference, which Go has not.
fn parse_octal(first: char, text: &str) -> Result<(Escape, &str), RegexpError> {
    let is_octal = |character: &char| ('0'..='7').contains(character);
    let more: String = text.chars().take_while(is_octal).take(2).collect();
    if first != '0' && more.is_empty() {
        return Err(RegexpError::BadEscape);
    }
    let code =
        u32::from_str_radix(&format!("{first}{more}"), 8).map_err(|_| RegexpError::BadEscape)?;
    let character = char::from_u32(code).ok_or(RegexpError::BadEscape)?;
    Ok((Escape::Literal(character), &text[more.len()..]))
}

/// `\pL`, `\p{Greek}` or `\p{^Greek}`, behind the `p`.
fn parse_property(is_negated: bool, text: &str) -> Result<(Escape, &str), RegexpError> {
    let (name, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or(RegexpError::BadEscape)?,
        None => text.split_at_checked(1).ok_or(RegexpError::BadEscape)?,
    };
    let (name, is_negated) = match name.strip_prefix('^') {
        Some(name) => (name, !is_negated),
        None => (name, is_negated),
    };
    // The `regex` crate knows more spellings: `\p{scx=Greek}`, `\p{age:3.0}`.
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    {
        return Err(RegexpError::BadEscape);
    }
    let sign = if is_negated { 'P' } else { 'p' };
    Ok((Escape::Property(format!("\\{sign}{{{name}}}")), rest))
}
