//! The report a git server sends after a push: what became of the pack and of each ref.
//!
//! Takes the lines of the report, already freed of their pkt-line and side-band framing, and never
//! concludes anything from the wording of a refusal: servers word them as they like, and the same
//! words stand for a lost race and for a policy.

use std::{borrow::Cow, fmt};

use crate::text::is_visible;

/// The longest text of the server that is kept, in characters.
const MAX_TEXT_CHARACTERS: usize = 512;

/// What became of a push, by the server's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportStatus {
    /// Nothing where the pack was unpacked, otherwise the server's reason.
    pub unpack_failure: Option<RemoteText>,
    /// One entry for each ref reported, in the server's order.
    pub refs: Vec<RefReport>,
}

/// What became of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefReport {
    /// The full name of the ref, such as `refs/heads/main`.
    pub name: String,
    /// Nothing where the ref was updated, otherwise the server's reason.
    pub refusal: Option<RemoteText>,
}

/// Why lines are not a report. The protocol is `report-status` of gitprotocol-pack(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportStatusError {
    /// No line at all: the server ended before it reported.
    #[error("the server's report on the push is empty")]
    Empty,
    /// The first line is not `unpack …`.
    #[error("the server's report on the push does not start with `unpack`")]
    NoUnpack,
    /// A line that is none of `ok`, `ng`, `option`.
    #[error("the server's report on the push has a line that is not understood")]
    UnknownLine,
    /// A ref name that is not UTF-8 or empty.
    #[error("the server's report on the push names a ref that is not text")]
    RefName,
    /// More than 64 lines: we only ever push one ref.
    #[error("the server's report on the push is too long")]
    TooLong,
}

/// Text written by a remote server, made safe to show: no control characters, one line, bounded.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RemoteText(String);

/// The most lines of a report that are read.
const MAX_LINES: usize = 64;

impl ReportStatus {
    /// Reads a report from its lines, with or without their line feeds.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ReportStatusError> {
        let mut lines = lines.into_iter().map(trim_line_feed);
        let unpack = lines.next().ok_or(ReportStatusError::Empty)?;
        let result = unpack
            .strip_prefix(b"unpack ")
            .ok_or(ReportStatusError::NoUnpack)?;
        let unpack_failure = (result != b"ok").then(|| RemoteText::new(result));

        let mut refs = Vec::new();
        for (index, line) in lines.enumerate() {
            if index >= MAX_LINES {
                return Err(ReportStatusError::TooLong);
            }
            if let Some(report) = RefReport::parse(line)? {
                refs.push(report);
            }
        }
        Ok(Self {
            unpack_failure,
            refs,
        })
    }

    /// Says whether the pack was unpacked and `name`, a ref's full name, was updated.
    ///
    /// A ref the server says nothing about was not updated.
    pub fn is_accepted(&self, name: &str) -> bool {
        self.unpack_failure.is_none()
            && self
                .refs
                .iter()
                .any(|it| it.name == name && it.refusal.is_none())
            && !self
                .refs
                .iter()
                .any(|it| it.name == name && it.refusal.is_some())
    }

    /// The server's reason why `name` was not updated, where it gave one.
    pub fn refusal(&self, name: &str) -> Option<&RemoteText> {
        let of_ref = self.refs.iter().find(|it| it.name == name);
        of_ref
            .and_then(|it| it.refusal.as_ref())
            .or(self.unpack_failure.as_ref())
    }
}

impl RefReport {
    /// Reads one line; nothing for the `option` lines of `report-status-v2`.
    fn parse(line: &[u8]) -> Result<Option<Self>, ReportStatusError> {
        if line.starts_with(b"option ") {
            return Ok(None);
        }
        if let Some(name) = line.strip_prefix(b"ok ") {
            return Ok(Some(Self {
                name: ref_name(name)?,
                refusal: None,
            }));
        }
        let rest = line
            .strip_prefix(b"ng ")
            .ok_or(ReportStatusError::UnknownLine)?;
        let mut parts = rest.splitn(2, |byte| *byte == b' ');
        let name = ref_name(parts.next().unwrap_or_default())?;
        let refusal = Some(RemoteText::new(parts.next().unwrap_or_default()));
        Ok(Some(Self { name, refusal }))
    }
}

