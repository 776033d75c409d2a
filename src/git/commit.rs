//! Commit objects.

use gix::{
    ObjectId, actor, date, hash,
    objs::{self, Commit, Kind, WriteTo},
};

use super::{
    object::Object,
    update::{CommitDraft, DraftError},
};

/// Builds the commit of `draft`: one parent, author and committer the same.
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
    let signature = actor::Signature {
        name: draft.author.name().into(),
        email: draft.author.email().into(),
        time: date::Time {
            seconds: draft.author.time().as_second(),
            offset: 0,
        },
    };
    let commit = Commit {
        tree,
        parents: std::iter::once(parent).collect(),
        author: signature.clone(),
        committer: signature,
        encoding: None,
        message: format!("{message}\n").into(),
        extra_headers: Vec::new(),
    };
    let mut data = Vec::new();
    commit
        .write_to(&mut data)
        .map_err(|_| DraftError::Signature)?;
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
