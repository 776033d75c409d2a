//! Pkt-lines: the framing of everything but packs.

use gix_packetline::{
    PacketLineRef,
    decode::{self, Stream},
};
use image_update_core::wire::report_status::RemoteText;

use super::ProtocolError;

/// The longest line git accepts, its own length included.
const MAX_LINE_BYTES: usize = 65_520;

/// What a special line consists of.
const FLUSH: &[u8] = b"0000";
const DELIMITER: &[u8] = b"0001";

/// Iterates over the lines of an answer.
///
/// An `ERR` line is the server's error and ends the iteration with it.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next line's content without its line feed; nothing at a flush or another special line.
    pub(crate) fn text(&mut self) -> Result<Option<&'a [u8]>, ProtocolError> {
        match self.next().ok_or(ProtocolError::Truncated)?? {
            PacketLineRef::Data(line) => Ok(Some(line.strip_suffix(b"\n").unwrap_or(line))),
            PacketLineRef::Flush | PacketLineRef::Delimiter | PacketLineRef::ResponseEnd => {
                Ok(None)
            }
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<PacketLineRef<'a>, ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let result = match decode::streaming(self.rest) {
            Ok(Stream::Complete {
                line,
                bytes_consumed,
            }) => {
                self.rest = &self.rest[bytes_consumed..];
                match line.check_error() {
                    None => return Some(Ok(line)),
                    Some(error) => ProtocolError::Remote {
                        text: RemoteText::new(error.0),
                    },
                }
            }
            Ok(Stream::Incomplete { .. }) => ProtocolError::Truncated,
            Err(_) => ProtocolError::PacketLine,
        };
        self.rest = &[];
        Some(Err(result))
    }
}

/// Where an answer ends in bytes that are still coming in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Here: behind a flush.
    At(usize),
    /// Further on. Lines are whole up to here.
    Beyond(usize),
    /// These are no lines.
    NotLines,
}

/// Looks for the flush that ends an answer, from a place where a line starts.
pub(crate) fn find_end(bytes: &[u8], mut from: usize) -> End {
    while let Some(length) = bytes.get(from..from + FLUSH.len()) {
        if length == FLUSH {
            return End::At(from + FLUSH.len());
        }
        let digits = std::str::from_utf8(length).ok();
        let digits = digits.filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let length = match digits.map(|it| usize::from_str_radix(it, 16)) {
            // The other special lines have no content, and as their length a number below 3.
            Some(Ok(1 | 2)) => 4,
            Some(Ok(length @ 4..=MAX_LINE_BYTES)) => length,
            _ => return End::NotLines,
        };
        if bytes.len() < from + length {
            break;
        }
        from += length;
    }
    End::Beyond(from)
}

/// Builds the lines of a request.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Appends a line with its line feed.
    pub(crate) fn line(&mut self, text: &str) -> &mut Self {
        self.packet(&[text.as_bytes(), b"\n"])
    }

    /// Appends a line as it is. Lines are built from parsed names and ids, hence never near git's
    /// limit.
    pub(crate) fn packet(&mut self, parts: &[&[u8]]) -> &mut Self {
        let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
        debug_assert!(length <= MAX_LINE_BYTES, "lines are short");
        self.bytes
            .extend_from_slice(format!("{length:04x}").as_bytes());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self
    }

    pub(crate) fn delimiter(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(DELIMITER);
        self
    }

    pub(crate) fn flush(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(FLUSH);
        self
    }

    /// Appends bytes that are not framed.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_in_order() {
        check(b"0007ab\n00000001", "ab . .");
        check(b"", "");
    }

    #[test]
    fn error_line_ends_the_answer() {
        check(
            b"0007ab\n000bERR xyz0007ab\n",
            "ab !Remote { text: \"xyz\" }",
        );
    }

    #[test]
    fn broken_framing_ends_the_answer() {
        check(b"0007ab", "!Truncated");
        check(b"00", "!Truncated");
        check(b"zzzzab", "!PacketLine");
        check(b"0003ab", "!PacketLine");
        check(b"ffffab", "!PacketLine");
    }

    #[test]
    fn answer_ends_behind_its_flush() {
        for (bytes, expected) in [
            (&b"0007ab\n00000007cd\n"[..], End::At(11)),
            (b"0000", End::At(4)),
            (b"0007ab\n00010007cd\n0000", End::At(22)),
            (b"0007ab\n", End::Beyond(7)),
            (b"0007ab\n0007c", End::Beyond(7)),
            (b"0007ab\n00", End::Beyond(7)),
            (b"", End::Beyond(0)),
            // A flush in the middle of a line is none.
            (b"00080000", End::Beyond(8)),
            (b"Welcome!\n", End::NotLines),
            (b"0003", End::NotLines),
            (b"+007ab\n", End::NotLines),
            (b"ffff", End::NotLines),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(find_end(bytes, 0), expected, "{shown}");
        }
    }

    proptest! {
        #[test]
        fn end_is_found_however_the_bytes_come(
            lines in prop::collection::vec("[ -~]{1,80}", 0..9), cut in 0..800_usize,
        ) {
            let mut writer = Writer::default();
            for line in &lines {
                writer.line(line);
            }
            writer.flush().raw(b"more");
            let bytes = writer.into_bytes();
            let cut = cut.min(bytes.len());
            let found = match find_end(&bytes[..cut], 0) {
                End::Beyond(from) => find_end(&bytes, from),
                found @ (End::At(_) | End::NotLines) => found,
            };
            prop_assert_eq!(found, End::At(bytes.len() - 4));
        }

        #[test]
        fn written_lines_are_read_back(lines in prop::collection::vec("[ -~]{1,80}", 0..9)) {
            // Which would be the server's error.
            prop_assume!(lines.iter().all(|line| !line.starts_with("ERR ")));
            let mut writer = Writer::default();
            for line in &lines {
                writer.line(line);
            }
            let bytes = writer.into_bytes();
            let mut read = Lines::new(&bytes);
            for line in &lines {
                prop_assert_eq!(read.text(), Ok(Some(line.as_bytes())));
            }
            prop_assert!(read.next().is_none());
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_always_end(bytes: Vec<u8>) {
            prop_assert!(Lines::new(&bytes).count() <= bytes.len() + 1);
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let shown = Lines::new(bytes).map(|line| match line {
            Ok(PacketLineRef::Data(data)) => String::from_utf8_lossy(data).trim().to_owned(),
            Ok(_) => ".".to_owned(),
            Err(error) => format!("!{error:?}"),
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected);
    }
}
