//! What a server says it can do.

use gix::hash;
use image_update_core::wire::report_status::RemoteText;

use super::{
    AGENT, ProtocolError,
    packet::{Lines, Writer},
};

/// What upload-pack can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word on the wire, or not there"
)]
pub(crate) struct UploadPack {
    pub(crate) version: Version,
    pub(crate) hash: hash::Kind,
    /// Whether the server names its object format, and so wants it named in requests.
    pub(crate) object_format: bool,
    /// Whether `ls-refs` tells where `HEAD` of an empty repository points.
    pub(crate) unborn: bool,
    /// Whether `fetch` can leave objects out.
    pub(crate) filter: bool,
    /// Whether objects that no ref points to may be asked for, trees and files included. What a
    /// server of version 0 says of it is about commits: it may refuse the others all the same.
    pub(crate) by_id: bool,
    /// Whether the server says its name, and so allows us to say ours.
    pub(crate) agent: bool,
}

/// The version of the protocol that upload-pack answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The first one: refs come with the advertisement, and one request may follow.
    Zero(Words),
    /// Any number of commands, each a request of its own.
    Two,
}

/// What version 0 has words for, and version 2 takes for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// How the server tells what it has in common with us, by the best name it knows.
    pub(crate) multi_ack: Option<&'static str>,
    pub(crate) thin_pack: bool,
    pub(crate) ofs_delta: bool,
    pub(crate) no_progress: bool,
}

/// What receive-pack can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word on the wire, or not there"
)]
pub(crate) struct ReceivePack {
    pub(crate) hash: hash::Kind,
    pub(crate) object_format: bool,
    pub(crate) agent: bool,
    pub(crate) side_band: bool,
    pub(crate) atomic: bool,
    /// Whether packs must hold the bases of their deltas.
    pub(crate) no_thin: bool,
}

