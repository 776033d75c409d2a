//! `fetch`: objects by id, as a pack.

use gix::ObjectId;
use gix_packetline::{BandRef, PacketLineRef};
use image_update_core::wire::report_status::RemoteText;

use super::{
    AGENT, ProtocolError,
    capabilities::{UploadPack, Version, Words, object_format_name},
    packet::{Lines, Writer},
};

/// What to send of what is asked for. Where the server can't leave objects out, it sends them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A commit without its history, its trees and its files.
    Commit,
    /// A commit with its trees, without its history and its files.
    Trees,
    /// A commit with its trees and files, without its history.
    Whole,
    /// Exactly the trees and files asked for. An explicit want is never filtered.
    Objects,
    /// A commit with its history, without trees and files.
    History,
}

/// Objects to be fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) wants: &'a [ObjectId],
    /// Commits that we have: what they reach is not sent, and where their own history was cut off,
    /// deltas may refer to it.
    pub(crate) haves: &'a [ObjectId],
    pub(crate) scope: Scope,
}

impl Scope {
    /// `tree:0` and `blob:none`, nothing else: hosted servers refuse `tree:1` and most others.
    fn filter(self) -> Option<&'static str> {
        match self {
            Self::Commit | Self::Objects | Self::History => Some("filter tree:0"),
            Self::Trees => Some("filter blob:none"),
            Self::Whole => None,
        }
    }

    /// Whether history is cut off. Of trees and files there is none.
    fn is_cut(self) -> bool {
        matches!(self, Self::Commit | Self::Trees | Self::Whole)
    }
}

impl Request<'_> {
    /// Whether the pack may have deltas without their bases: those we have.
    pub(crate) fn is_thin(&self) -> bool {
        self.scope.is_cut() && !self.haves.is_empty()
    }

    /// Builds the request.
    pub(crate) fn build(&self, server: UploadPack) -> Vec<u8> {
        match server.version {
            Version::Two => self.version_two(server),
            Version::Zero(words) => self.version_zero(server, words),
        }
    }

    fn version_two(&self, server: UploadPack) -> Vec<u8> {
        let mut writer = server.command("fetch");
        if self.is_thin() {
            writer.line("thin-pack");
        }
        writer.line("ofs-delta").line("no-progress");
        for want in self.wants {
            writer.line(&format!("want {want}"));
        }
        self.cut(server, &mut writer);
        self.end(&mut writer);
        writer.flush();
        writer.into_bytes()
    }

    /// The capabilities are chosen on the first line, as gitprotocol-pack(5) has it.
    fn version_zero(&self, server: UploadPack, words: Words) -> Vec<u8> {
        let mut chosen = vec!["side-band-64k".to_owned()];
        chosen.extend(words.multi_ack.map(ToOwned::to_owned));
        for (is_chosen, word) in [
            (words.thin_pack && self.is_thin(), "thin-pack"),
            (words.ofs_delta, "ofs-delta"),
            (words.no_progress, "no-progress"),
            (server.filter && self.scope.filter().is_some(), "filter"),
            (server.agent, AGENT),
        ] {
            if is_chosen {
                chosen.push(word.to_owned());
            }
        }
        if server.object_format {
            chosen.push(format!("object-format={}", object_format_name(server.hash)));
        }
        let mut writer = Writer::default();
        let mut suffix = format!(" {}", chosen.join(" "));
        for want in self.wants {
            writer.line(&format!("want {want}{suffix}"));
            suffix.clear();
        }
        self.cut(server, &mut writer);
        writer.flush();
        self.end(&mut writer);
        writer.into_bytes()
    }

    /// What is to be left out.
    fn cut(&self, server: UploadPack, writer: &mut Writer) {
        if self.scope.is_cut() {
            for have in self.haves {
                writer.line(&format!("shallow {have}"));
            }
            writer.line("deepen 1");
        }
        if let Some(filter) = self.scope.filter().filter(|_| server.filter) {
            writer.line(filter);
        }
    }

    fn end(&self, writer: &mut Writer) {
        for have in self.haves {
            writer.line(&format!("have {have}"));
        }
        writer.line("done");
    }
}

