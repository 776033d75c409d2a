//! History: what one commit has and another has not.

use std::collections::HashMap;

use bytes::Bytes;
use gix::ObjectId;

use super::Session;
use crate::git::{commit, error::Error};

/// What a branch has beyond its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beyond {
    /// Whether the branch contains the base's tip.
    pub(crate) contains_base: bool,
    /// The newest of the branch's own commits that we did not make.
    pub(crate) foreign: Option<ObjectId>,
}

impl Session {
    /// Looks at the commits that `tip` has and `base` has not. One request; commits only, where
    /// the server can leave out files.
    pub(crate) async fn beyond(&mut self, base: ObjectId, tip: ObjectId) -> Result<Beyond, Error> {
        if base == tip {
            return Ok(Beyond {
                contains_base: true,
                foreign: None,
            });
        }
        let hash = tip.kind();
        let commits = self.commits_between(base, tip).await?;
        let commits: HashMap<ObjectId, Bytes> = commits
            .into_iter()
            .map(|(id, object)| (id, object.data))
            .collect();
        Ok(walk(base, tip, |id| {
            let commit = commits.get(&id)?;
            Some((
                commit::parent_ids(commit, hash),
                commit::is_ours(commit, hash),
            ))
        }))
    }
}

/// Walks from `tip` through the commits that `known` tells parents and origin of, to where it tells
/// nothing: there the base's own history starts.
fn walk(
    base: ObjectId,
    tip: ObjectId,
    known: impl Fn(ObjectId) -> Option<(Vec<ObjectId>, bool)>,
) -> Beyond {
    let mut beyond = Beyond {
        contains_base: tip == base,
        foreign: None,
    };
    let mut seen = std::collections::HashSet::from([tip]);
    let mut next = std::collections::VecDeque::from([tip]);
    while let Some(id) = next.pop_front() {
        let Some((parents, is_ours)) = known(id) else {
            continue;
        };
        if !is_ours {
            beyond.foreign.get_or_insert(id);
        }
        for parent in parents {
            beyond.contains_base |= parent == base;
            if seen.insert(parent) {
                next.push_back(parent);
            }
        }
    }
    beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_on_top_of_its_base_contains_it() {
        check("b", "b", "", (true, None));
        check("b", "c", "c!b", (true, None));
        check("b", "d", "d!c c!b", (true, None));
    }

    #[test]
    fn branch_behind_its_base_does_not() {
        check("b", "a", "", (false, None));
        check("b", "c", "c!a", (false, None));
    }

    #[test]
    fn newest_foreign_commit_is_told() {
        check("b", "e", "e!d d?c c?b", (true, Some("d")));
        check("b", "c", "c?a", (false, Some("c")));
    }

    #[test]
    fn merge_of_the_base_contains_it() {
        check("b", "m", "m?cb c!a", (true, Some("m")));
    }

    /// `history` has `commit`, `!` if it is ours or `?`, and its parents.
    #[track_caller]
    fn check(base: &str, tip: &str, history: &str, expected: (bool, Option<&str>)) {
        let id = |name: char| {
            let digit = format!("{:02x}", u32::from(name));
            ObjectId::from_hex(digit.repeat(20).as_bytes()).expect("a digit")
        };
        let of = |name: &str| id(name.chars().next().expect("a name"));
        let known: HashMap<_, _> = history
            .split_whitespace()
            .map(|commit| {
                let parents = commit.chars().skip(2).map(id).collect();
                (of(commit), (parents, commit.contains('!')))
            })
            .collect();
        let beyond = walk(of(base), of(tip), |id| known.get(&id).cloned());
        let expected = Beyond {
            contains_base: expected.0,
            foreign: expected.1.map(of),
        };
        assert_eq!(beyond, expected);
    }
}