impl UploadPack {
    /// Reads the answer to `GET …/info/refs?service=git-upload-pack`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        let mut lines = Lines::new(body);
        match first_line(&mut lines)? {
            Some(b"version 2") => Self::version_two(lines),
            Some(line) => Self::version_zero(line),
            // How old servers advertise a repository without refs.
            None => Err(ProtocolError::NoRefs),
        }
    }

    fn version_two(mut lines: Lines<'_>) -> Result<Self, ProtocolError> {
        let mut parsed = Self {
            version: Version::Two,
            hash: hash::Kind::Sha1,
            object_format: false,
            unborn: false,
            filter: false,
            by_id: true,
            agent: false,
        };
        while let Some(line) = lines.text()? {
            match split_once(line, b'=') {
                (b"agent", _) => parsed.agent = true,
                (b"object-format", Some(name)) => {
                    parsed.hash = object_format(name)?;
                    parsed.object_format = true;
                }
                (b"ls-refs", Some(values)) => parsed.unborn = has_word(values, b"unborn"),
                (b"fetch", Some(values)) => parsed.filter = has_word(values, b"filter"),
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Reads the line of the first ref, which has the capabilities behind it.
    fn version_zero(line: &[u8]) -> Result<Self, ProtocolError> {
        let expected = "the first ref with the capabilities";
        let values = split_once(line, 0).1;
        let values = values.ok_or(ProtocolError::Unexpected { expected })?;
        for word in ["side-band-64k", "shallow"] {
            if !has_word(values, word.as_bytes()) {
                return Err(ProtocolError::TooOld { lacks: word });
            }
        }
        let format = format_of(values);
        let multi_ack = ["multi_ack_detailed", "multi_ack"];
        Ok(Self {
            version: Version::Zero(Words {
                multi_ack: multi_ack
                    .into_iter()
                    .find(|word| has_word(values, word.as_bytes())),
                thin_pack: has_word(values, b"thin-pack"),
                ofs_delta: has_word(values, b"ofs-delta"),
                no_progress: has_word(values, b"no-progress"),
            }),
            hash: format.map_or(Ok(hash::Kind::Sha1), object_format)?,
            object_format: format.is_some(),
            unborn: false,
            filter: has_word(values, b"filter"),
            by_id: has_word(values, b"allow-tip-sha1-in-want")
                && has_word(values, b"allow-reachable-sha1-in-want"),
            agent: words(values).any(|word| word.starts_with(b"agent=")),
        })
    }

    /// Whether files can be left out, for they can be had later.
    pub(crate) fn leaves_out_files(self) -> bool {
        self.filter && self.by_id
    }

    /// Starts a command; its arguments follow.
    pub(crate) fn command(self, name: &str) -> Writer {
        let mut writer = Writer::default();
        writer.line(&format!("command={name}"));
        if self.agent {
            writer.line(AGENT);
        }
        if self.object_format {
            writer.line(&format!("object-format={}", object_format_name(self.hash)));
        }
        writer.delimiter();
        writer
    }
}

impl ReceivePack {
    /// Reads the answer to `GET …/info/refs?service=git-receive-pack`.
    ///
    /// The refs it also lists are skipped: the tip comes from `ls-refs`, where it was read for the
    /// commit at hand.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        let first = first_line(&mut Lines::new(body))?;
        let expected = "the first ref with the capabilities";
        let line = first.ok_or(ProtocolError::Unexpected { expected })?;
        let (_, values) = split_once(line, 0);
        let values = values.ok_or(ProtocolError::Unexpected { expected })?;
        if !has_word(values, b"report-status") {
            return Err(ProtocolError::NoReportStatus);
        }
        let format = format_of(values);
        Ok(Self {
            hash: format.map_or(Ok(hash::Kind::Sha1), object_format)?,
            object_format: format.is_some(),
            agent: words(values).any(|word| word.starts_with(b"agent=")),
            side_band: has_word(values, b"side-band-64k"),
            atomic: has_word(values, b"atomic"),
            no_thin: has_word(values, b"no-thin"),
        })
    }
}

/// The first line of an advertisement that says something; nothing if there are no refs.
pub(super) fn first_line<'a>(lines: &mut Lines<'a>) -> Result<Option<&'a [u8]>, ProtocolError> {
    let mut first = lines.text()?;
    // gitprotocol-http wants this header, version 2 allows to leave it out.
    if first.is_some_and(|line| line.starts_with(b"# service=")) {
        lines.text()?;
        first = lines.text()?;
    }
    if first == Some(b"version 1") {
        first = lines.text()?;
    }
    Ok(first)
}

/// The protocol's name of a hash.
pub(crate) fn object_format_name(hash: hash::Kind) -> &'static str {
    if hash == hash::Kind::Sha256 {
        "sha256"
    } else {
        "sha1"
    }
}

fn object_format(name: &[u8]) -> Result<hash::Kind, ProtocolError> {
    match name {
        b"sha1" => Ok(hash::Kind::Sha1),
        b"sha256" => Ok(hash::Kind::Sha256),
        other => Err(ProtocolError::ObjectFormat {
            name: RemoteText::new(other),
        }),
    }
}

fn format_of(values: &[u8]) -> Option<&[u8]> {
    words(values).find_map(|word| word.strip_prefix(b"object-format="))
}

pub(super) fn words(values: &[u8]) -> impl Iterator<Item = &[u8]> {
    values.split(|byte| *byte == b' ')
}

fn has_word(values: &[u8], word: &[u8]) -> bool {
    words(values).any(|it| it == word)
}