impl RemoteText {
    /// Makes `bytes` safe to show: invalid UTF-8 is replaced, control and direction-changing
    /// characters become spaces, runs of spaces one, the end is cut off past 512 characters, and
    /// user names and passwords in addresses become `***`.
    pub fn new(bytes: &[u8]) -> Self {
        // Bounds the work before the text is looked at: a character is at most four bytes.
        let bytes = &bytes[..bytes.len().min(MAX_TEXT_CHARACTERS * 8)];
        let text = String::from_utf8_lossy(bytes);
        let words = text.split(|it: char| it.is_whitespace() || !is_visible(it));
        let words = words.filter(|word| !word.is_empty()).map(without_userinfo);
        let joined = words.collect::<Vec<_>>().join(" ");
        match joined.char_indices().nth(MAX_TEXT_CHARACTERS) {
            Some((end, _)) => Self(format!("{}…", &joined[..end])),
            None => Self(joined),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether nothing printable was there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for RemoteText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for RemoteText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// Replaces what stands before the `@` of an address.
fn without_userinfo(word: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = word.split_once("://") else {
        return Cow::Borrowed(word);
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}://***{}", &rest[at..])),
        None => Cow::Borrowed(word),
    }
}

fn trim_line_feed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn ref_name(bytes: &[u8]) -> Result<String, ReportStatusError> {
    match std::str::from_utf8(bytes) {
        Ok(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(ReportStatusError::RefName),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAIN: &str = "refs/heads/main";

    #[test]
    fn accepted_push_is_accepted() {
        check("unpack ok\nok refs/heads/main", Ok(true), None);
        check(
            "unpack ok\nok refs/heads/main\noption old-oid 00",
            Ok(true),
            None,
        );
    }

    #[test]
    fn refused_push_keeps_the_reason() {
        check(
            "unpack ok\nng refs/heads/main pre-receive hook declined",
            Ok(false),
            Some("pre-receive hook declined"),
        );
        check("unpack ok\nng refs/heads/main", Ok(false), Some(""));
        check(
            "unpack index-pack abnormal exit\nng refs/heads/main unpacker error",
            Ok(false),
            Some("unpacker error"),
        );
        check("unpack no space left", Ok(false), Some("no space left"));
    }

    #[test]
    fn unmentioned_ref_is_not_accepted() {
        check("unpack ok", Ok(false), None);
        check("unpack ok\nok refs/heads/other", Ok(false), None);
    }

    #[test]
    fn contradiction_is_not_accepted() {
        check(
            "unpack ok\nok refs/heads/main\nng refs/heads/main no",
            Ok(false),
            None,
        );
    }

    #[test]
    fn malformed_reports_are_errors() {
        check("", Err(ReportStatusError::NoUnpack), None);
        check("ok refs/heads/main", Err(ReportStatusError::NoUnpack), None);
        check(
            "unpack ok\nhello",
            Err(ReportStatusError::UnknownLine),
            None,
        );
        check("unpack ok\nok ", Err(ReportStatusError::RefName), None);
        check(
            &format!("unpack ok{}", "\nok x".repeat(100)),
            Err(ReportStatusError::TooLong),
            None,
        );
        assert_eq!(ReportStatus::parse([]), Err(ReportStatusError::Empty));
    }

    #[test]
    fn text_of_the_server_is_made_safe() {
        let text = RemoteText::new(b"\x1b[31mremote:\r\n  no \xff\xe2\x80\xae!");
        assert_eq!(text.as_str(), "[31mremote: no \u{fffd} !");
        let address = RemoteText::new(b"see https://me:secret@git.example/a@b, a@b");
        assert_eq!(address.as_str(), "see https://***@git.example/a@b, a@b");
        let long = RemoteText::new("é".repeat(100_000).as_bytes());
        assert_eq!(long.as_str().chars().count(), MAX_TEXT_CHARACTERS + 1);
        assert!(long.as_str().ends_with('…'));
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(lines: Vec<Vec<u8>>) {
            let report = ReportStatus::parse(lines.iter().map(Vec::as_slice));
            prop_assert!(report.is_err() || !lines.is_empty());
        }

        #[test]
        fn text_is_bounded_and_printable(bytes: Vec<u8>) {
            let text = RemoteText::new(&bytes);
            prop_assert!(text.as_str().chars().count() <= MAX_TEXT_CHARACTERS + 1);
            prop_assert!(!text.as_str().chars().any(char::is_control));
        }
    }

    #[track_caller]
    fn check(text: &str, accepted: Result<bool, ReportStatusError>, refusal: Option<&str>) {
        let report = ReportStatus::parse(text.split('\n').map(str::as_bytes));
        assert_eq!(
            report.as_ref().map(|it| it.is_accepted(MAIN)),
            accepted.as_ref().copied()
        );
        if let (Ok(report), Some(refusal)) = (&report, refusal) {
            assert_eq!(report.refusal(MAIN).map(RemoteText::as_str), Some(refusal));
        }
    }
}
