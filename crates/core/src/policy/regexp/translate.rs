//! From Go's syntax to that of the `regex` crate.
//!
//! One pass over the pattern that writes every literal as its code point, so that nothing the
//! `regex` crate gives a meaning to can slip through, and passes on only what it knows.

use super::RegexpError;
use super::class::translate_class;
use super::escape::{Escape, parse_escape};

/// The highest count of a repetition: <https://pkg.go.dev/regexp/syntax>.
pub(super) const MAX_REPEAT: u32 = 1000;

/// A pattern in the `regex` crate's syntax. Its groups have no names.
pub(super) struct Translation {
    pub(super) pattern: String,
    pub(super) names: Vec<(Box<str>, usize)>,
}

/// What stands before the place a repetition may stand at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Missing,
    Simple,
    Repeated,
}

pub(super) fn translate(text: &str) -> Result<Translation, RegexpError> {
    let mut translator = Translator {
        rest: text,
        pattern: String::with_capacity(2 * text.len()),
        names: Vec::new(),
        group_count: 1,
        depth: 0,
        operand: Operand::Missing,
    };
    while let Some(character) = translator.rest.chars().next() {
        translator.step(character)?;
    }
    if translator.depth > 0 {
        return Err(RegexpError::UnpairedParenthesis);
    }
    Ok(Translation {
        pattern: translator.pattern,
        names: translator.names,
    })
}

struct Translator<'a> {
    rest: &'a str,
    pattern: String,
    names: Vec<(Box<str>, usize)>,
    group_count: usize,
    depth: usize,
    operand: Operand,
}

impl Translator<'_> {
    fn step(&mut self, character: char) -> Result<(), RegexpError> {
        match character {
            '(' => self.open_group()?,
            ')' => {
                self.depth = self
                    .depth
                    .checked_sub(1)
                    .ok_or(RegexpError::UnpairedParenthesis)?;
                self.pass(character, Operand::Simple);
            }
            '|' => self.pass(character, Operand::Missing),
            '.' | '^' | '$' => self.pass(character, Operand::Simple),
            '*' | '+' | '?' => {
                self.skip(1);
                self.repeat(character, &character.to_string())?;
            }
            '{' => self.counted_repeat()?,
            '[' => {
                self.rest = translate_class(self.rest, &mut self.pattern)?;
                self.operand = Operand::Simple;
            }
            '\\' => self.escape()?,
            literal => {
                self.skip(literal.len_utf8());
                self.literal(literal);
            }
        }
        Ok(())
    }

    /// Writes what both syntaxes share.
    fn pass(&mut self, character: char, operand: Operand) {
        self.skip(character.len_utf8());
        self.pattern.push(character);
        self.operand = operand;
    }

    fn literal(&mut self, character: char) {
        push_literal(&mut self.pattern, character);
        self.operand = Operand::Simple;
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Writes a repetition that has been taken off the front.
    fn repeat(&mut self, sign: char, written: &str) -> Result<(), RegexpError> {
        match self.operand {
            Operand::Missing => return Err(RegexpError::NothingToRepeat(sign)),
            Operand::Repeated => return Err(RegexpError::RepeatedRepetition(sign)),
            Operand::Simple => self.pattern.push_str(written),
        }
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            self.pattern.push('?');
        }
        self.operand = Operand::Repeated;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`; any other brace is a literal, `{,m}` included.
    fn counted_repeat(&mut self) -> Result<(), RegexpError> {
        let counts = self.rest[1..].split_once('}').and_then(|(counts, rest)| {
            let (low, high) = counts.split_once(',').unwrap_or((counts, counts));
            let is_repeat = is_count(low) && (high.is_empty() || is_count(high));
            is_repeat.then_some((counts, low, high, rest))
        });
        let Some((counts, low, high, rest)) = counts else {
            self.skip(1);
            self.literal('{');
            return Ok(());
        };
        let count = |digits: &str| {
            digits
                .parse::<u32>()
                .ok()
                .filter(|&count| count <= MAX_REPEAT)
                .ok_or(RegexpError::BadRepeat)
        };
        if !high.is_empty() && count(low)? > count(high)? {
            return Err(RegexpError::BadRepeat);
        }
        count(low)?;
        self.rest = rest;
        self.repeat('{', &format!("{{{counts}}}"))
    }

    /// `(`, `(?:`, `(?P<name>`, `(?<name>`, `(?flags)` and `(?flags:`.
    fn open_group(&mut self) -> Result<(), RegexpError> {
        self.operand = Operand::Missing;
        let Some(inside) = self.rest.strip_prefix("(?") else {
            self.open_capture(1);
            return Ok(());
        };
        if let Some(named) = inside
            .strip_prefix("P<")
            .or_else(|| inside.strip_prefix('<'))
        {
            let (name, rest) = named.split_once('>').ok_or(RegexpError::BadGroup)?;
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_word) {
                return Err(RegexpError::BadGroup);
            }
            if self.names.iter().any(|(known, _)| **known == *name) {
                return Err(RegexpError::DuplicateGroupName);
            }
            self.names.push((name.into(), self.group_count));
            self.open_capture(self.rest.len() - rest.len());
            return Ok(());
        }
        let end = inside.find([':', ')']).ok_or(RegexpError::BadGroup)?;
        let (flags, rest) = inside.split_at(end);
        let opens_group = rest.starts_with(':');
        if !are_flags(flags) || (flags.is_empty() && !opens_group) {
            return Err(RegexpError::BadGroup);
        }
        self.depth += usize::from(opens_group);
        let written = "(?".len() + end + 1;
        self.pattern.push_str(&self.rest[..written]);
        self.skip(written);
        Ok(())
    }

    fn open_capture(&mut self, bytes: usize) {
        self.group_count += 1;
        self.depth += 1;
        self.pattern.push('(');
        self.skip(bytes);
    }

    fn escape(&mut self) -> Result<(), RegexpError> {
        if let Some(quoted) = self.rest.strip_prefix(r"\Q") {
            let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            self.rest = rest;
            self.operand = Operand::Missing;
            quoted.chars().for_each(|character| self.literal(character));
            return Ok(());
        }
        let (escape, rest) = parse_escape(self.rest)?;
        self.rest = rest;
        self.operand = Operand::Simple;
        match escape {
            Escape::Literal(literal) => push_literal(&mut self.pattern, literal),
            Escape::Assertion(sign) => self.pattern.extend(['\\', sign]),
            Escape::Class { is_negated, ranges } => {
                let caret = if is_negated { "^" } else { "" };
                self.pattern.extend(["[", caret, ranges, "]"]);
            }
            Escape::Property(property) => self.pattern.push_str(&property),
        }
        Ok(())
    }
}

/// Writes a character so that it stands for itself wherever it stands.
pub(super) fn push_literal(pattern: &mut String, character: char) {
    if character.is_ascii_alphanumeric() {
        pattern.push(character);
    } else {
        pattern.extend(character.escape_unicode());
    }
}

/// A number as Go reads it in a repetition: digits without a leading zero.
fn is_count(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

/// Flags, and those to be cleared behind one dash: `i`, `s-i`.
fn are_flags(text: &str) -> bool {
    let is_list = |flags: &str| flags.bytes().all(|flag| b"imsU".contains(&flag));
    match text.split_once('-') {
        Some((set, cleared)) => is_list(set) && is_list(cleared) && !cleared.is_empty(),
        None => is_list(text),
    }
}
