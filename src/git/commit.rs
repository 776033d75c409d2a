//! Commit objects: building them, signing them, and knowing our own again.
//!
//! Every commit of ours carries a header with a digest of its tree, parents and message. Git
//! ignores headers that it does not know. Whoever amends, rebases or cherry-picks such a commit
//! changes what the digest is of, or loses the header, and it is theirs from then on. A name and
//! an address would not tell: people may commit under the operator's, or the operator under theirs.

use std::fmt::Write as _;

use gix::{
    ObjectId, actor, date, hash,
    objs::{self, Commit, CommitRef, Kind, WriteTo, commit::signature_field_name},
};
use sha2::{Digest as _, Sha256};

use super::{
    object::Object,
    update::{CommitDraft, DraftError},
};

/// The header that marks a commit as ours.
const SEAL_HEADER: &str = "image-update-operator";

/// Builds the commit of `draft`: one parent, author and committer the same, signed where there is a
/// key.
pub(crate) fn build(
    draft: &CommitDraft,
    tree: ObjectId,
    parent: ObjectId,
) -> Result<Object, DraftError> {
    let message = draft.message.trim_end();
    if message.is_empty() {
        return Err(DraftError::EmptyMessage);
    }
    if message.contains('\0') {
        return Err(DraftError::NulInMessage);
    }
    let message = format!("{message}\n");
    let signature = actor::Signature {
        name: draft.author.name().into(),
        email: draft.author.email().into(),
        time: date::Time {
            seconds: draft.author.time().as_second(),
            offset: 0,
        },
    };
    let seal = seal(
        &tree.to_string(),
        [parent.to_string().as_bytes()],
        message.as_bytes(),
    );
    let mut commit = Commit {
        tree,
        parents: std::iter::once(parent).collect(),
        author: signature.clone(),
        committer: signature,
        encoding: None,
        message: message.into(),
        extra_headers: vec![(SEAL_HEADER.into(), seal.into())],
    };
    let mut data = serialise(&commit)?;
    if let Some(key) = &draft.signing {
        let signature = key.sign(&data).map_err(DraftError::Signing)?;
        let field = signature_field_name(tree.kind());
        let value = signature.trim_end_matches('\n');
        commit.extra_headers.push((field.into(), value.into()));
        data = serialise(&commit)?;
    }
    Ok(Object {
        kind: Kind::Commit,
        data: data.into(),
    })
}

/// The root tree of a commit; nothing if it is malformed.
pub(crate) fn tree_id(commit: &[u8], hash: hash::Kind) -> Option<ObjectId> {
    let mut commit = objs::CommitRefIter::from_bytes(commit, hash);
    commit.tree_id().ok()
}

/// The parents of a commit; none if it is malformed.
pub(crate) fn parent_ids(commit: &[u8], hash: hash::Kind) -> Vec<ObjectId> {
    objs::CommitRefIter::from_bytes(commit, hash)
        .parent_ids()
        .collect()
}

/// Whether we made the commit, and nobody changed it since.
pub(crate) fn is_ours(commit: &[u8], hash: hash::Kind) -> bool {
    let Ok(commit) = CommitRef::from_bytes(commit, hash) else {
        return false;
    };
    let mut headers = commit.extra_headers.iter();
    let Some((_, found)) = headers.find(|(name, _)| *name == SEAL_HEADER.as_bytes()) else {
        return false;
    };
    let parents = commit.parents.iter().map(AsRef::as_ref);
    found.as_ref() == seal(&commit.tree.to_string(), parents, commit.message).as_bytes()
}

fn seal<'a>(tree: &str, parents: impl IntoIterator<Item = &'a [u8]>, message: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(tree.as_bytes());
    for parent in parents {
        hasher.update(b"\n");
        hasher.update(parent);
    }
    hasher.update(b"\n\n");
    hasher.update(message);
    let digest = hasher.finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn serialise(commit: &Commit) -> Result<Vec<u8>, DraftError> {
    let mut data = Vec::new();
    commit
        .write_to(&mut data)
        .map_err(|_| DraftError::Signature)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::git::update::Signature;

    const SHA1: hash::Kind = hash::Kind::Sha1;

    #[test]
    fn our_own_commit_is_known_again() {
        check(ToOwned::to_owned, true);
    }

    #[test]
    fn commit_that_somebody_changed_is_theirs() {
        check(|text| text.replace("Update\n", "Update it\n"), false);
        check(|text| text.replace("tree 0000", "tree 1000"), false);
        check(|text| text.replace("parent 0000", "parent 1000"), false);
        check(
            |text| text.replace("image-update-operator ", "other "),
            false,
        );
        check(
            |text| {
                text.replacen(
                    "\nauthor",
                    "\nparent 1111111111111111111111111111111111111111\nauthor",
                    1,
                )
            },
            false,
        );
        check(|_| "nonsense".to_owned(), false);
    }

    #[track_caller]
    fn check(change: impl Fn(&str) -> String, expected: bool) {
        let draft = CommitDraft {
            files: std::collections::BTreeMap::new(),
            message: "Update".to_owned(),
            author: Signature::new("a", "a@example.org", Timestamp::UNIX_EPOCH)
                .expect("a valid author"),
            signing: None,
        };
        let commit = build(&draft, SHA1.null(), SHA1.null()).expect("a commit");
        let text = std::str::from_utf8(&commit.data).expect("a commit of text");
        assert_eq!(is_ours(change(text).as_bytes(), SHA1), expected, "{text}");
    }
}