pub(super) fn split_once(line: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|byte| *byte == separator) {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn git_core_is_understood() {
        let expected = UploadPack {
            version: Version::Two,
            hash: hash::Kind::Sha1,
            object_format: true,
            unborn: true,
            filter: true,
            by_id: true,
            agent: true,
        };
        let lines = [
            "version 2",
            "agent=git/2.39.5",
            "ls-refs=unborn",
            "fetch=shallow wait-for-done filter",
            "server-option",
            "object-format=sha1",
        ];
        check_upload(&lines, &Ok(expected));
    }

    #[test]
    fn server_of_few_words_is_understood() {
        let expected = UploadPack {
            version: Version::Two,
            hash: hash::Kind::Sha1,
            object_format: false,
            unborn: false,
            filter: false,
            by_id: true,
            agent: false,
        };
        check_upload(&["version 2", "ls-refs", "fetch"], &Ok(expected));
        check_upload(&["version 2", "fetch=filters shallow"], &Ok(expected));
    }

    #[test]
    fn server_of_version_zero_is_understood() {
        let id = "0000000000000000000000000000000000000000";
        let full = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow no-progress \
                    multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want \
                    symref=HEAD:refs/heads/main filter object-format=sha256 agent=git/2.39.5";
        let expected = UploadPack {
            version: Version::Zero(Words {
                multi_ack: Some("multi_ack_detailed"),
                thin_pack: true,
                ofs_delta: true,
                no_progress: true,
            }),
            hash: hash::Kind::Sha256,
            object_format: true,
            unborn: false,
            filter: true,
            by_id: true,
            agent: true,
        };
        check_upload(&[&format!("{id} HEAD\0{full}")], &Ok(expected));
        let bare = UploadPack {
            version: Version::Zero(Words {
                multi_ack: None,
                thin_pack: false,
                ofs_delta: false,
                no_progress: false,
            }),
            hash: hash::Kind::Sha1,
            object_format: false,
            unborn: false,
            filter: false,
            by_id: false,
            agent: false,
        };
        let words = "side-band-64k shallow allow-tip-sha1-in-want";
        let line = format!("{id} capabilities^{{}}\0 {words}");
        check_upload(&["version 1", &line], &Ok(bare));
    }

    #[test]
    fn servers_that_cannot_be_used_are_refused() {
        let line = |words: &str| format!("00 HEAD\0 {words}");
        let lacks = |lacks| Err(ProtocolError::TooOld { lacks });
        check_upload(&[&line("multi_ack shallow")], &lacks("side-band-64k"));
        check_upload(&[&line("side-band-64k")], &lacks("shallow"));
        check_upload(&[], &Err(ProtocolError::NoRefs));
        let expected = "the first ref with the capabilities";
        check_upload(&["version 3"], &Err(ProtocolError::Unexpected { expected }));
        let name = RemoteText::new(b"md5");
        let format = Err(ProtocolError::ObjectFormat { name });
        check_upload(&["version 2", "object-format=md5"], &format);
    }

    #[test]
    fn receive_pack_is_understood() {
        let expected = ReceivePack {
            hash: hash::Kind::Sha256,
            object_format: true,
            agent: true,
            side_band: true,
            atomic: true,
            no_thin: false,
        };
        let line = "00 refs/heads/main\0report-status side-band-64k atomic agent=git/2 object-format=sha256";
        check_receive(line, &Ok(expected));
        let bare = ReceivePack {
            hash: hash::Kind::Sha1,
            object_format: false,
            agent: false,
            side_band: false,
            atomic: false,
            no_thin: true,
        };
        check_receive("00 capabilities^{}\0 report-status no-thin", &Ok(bare));
        check_receive(
            "00 capabilities^{}\0atomic",
            &Err(ProtocolError::NoReportStatus),
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, line: String) {
            prop_assert!(UploadPack::parse(&bytes).is_err());
            prop_assert!(UploadPack::parse(&advertisement(&[&line])).is_err() || line.contains('\0'));
            prop_assert!(ReceivePack::parse(&bytes).is_err() || !bytes.is_empty());
            prop_assert!(ReceivePack::parse(&advertisement(&[&line])).is_err() || line.contains('\0'));
        }
    }

    fn advertisement(lines: &[&str]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.line("# service=git-upload-pack").flush();
        for line in lines {
            writer.line(line);
        }
        writer.flush();
        writer.into_bytes()
    }

    #[track_caller]
    fn check_upload(lines: &[&str], expected: &Result<UploadPack, ProtocolError>) {
        assert_eq!(&UploadPack::parse(&advertisement(lines)), expected);
    }

    #[track_caller]
    fn check_receive(line: &str, expected: &Result<ReceivePack, ProtocolError>) {
        assert_eq!(&ReceivePack::parse(&advertisement(&[line])), expected);
    }
}
