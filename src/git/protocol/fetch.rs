//! `fetch`: objects by id, as a pack.

use gix::ObjectId;
use gix_packetline::{BandRef, PacketLineRef};
use image_update_core::wire::report_status::RemoteText;

use super::{ProtocolError, capabilities::UploadPack, packet::Lines};

/// What to leave out and how far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A commit without its history, its trees and its files (`tree:0`); with them where the
    /// server cannot leave them out.
    Commit,
    /// Exactly the trees and files asked for. An explicit want is never filtered.
    Objects,
}

/// Builds the request for `wants`.
///
/// `tree:0` and nothing deeper: hosted servers refuse `tree:1` and most other filters.
pub(crate) fn request(server: UploadPack, wants: &[ObjectId], scope: Scope) -> Vec<u8> {
    let mut writer = server.command("fetch");
    writer.line("ofs-delta").line("no-progress");
    for want in wants {
        writer.line(&format!("want {want}"));
    }
    // Only for commits: of a tree there is no history to cut.
    if scope == Scope::Commit {
        writer.line("deepen 1");
    }
    if server.filter {
        writer.line("filter tree:0");
    }
    writer.line("done").flush();
    writer.into_bytes()
}

/// Builds the request for the commits that `want` has and `have` has not, and, where the server
/// can leave those out, nothing of their trees and files.
pub(crate) fn history_request(server: UploadPack, want: ObjectId, have: ObjectId) -> Vec<u8> {
    let mut writer = server.command("fetch");
    writer
        .line("ofs-delta")
        .line("no-progress")
        .line(&format!("want {want}"))
        .line(&format!("have {have}"));
    if server.filter {
        writer.line("filter tree:0");
    }
    writer.line("done").flush();
    writer.into_bytes()
}

/// Takes the pack out of the answer.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let mut lines = Lines::new(body);
    while let Some(line) = lines.next() {
        match line? {
            PacketLineRef::Data(line)
                if line.strip_suffix(b"\n").unwrap_or(line) == b"packfile" =>
            {
                return demultiplex(lines);
            }
            // `shallow-info` and what else may come before the pack is of no use here.
            PacketLineRef::Data(_) | PacketLineRef::Delimiter => {}
            PacketLineRef::Flush | PacketLineRef::ResponseEnd => break,
        }
    }
    Err(ProtocolError::Unexpected { expected: "a pack" })
}

fn demultiplex(lines: Lines<'_>) -> Result<Vec<u8>, ProtocolError> {
    let mut pack = Vec::new();
    for line in lines {
        let line = line?;
        if line == PacketLineRef::Flush {
            return Ok(pack);
        }
        match line.decode_band() {
            Ok(BandRef::Data(data)) => pack.extend_from_slice(data),
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
    Err(ProtocolError::Truncated)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::packet::Writer, *};

    const ID: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn pack_is_taken_out_of_its_side_band() {
        let mut writer = Writer::default();
        writer
            .line("shallow-info")
            .line(&format!("shallow {ID}"))
            .delimiter();
        writer
            .line("packfile")
            .packet(&[b"\x01PAC"])
            .packet(&[b"\x02hello"]);
        writer.packet(&[b"\x01K"]).flush();
        let body = writer.into_bytes();
        check(&body, &Ok(b"PACK".to_vec()));
    }

    #[test]
    fn errors_of_the_server_are_told() {
        let text = RemoteText::new(b"upload-pack: not our ref");
        check(
            b"0020ERR upload-pack: not our ref",
            &Err(ProtocolError::Remote { text }),
        );
        let text = RemoteText::new(b"oops");
        check(
            b"000dpackfile\n0009\x03oops",
            &Err(ProtocolError::Remote { text }),
        );
    }

    #[test]
    fn incomplete_answers_are_errors() {
        check(
            b"0000",
            &Err(ProtocolError::Unexpected { expected: "a pack" }),
        );
        check(
            b"000dpackfile\n0009\x01PACK",
            &Err(ProtocolError::Truncated),
        );
        check(
            b"000dpackfile\n0009\x07PACK0000",
            &Err(ProtocolError::Unexpected {
                expected: "a side-band",
            }),
        );
    }

    #[test]
    fn only_commits_are_cut_off_their_history() {
        assert!(
            lines_of(Scope::Commit, true).ends_with("deepen 1\n0012filter tree:0\n0009done\n0000")
        );
        assert!(!lines_of(Scope::Objects, true).contains("deepen"));
        assert!(!lines_of(Scope::Commit, false).contains("filter"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, tail: Vec<u8>) {
            prop_assert!(parse(&bytes).is_err());
            let mut body = b"000dpackfile\n".to_vec();
            body.extend_from_slice(&tail);
            prop_assert!(parse(&body).is_err() || tail.ends_with(b"0000") || tail.len() >= 4);
        }
    }

    fn lines_of(scope: Scope, filter: bool) -> String {
        let server = UploadPack {
            hash: gix::hash::Kind::Sha1,
            object_format: true,
            unborn: true,
            filter,
            agent: true,
        };
        let id = ObjectId::from_hex(ID.as_bytes()).expect("an id");
        String::from_utf8(request(server, &[id], scope)).expect("the request is text")
    }

    #[track_caller]
    fn check(body: &[u8], expected: &Result<Vec<u8>, ProtocolError>) {
        assert_eq!(&parse(body), expected);
    }
}
