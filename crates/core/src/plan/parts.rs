//! A plan in parts, for commits that are smaller than the plan.

use std::collections::BTreeMap;

use super::{Change, Placement, Plan};
use crate::remote::RepoPath;

/// Changes that can be committed by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part<'a> {
    /// The values that it changes.
    pub changes: Vec<(&'a Placement, &'a Change)>,
    /// The new content of the files that hold them.
    pub files: BTreeMap<&'a RepoPath, &'a [u8]>,
}

impl Plan {
    /// All changes in one part; none if nothing changes.
    pub fn whole(&self) -> Option<Part<'_>> {
        (!self.files.is_empty()).then(|| Part {
            changes: self.changes().collect(),
            files: self.files.iter().map(|it| (it.0, &it.1[..])).collect(),
        })
    }

    /// A part for each Application, by their names. What several of them change in one file is in
    /// the part of the first one: a file is committed as a whole.
    pub fn by_application(&self) -> Vec<Part<'_>> {
        let mut owners: BTreeMap<&RepoPath, Option<&str>> = BTreeMap::new();
        let mut parts: BTreeMap<Option<&str>, Part<'_>> = BTreeMap::new();
        for (placement, change) in self.changes() {
            let file = placement.file.as_ref();
            let Some((path, content)) = file.and_then(|path| self.files.get_key_value(path)) else {
                continue;
            };
            let owner = *owners
                .entry(path)
                .or_insert(placement.application.as_deref());
            let part = parts.entry(owner).or_default();
            part.changes.push((placement, change));
            part.files.insert(path, content);
        }
        parts.into_values().collect()
    }
}
