//! What a branch points to, and where `HEAD` does: the answer to `ls-refs`, or the advertisement of
//! a server that has no such command.

use gix::ObjectId;
use image_update_core::remote::BranchName;

use super::{
    ProtocolError,
    capabilities::{UploadPack, first_line, split_once, words},
    packet::Lines,
};

/// What is known of the refs asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Refs {
    /// What `HEAD` points to, where it is the name of a branch.
    pub(crate) default_branch: Option<BranchName>,
    /// What `HEAD` resolves to.
    pub(crate) head: Option<ObjectId>,
    /// Whether `HEAD` points to a branch that does not exist yet.
    pub(crate) unborn: bool,
    /// What the branch asked for points to.
    pub(crate) branch: Option<ObjectId>,
}

/// Builds the request for `HEAD` and, where one is named, a branch.
pub(crate) fn request(server: UploadPack, branch: Option<&BranchName>) -> Vec<u8> {
    let mut writer = server.command("ls-refs");
    writer.line("symrefs");
    if server.unborn {
        writer.line("unborn");
    }
    writer.line("ref-prefix HEAD");
    if let Some(branch) = branch {
        writer.line(&format!("ref-prefix {}", branch.to_ref()));
    }
    writer.flush();
    writer.into_bytes()
}

/// Reads the answer. Other refs than those asked for are skipped: a prefix matches more than one.
pub(crate) fn parse(body: &[u8], branch: Option<&BranchName>) -> Result<Refs, ProtocolError> {
    let wanted = branch.map(BranchName::to_ref);
    let mut refs = Refs::default();
    let mut lines = Lines::new(body);
    while let Some(line) = lines.text()? {
        let mut words = line.split(|byte| *byte == b' ');
        let target = words.next().unwrap_or_default();
        let name = words
            .next()
            .ok_or(ProtocolError::Unexpected { expected: "a ref" })?;
        let target = match target {
            b"unborn" => None,
            hex => Some(object_id(hex)?),
        };
        if name == b"HEAD" {
            let symref = words.find_map(|word| word.strip_prefix(b"symref-target:"));
            let symref = symref.and_then(|name| std::str::from_utf8(name).ok());
            refs.default_branch = symref.and_then(BranchName::from_ref);
            refs.head = target;
            refs.unborn = target.is_none();
        } else if wanted
            .as_ref()
            .is_some_and(|wanted| wanted.as_bytes() == name)
        {
            refs.branch = target;
        }
    }
    Ok(refs)
}

/// Reads the refs of an advertisement in version 0, where all of them are.
pub(crate) fn parse_advertisement(
    body: &[u8],
    branch: Option<&BranchName>,
) -> Result<Refs, ProtocolError> {
    let wanted = branch.map(BranchName::to_ref);
    let mut lines = Lines::new(body);
    let first = first_line(&mut lines)?.ok_or(ProtocolError::NoRefs)?;
    let (mut line, capabilities) = split_once(first, 0);
    let symref = words(capabilities.unwrap_or_default())
        .find_map(|word| word.strip_prefix(b"symref=HEAD:"))
        .and_then(|name| std::str::from_utf8(name).ok());
    let mut refs = Refs {
        default_branch: symref.and_then(BranchName::from_ref),
        ..Refs::default()
    };
    loop {
        let (id, name) = split_once(line, b' ');
        let name = name.ok_or(ProtocolError::Unexpected { expected: "a ref" })?;
        match name {
            // Stands where there is no ref at all.
            b"capabilities^{}" => refs.unborn = true,
            b"HEAD" => refs.head = Some(object_id(id)?),
            // Behind the refs, the ends of the server's own history may follow.
            _ if id != b"shallow" && wanted.as_ref().is_some_and(|it| it.as_bytes() == name) => {
                refs.branch = Some(object_id(id)?);
            }
            _ => {}
        }
        match lines.text()? {
            Some(next) => line = next,
            None => return Ok(refs),
        }
    }
}

