//! What a server says it can do.

use gix::hash;
use image_update_core::wire::report_status::RemoteText;

use super::{
    AGENT, ProtocolError,
    packet::{Lines, Writer},
};

/// What upload-pack, version 2, can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word on the wire, or not there"
)]
pub(crate) struct UploadPack {
    pub(crate) hash: hash::Kind,
    /// Whether the server names its object format, and so wants it named in requests.
    pub(crate) object_format: bool,
    /// Whether `ls-refs` tells where `HEAD` of an empty repository points.
    pub(crate) unborn: bool,
    /// Whether `fetch` can leave objects out.
    pub(crate) filter: bool,
    /// Whether the server says its name, and so allows us to say ours.
    pub(crate) agent: bool,
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
        let mut first = lines.text()?;
        // gitprotocol-http wants this header, version 2 allows to leave it out.
        if first.is_some_and(|line| line.starts_with(b"# service=")) {
            lines.text()?;
            first = lines.text()?;
        }
        if first != Some(b"version 2") {
            return Err(ProtocolError::NotVersionTwo);
        }
        let mut parsed = Self {
            hash: hash::Kind::Sha1,
            object_format: false,
            unborn: false,
            filter: false,
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
        let mut lines = Lines::new(body);
        let mut first = lines.text()?;
        if first.is_some_and(|line| line.starts_with(b"# service=")) {
            lines.text()?;
            first = lines.text()?;
        }
        if first.is_some_and(|line| line == b"version 1") {
            first = lines.text()?;
        }
        let expected = "the first ref with the capabilities";
        let line = first.ok_or(ProtocolError::Unexpected { expected })?;
        let (_, values) = split_once(line, 0);
        let values = values.ok_or(ProtocolError::Unexpected { expected })?;
        if !has_word(values, b"report-status") {
            return Err(ProtocolError::NoReportStatus);
        }
        let format = words(values).find_map(|word| word.strip_prefix(b"object-format="));
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

fn words(values: &[u8]) -> impl Iterator<Item = &[u8]> {
    values.split(|byte| *byte == b' ')
}

fn has_word(values: &[u8], word: &[u8]) -> bool {
    words(values).any(|it| it == word)
}

fn split_once(line: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
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
            hash: hash::Kind::Sha1,
            object_format: true,
            unborn: true,
            filter: true,
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
            hash: hash::Kind::Sha1,
            object_format: false,
            unborn: false,
            filter: false,
            agent: false,
        };
        check_upload(&["version 2", "ls-refs", "fetch"], &Ok(expected));
        check_upload(&["version 2", "fetch=filters shallow"], &Ok(expected));
    }

    #[test]
    fn what_is_not_version_two_is_refused() {
        check_upload(&["version 1"], &Err(ProtocolError::NotVersionTwo));
        let old = "0000000000000000000000000000000000000000 HEAD\0 multi_ack";
        check_upload(&[old], &Err(ProtocolError::NotVersionTwo));
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
