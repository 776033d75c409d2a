//! `receive-pack`: one ref, moved from one commit to another.

use gix::ObjectId;
use gix_packetline::{BandRef, PacketLineRef};
use image_update_core::{
    remote::BranchName,
    wire::report_status::{RemoteText, ReportStatus},
};

use super::{
    AGENT, ProtocolError,
    capabilities::{ReceivePack, object_format_name},
    packet::{Lines, Writer},
};

/// The most of a server's progress messages that is looked at, in bytes.
const MAX_PROGRESS_BYTES: usize = 64 * 1024;

/// One ref to be moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command<'a> {
    pub(crate) branch: &'a BranchName,
    pub(crate) old: ObjectId,
    pub(crate) new: ObjectId,
}

/// What the server said about a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// Refused, with the server's words. They do not tell a lost race from a policy.
    Refused(RemoteText),
}

/// Builds the request that moves one ref and brings the objects for it.
pub(crate) fn request(server: ReceivePack, command: &Command<'_>, pack: &[u8]) -> Vec<u8> {
    let mut capabilities = vec!["report-status".to_owned()];
    if server.side_band {
        capabilities.push("side-band-64k".to_owned());
    }
    if server.atomic {
        capabilities.push("atomic".to_owned());
    }
    if server.object_format {
        capabilities.push(format!("object-format={}", object_format_name(server.hash)));
    }
    if server.agent {
        capabilities.push(AGENT.to_owned());
    }
    let Command { branch, old, new } = command;
    let mut writer = Writer::default();
    let capabilities = capabilities.join(" ");
    let line = format!("{old} {new} {}\0 {capabilities}", branch.to_ref());
    writer.packet(&[line.as_bytes()]);
    writer.flush().raw(pack);
    writer.into_bytes()
}

/// Reads the server's report.
pub(crate) fn parse(
    server: ReceivePack,
    branch: &BranchName,
    body: &[u8],
) -> Result<Verdict, ProtocolError> {
    let (report, progress) = if server.side_band {
        demultiplex(body)?
    } else {
        (body.to_vec(), Vec::new())
    };
    let mut lines = Vec::new();
    for line in Lines::new(&report) {
        match line? {
            PacketLineRef::Data(line) => lines.push(line),
            PacketLineRef::Flush | PacketLineRef::Delimiter | PacketLineRef::ResponseEnd => break,
        }
    }
    let report = ReportStatus::parse(lines).map_err(ProtocolError::Report)?;
    let name = branch.to_ref();
    if report.is_accepted(&name) {
        return Ok(Verdict::Accepted);
    }
    // The reason is short, the hook's or the host's own words stand in the progress messages.
    let reason = report.refusal(&name).map_or("", RemoteText::as_str);
    let text = [reason.as_bytes(), &progress].join(&b": "[..]);
    let text = if progress.is_empty() {
        reason.as_bytes()
    } else {
        text.as_slice()
    };
    Ok(Verdict::Refused(RemoteText::new(text)))
}

/// Splits the answer into report and progress messages.
fn demultiplex(body: &[u8]) -> Result<(Vec<u8>, Vec<u8>), ProtocolError> {
    let mut report = Vec::new();
    let mut progress = Vec::new();
    for line in Lines::new(body) {
        let line = line?;
        if line == PacketLineRef::Flush {
            break;
        }
        match line.decode_band() {
            Ok(BandRef::Data(data)) => report.extend_from_slice(data),
            Ok(BandRef::Progress(text)) if progress.len() < MAX_PROGRESS_BYTES => {
                progress.extend_from_slice(text);
            }
            Ok(BandRef::Progress(_)) => {}
            Ok(BandRef::Error(text)) => {
                return Err(ProtocolError::Remote {
                    text: RemoteText::new(text),
                });
            }
            Err(_) => {
                return Err(ProtocolError::Unexpected {
                    expected: "a side-band",
                });
            }
        }
    }
    Ok((report, progress))
}

#[cfg(test)]
mod tests {
    use gix::hash;
    use image_update_core::wire::report_status::ReportStatusError;
    use proptest::prelude::*;

    use super::*;

    const BARE: ReceivePack = ReceivePack {
        hash: hash::Kind::Sha1,
        object_format: false,
        agent: false,
        side_band: false,
        atomic: false,
        no_thin: false,
    };
    const FULL: ReceivePack = ReceivePack {
        object_format: true,
        agent: true,
        side_band: true,
        atomic: true,
        ..BARE
    };

    #[test]
    fn accepted_push_is_accepted() {
        let report = report(&["unpack ok", "ok refs/heads/main"]);
        check(BARE, &report, &Ok(Verdict::Accepted));
        check(FULL, &banded(&report, "hello"), &Ok(Verdict::Accepted));
    }

    #[test]
    fn words_of_a_hook_are_kept() {
        let report = report(&["unpack ok", "ng refs/heads/main hook declined"]);
        let bare = RemoteText::new(b"hook declined");
        check(BARE, &report, &Ok(Verdict::Refused(bare)));
        let full = RemoteText::new(b"hook declined: GL-HOOK-ERR: no");
        check(
            FULL,
            &banded(&report, "GL-HOOK-ERR: no\n"),
            &Ok(Verdict::Refused(full)),
        );
    }

    #[test]
    fn missing_report_is_an_error() {
        let empty = ProtocolError::Report(ReportStatusError::Empty);
        check(BARE, b"", &Err(empty.clone()));
        check(FULL, b"0000", &Err(empty));
        let text = RemoteText::new(b"oops");
        check(FULL, b"0009\x03oops", &Err(ProtocolError::Remote { text }));
    }

    #[test]
    fn only_advertised_capabilities_are_asked_for() {
        let bare = text_of(BARE);
        assert!(
            bare.contains(" refs/heads/main\0 report-status0000PACK"),
            "{bare}"
        );
        let full = text_of(FULL);
        let words = "\0 report-status side-band-64k atomic object-format=sha1 agent=";
        assert!(full.contains(words), "{full}");
        assert!(full.ends_with("0000PACK"), "{full}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_never_taken_for_success(bytes: Vec<u8>) {
            for server in [BARE, FULL] {
                prop_assert_ne!(parse(server, &main(), &bytes), Ok(Verdict::Accepted));
            }
        }

        #[test]
        fn mutated_report_never_panics(at in 0..60_usize, byte: u8) {
            let good = report(&["unpack ok", "ng refs/heads/main hook declined"]);
            let mut body = banded(&good, "no");
            let at = at % body.len();
            body[at] = byte;
            prop_assert_ne!(parse(FULL, &main(), &body), Ok(Verdict::Accepted));
        }
    }

    fn main() -> BranchName {
        "main".parse().expect("a valid branch")
    }

    fn text_of(server: ReceivePack) -> String {
        let null = hash::Kind::Sha1.null();
        let command = Command {
            branch: &main(),
            old: null,
            new: null,
        };
        String::from_utf8(request(server, &command, b"PACK")).expect("this request is text")
    }

    fn report(lines: &[&str]) -> Vec<u8> {
        let mut writer = Writer::default();
        for line in lines {
            writer.line(line);
        }
        writer.flush();
        writer.into_bytes()
    }

    fn banded(report: &[u8], progress: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .packet(&[b"\x02", progress.as_bytes()])
            .packet(&[b"\x01", report])
            .flush();
        writer.into_bytes()
    }

    #[track_caller]
    fn check(server: ReceivePack, body: &[u8], expected: &Result<Verdict, ProtocolError>) {
        assert_eq!(&parse(server, &main(), body), expected);
    }
}
