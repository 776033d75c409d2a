//! The lexical pieces HTTP header grammars share (RFC 9110 section 5.6).
//!
//! Knows no header: what a token or a quoted string means is up to the caller.

/// A position in a header value.
pub(super) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
}

/// A quoted string that never ends, or holds a control character.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenQuotedString;

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    /// Bytes from the start of the header value.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.offset += character.len_utf8();
        Some(character)
    }

    /// Steps over `expected` if it is next.
    pub(super) fn eat(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        if is_next {
            self.offset += expected.len_utf8();
        }
        is_next
    }

    /// Steps over `part`, which the caller has found at the front of [`Self::rest`].
    pub(super) fn skip(&mut self, part: &str) {
        debug_assert!(
            self.rest().starts_with(part),
            "only what is next can be skipped"
        );
        self.offset += part.len();
    }

    /// Takes the longest run of characters that satisfy `wanted`; may be empty.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest
            .find(|character| !wanted(character))
            .unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    pub(super) fn skip_whitespace(&mut self) {
        self.take_while(is_whitespace);
    }

    /// Reads a quoted string, the opening quote being next, and undoes its escapes.
    pub(super) fn quoted_string(&mut self) -> Result<String, BrokenQuotedString> {
        let mut value = String::new();
        if !self.eat('"') {
            return Err(BrokenQuotedString);
        }
        while let Some(character) = self.next() {
            let literal = match character {
                '"' => return Ok(value),
                '\\' => self.next().ok_or(BrokenQuotedString)?,
                other => other,
            };
            if literal.is_control() && literal != '\t' {
                return Err(BrokenQuotedString);
            }
            value.push(literal);
        }
        Err(BrokenQuotedString)
    }
}

/// OWS of RFC 9110: space and horizontal tab, nothing else.
pub(super) fn is_whitespace(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}