fn object_id(hex: &[u8]) -> Result<ObjectId, ProtocolError> {
    ObjectId::from_hex(hex).map_err(|_| ProtocolError::Unexpected {
        expected: "an object id",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{capabilities::Version, packet::Writer},
        *,
    };

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    #[test]
    fn head_and_branch_are_read() {
        let head = format!("{ONE} HEAD symref-target:refs/heads/main");
        let branch = format!("{TWO} refs/heads/next");
        let longer = format!("{ONE} refs/heads/next-year");
        let expected = Refs {
            default_branch: Some(name("main")),
            head: Some(id(ONE)),
            unborn: false,
            branch: Some(id(TWO)),
        };
        check(&[&head, &branch, &longer], Some("next"), &Ok(expected));
    }

    #[test]
    fn empty_repository_tells_its_default_branch() {
        let expected = Refs {
            default_branch: Some(name("trunk")),
            head: None,
            unborn: true,
            branch: None,
        };
        check(
            &["unborn HEAD symref-target:refs/heads/trunk"],
            None,
            &Ok(expected),
        );
        check(&[], None, &Ok(Refs::default()));
    }

    #[test]
    fn malformed_lines_are_errors() {
        let expected = "an object id";
        check(
            &["zz HEAD"],
            None,
            &Err(ProtocolError::Unexpected { expected }),
        );
        check(
            &[ONE],
            None,
            &Err(ProtocolError::Unexpected { expected: "a ref" }),
        );
    }

    #[test]
    fn advertisement_of_version_zero_is_read() {
        let head = format!("{ONE} HEAD\0shallow symref=HEAD:refs/heads/main agent=git");
        let main = format!("{ONE} refs/heads/main");
        let branch = format!("{TWO} refs/heads/next");
        let tag = format!("{TWO} refs/tags/v1^{{}}");
        let shallow = format!("shallow {TWO}");
        let expected = Refs {
            default_branch: Some(name("main")),
            head: Some(id(ONE)),
            unborn: false,
            branch: Some(id(TWO)),
        };
        let lines = [&*head, &main, &branch, &tag, &shallow];
        check_advertisement(&lines, Some("next"), &Ok(expected.clone()));
        let without = Refs {
            branch: None,
            ..expected
        };
        check_advertisement(&lines, Some("nex"), &Ok(without));
        let empty = Refs {
            unborn: true,
            ..Refs::default()
        };
        let none = format!("{ONE} capabilities^{{}}\0shallow");
        check_advertisement(&[&none], None, &Ok(empty));
        check_advertisement(&[], None, &Err(ProtocolError::NoRefs));
        let expected = "an object id";
        let nonsense = Err(ProtocolError::Unexpected { expected });
        check_advertisement(&["zz HEAD\0"], None, &nonsense);
    }

    #[test]
    fn request_names_what_the_server_supports() {
        let server = UploadPack {
            version: Version::Two,
            by_id: true,
            hash: gix::hash::Kind::Sha1,
            object_format: true,
            unborn: true,
            filter: true,
            agent: true,
        };
        let full = String::from_utf8(request(server, Some(&name("main")))).expect("text");
        assert!(full.starts_with("0014command=ls-refs\n"), "{full}");
        assert!(full.contains("agent=image-update-operator/"), "{full}");
        assert!(full.contains("object-format=sha1"), "{full}");
        assert!(
            full.ends_with("ref-prefix HEAD\n001fref-prefix refs/heads/main\n0000"),
            "{full}"
        );
        let bare = UploadPack {
            object_format: false,
            unborn: false,
            agent: false,
            ..server
        };
        let bare = String::from_utf8(request(bare, None)).expect("text");
        assert!(
            !["object-format", "unborn", "agent"]
                .iter()
                .any(|word| bare.contains(word)),
            "{bare}"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, line in "[ -~]{1,60}") {
            prop_assert!(parse(&bytes, None).is_err() || bytes.starts_with(b"000"));
            let mut writer = Writer::default();
            writer.line(&line).flush();
            let body = writer.into_bytes();
            prop_assert!(parse(&body, None).is_err() || line.contains(' '));
            prop_assert!(parse_advertisement(&body, None).is_err() || line.contains(' '));
        }
    }

    fn name(text: &str) -> BranchName {
        text.parse().expect("the row's branch is valid")
    }

    fn id(hex: &str) -> ObjectId {
        ObjectId::from_hex(hex.as_bytes()).expect("the row's id is valid")
    }

    fn body(lines: &[&str]) -> Vec<u8> {
        let mut writer = Writer::default();
        for line in lines {
            writer.line(line);
        }
        writer.flush();
        writer.into_bytes()
    }

    #[track_caller]
    fn check(lines: &[&str], branch: Option<&str>, expected: &Result<Refs, ProtocolError>) {
        let branch = branch.map(name);
        assert_eq!(&parse(&body(lines), branch.as_ref()), expected);
    }

    #[track_caller]
    fn check_advertisement(
        lines: &[&str],
        branch: Option<&str>,
        expected: &Result<Refs, ProtocolError>,
    ) {
        let branch = branch.map(name);
        let actual = parse_advertisement(&body(lines), branch.as_ref());
        assert_eq!(&actual, expected);
    }
}