/// Takes the pack out of the answer.
pub(crate) fn parse(version: Version, body: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let mut lines = Lines::new(body);
    loop {
        let before = lines.clone();
        let Some(line) = lines.next() else {
            return Err(ProtocolError::Unexpected { expected: "a pack" });
        };
        match (version, line?) {
            (Version::Two, PacketLineRef::Data(line))
                if line.strip_suffix(b"\n").unwrap_or(line) == b"packfile" =>
            {
                return demultiplex(lines);
            }
            // Nothing tells of the pack: lines of text have no control character in front.
            (Version::Zero(_), PacketLineRef::Data([1..=3, ..])) => return demultiplex(before),
            // What may come before the pack is of no use here: which commits have no parents, which
            // of ours are known.
            (_, PacketLineRef::Data(_) | PacketLineRef::Delimiter)
            | (Version::Zero(_), PacketLineRef::Flush) => {}
            (_, PacketLineRef::Flush | PacketLineRef::ResponseEnd) => {
                return Err(ProtocolError::Unexpected { expected: "a pack" });
            }
        }
    }
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
    const HAVE: &str = "2222222222222222222222222222222222222222";

    const WORDS: Words = Words {
        multi_ack: Some("multi_ack_detailed"),
        thin_pack: true,
        ofs_delta: true,
        no_progress: true,
    };
    const ZERO: Version = Version::Zero(WORDS);

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
        check(Version::Two, &body, &Ok(b"PACK".to_vec()));
    }

    #[test]
    fn errors_of_the_server_are_told() {
        let text = RemoteText::new(b"upload-pack: not our ref");
        check(
            Version::Two,
            b"0020ERR upload-pack: not our ref",
            &Err(ProtocolError::Remote { text }),
        );
        let text = RemoteText::new(b"oops");
        check(
            Version::Two,
            b"000dpackfile\n0009\x03oops",
            &Err(ProtocolError::Remote { text }),
        );
    }

    #[test]
    fn incomplete_answers_are_errors() {
        check(
            Version::Two,
            b"0000",
            &Err(ProtocolError::Unexpected { expected: "a pack" }),
        );
        check(
            Version::Two,
            b"000dpackfile\n0009\x01PACK",
            &Err(ProtocolError::Truncated),
        );
        check(
            Version::Two,
            b"000dpackfile\n0009\x07PACK0000",
            &Err(ProtocolError::Unexpected {
                expected: "a side-band",
            }),
        );
    }

    #[test]
    fn pack_of_version_zero_follows_what_is_said_of_commits() {
        let mut writer = Writer::default();
        writer.line(&format!("shallow {ID}")).flush();
        writer.line(&format!("ACK {HAVE} common")).line("NAK");
        writer.packet(&[b"\x02hello"]).packet(&[b"\x01PACK"]);
        writer.flush();
        check(ZERO, &writer.into_bytes(), &Ok(b"PACK".to_vec()));
        check(ZERO, b"0008NAK\n0009\x01PACK0000", &Ok(b"PACK".to_vec()));
        check(
            ZERO,
            b"0008NAK\n0009\x01PACK",
            &Err(ProtocolError::Truncated),
        );
        let expected = "a pack";
        check(
            ZERO,
            b"0008NAK\n0000",
            &Err(ProtocolError::Unexpected { expected }),
        );
        let text = RemoteText::new(b"not our ref");
        check(
            ZERO,
            b"0013ERR not our ref",
            &Err(ProtocolError::Remote { text }),
        );
    }

    #[test]
    fn only_commits_are_cut_off_their_history() {
        let commit = lines_of(Version::Two, Scope::Commit, true, false);
        assert!(
            commit.ends_with("deepen 1|filter tree:0|done|."),
            "{commit}"
        );
        let objects = lines_of(Version::Two, Scope::Objects, true, false);
        assert!(!objects.contains("deepen"), "{objects}");
        let trees = lines_of(Version::Two, Scope::Trees, true, false);
        assert!(
            trees.ends_with("deepen 1|filter blob:none|done|."),
            "{trees}"
        );
        let trees = lines_of(Version::Two, Scope::Trees, false, false);
        assert!(trees.ends_with("deepen 1|done|."), "{trees}");
        let whole = lines_of(Version::Two, Scope::Whole, true, false);
        assert!(whole.ends_with("deepen 1|done|."), "{whole}");
    }

    #[test]
    fn what_is_at_hand_is_told_with_where_its_history_ends() {
        let trees = lines_of(Version::Two, Scope::Trees, true, true);
        let rest = format!("shallow {HAVE}|deepen 1|filter blob:none|have {HAVE}|done|.");
        assert!(
            trees.contains("|-thin-pack|") && trees.ends_with(&rest),
            "{trees}"
        );
        let history = lines_of(Version::Two, Scope::History, true, true);
        let rest = format!("want {ID}|filter tree:0|have {HAVE}|done|.");
        assert!(
            !history.contains("thin-pack") && history.ends_with(&rest),
            "{history}"
        );
    }

    #[test]
    fn version_zero_chooses_its_words_on_the_first_line() {
        let trees = lines_of(ZERO, Scope::Trees, true, true);
        let words =
            "side-band-64k multi_ack_detailed thin-pack ofs-delta no-progress filter agent=";
        assert!(trees.starts_with(&format!("want {ID} {words}")), "{trees}");
        let rest = format!(
            " object-format=sha1|shallow {HAVE}|deepen 1|filter blob:none|.have {HAVE}|done|"
        );
        assert!(trees.ends_with(&rest), "{trees}");
        let whole = lines_of(ZERO, Scope::Whole, true, false);
        assert!(
            !whole.contains("filter") && !whole.contains("thin-pack"),
            "{whole}"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, tail: Vec<u8>) {
            prop_assert!(parse(Version::Two, &bytes).is_err());
            prop_assert!(parse(ZERO, &bytes).is_err() || bytes.len() > 8);
            let mut body = b"000dpackfile\n".to_vec();
            body.extend_from_slice(&tail);
            let parsed = parse(Version::Two, &body);
            prop_assert!(parsed.is_err() || tail.ends_with(b"0000") || tail.len() >= 4);
        }
    }

    /// The lines of a request, `|` behind each, and `.` for a flush.
    fn lines_of(version: Version, scope: Scope, filter: bool, with_have: bool) -> String {
        let server = UploadPack {
            version,
            hash: gix::hash::Kind::Sha1,
            object_format: true,
            unborn: true,
            filter,
            by_id: true,
            agent: true,
        };
        let id = |hex: &str| ObjectId::from_hex(hex.as_bytes()).expect("an id");
        let haves = [id(HAVE)];
        let request = Request {
            wants: &[id(ID)],
            haves: if with_have { &haves } else { &[] },
            scope,
        };
        let request = request.build(server);
        let lines = Lines::new(&request).map(|line| match line.expect("well-formed lines") {
            PacketLineRef::Data(line) => {
                let line = std::str::from_utf8(line).expect("the request is text");
                line.replace('\n', "|")
            }
            PacketLineRef::Delimiter => "-".to_owned(),
            PacketLineRef::Flush | PacketLineRef::ResponseEnd => ".".to_owned(),
        });
        lines.collect()
    }

    #[track_caller]
    fn check(version: Version, body: &[u8], expected: &Result<Vec<u8>, ProtocolError>) {
        assert_eq!(&parse(version, body), expected);
    }
}
