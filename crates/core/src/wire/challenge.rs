//! Parses `WWW-Authenticate` (RFC 9110 section 11.6.1) as registries send it.
//!
//! Refuses headers that are too long, cut off or ambiguous. Does not judge a realm: it is text
//! here, and the registry adapter decides whether a credential may be sent to it.

use super::text::{Cursor, is_token, is_whitespace};

/// The longest header value that is read, in bytes. Servers commonly limit a whole header block
/// to 8 KiB, so a longer challenge is not a real one.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// The most challenges read from one header value; registries send one or two.
const MAX_CHALLENGES: usize = 16;

/// The most parameters of one challenge; the token protocol defines five.
const MAX_PARAMETERS: usize = 32;

/// One way a registry offers to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A user name and a password with every request (RFC 7617).
    Basic,
    /// A token from a token server, see <https://distribution.github.io/distribution/spec/auth/token/>.
    Bearer(Bearer),
    /// A scheme that registries are not known to need, such as `Negotiate`.
    Other {
        /// The scheme, in lower case.
        scheme: String,
    },
}

/// What a `Bearer` challenge says about where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The URL of the token server, as the registry wrote it. Untrusted.
    pub realm: String,
    /// The audience a token is to be issued for.
    pub service: Option<String>,
    /// The access that was missing, such as `repository:library/nginx:pull`.
    pub scope: Option<String>,
    /// Why the token that was presented did not do, such as `insufficient_scope`.
    pub error: Option<String>,
}

/// Why a `WWW-Authenticate` header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than [`MAX_HEADER_BYTES`].
    #[error("the challenge is longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
    /// More challenges or parameters than any registry needs.
    #[error("the challenge has too many parts")]
    TooManyParts,
    /// Not the grammar of RFC 9110.
    #[error("the challenge cannot be read at byte {offset}")]
    Syntax {
        /// Where reading stopped, in bytes from the start of the value.
        offset: usize,
    },
    /// A parameter is given twice, so it is not clear which one counts.
    #[error("the challenge gives a parameter twice")]
    DuplicateParameter,
    /// A `Bearer` challenge that does not say where tokens come from.
    #[error("the bearer challenge has no realm")]
    NoRealm,
}

/// Reads every challenge of one `WWW-Authenticate` header value, in the order of the header.
///
/// Scheme and parameter names are compared without case. A value without quotes may hold more
/// than RFC 9110 allows (`realm=https://…`), because some registries forget the quotes.
pub fn parse(header: &str) -> Result<Vec<Challenge>, Error> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(Error::TooLong);
    }
    let mut cursor = Cursor::new(header);
    let mut challenges: Vec<Unread> = Vec::new();
    loop {
        cursor.take_while(|character| is_whitespace(character) || character == ',');
        if cursor.peek().is_none() {
            return challenges.into_iter().map(Unread::read).collect();
        }
        let name = cursor.take_while(is_token).to_ascii_lowercase();
        if name.is_empty() {
            return Err(Error::Syntax {
                offset: cursor.offset(),
            });
        }
        cursor.skip_whitespace();
        if cursor.eat('=') {
            let offset = cursor.offset();
            let challenge = challenges.last_mut().ok_or(Error::Syntax { offset })?;
            challenge.add(name, value(&mut cursor)?)?;
        } else if challenges.len() == MAX_CHALLENGES {
            return Err(Error::TooManyParts);
        } else {
            challenges.push(Unread {
                scheme: name,
                parameters: Vec::new(),
            });
            skip_token68(&mut cursor);
        }
    }
}

/// A scheme with its parameters, before anyone asked what they mean.
struct Unread {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Unread {
    fn add(&mut self, name: String, value: String) -> Result<(), Error> {
        if self.parameters.len() == MAX_PARAMETERS {
            return Err(Error::TooManyParts);
        }
        if self.parameters.iter().any(|(known, _)| *known == name) {
            return Err(Error::DuplicateParameter);
        }
        self.parameters.push((name, value));
        Ok(())
    }

    fn take(&mut self, wanted: &str) -> Option<String> {
        let position = self
            .parameters
            .iter()
            .position(|(name, _)| name == wanted)?;
        Some(self.parameters.swap_remove(position).1)
    }

    fn read(mut self) -> Result<Challenge, Error> {
        match self.scheme.as_str() {
            "basic" => Ok(Challenge::Basic),
            "bearer" => Ok(Challenge::Bearer(Bearer {
                realm: self.take("realm").ok_or(Error::NoRealm)?,
                service: self.take("service"),
                scope: self.take("scope"),
                error: self.take("error"),
            })),
            _ => Ok(Challenge::Other {
                scheme: self.scheme,
            }),
        }
    }
}

/// Reads what follows `=`: a quoted string, or a run up to the next comma or space.
fn value(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    cursor.skip_whitespace();
    let offset = cursor.offset();
    if cursor.peek() == Some('"') {
        return cursor.quoted_string().map_err(|_| Error::Syntax { offset });
    }
    let bare = cursor
        .take_while(|character| character.is_ascii_graphic() && !matches!(character, ',' | '"'));
    if bare.is_empty() {
        return Err(Error::Syntax { offset });
    }
    Ok(bare.to_owned())
}

/// Steps over the one value some schemes have instead of parameters (`Negotiate YII=`).
fn skip_token68(cursor: &mut Cursor<'_>) {
    let rest = cursor.rest();
    let end = rest.find(',').unwrap_or(rest.len());
    let candidate = rest[..end].trim_end_matches(is_whitespace);
    let body = candidate.trim_end_matches('=');
    let is_token68 = !body.is_empty()
        && body
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-._~+/".contains(character));
    if is_token68 {
        cursor.skip(candidate);
    }
}

#[cfg(test)]
mod tests;
