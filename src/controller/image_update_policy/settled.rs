//! What stood in the targets before: how a human's revert is told from an update that is due. Pure.
//!
//! Whenever an image is up to date, its value is kept in the status. If the policy later wants to
//! write that very value where it stood, somebody has taken it back since: by `git revert`, by hand,
//! or by moving the branch to before our commit. That survives restarts, also one between a push and
//! the report on it.
//!
//! A policy that names each file keeps the branch with the value. One that selects Applications, or
//! has the manifests of a folder, may have thousands of files, and more come: for it a commit of each
//! branch is kept that shows them all, and read when it matters. On an Application itself the value
//! stands in an annotation of it.

mod builds;

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use image_update_core::image::{Candidate, Repository};
use image_update_core::plan::{Placement, State, value};
use image_update_core::remote::{BranchName, RemoteUrl};
use image_update_core::template::target_key;

use super::{Attempt, Commit, Outcome, Write, Written};
use crate::api::v1alpha1::{
    ImageState, ImageStatus, ImageUpdatePolicy, ImageUpdatePolicyStatus, SettledBranch,
    SettledValue, annotations,
};
use crate::api::validate::{PolicyModel, TargetFormat};
use crate::controller::error::Error;
use builds::Builds;

/// The most commits kept of a branch.
const MOST_COMMITS: usize = 4;

/// The most branches of which commits are kept: with all else the status stays under 64 KiB.
const MOST_BRANCHES: usize = 100;

/// How many digits of a repository's digest are kept.
const REPOSITORY_DIGITS: usize = 16;

/// A branch: the digest of its repository, and its name.
type Key = (String, String);

/// What is known of a policy's images, by alias, and where it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    values: BTreeMap<String, SettledValue>,
    branches: BTreeMap<Key, Vec<ObjectId>>,
    builds: Builds,
}

impl Settled {
    /// What the last status knew. After a change of the spec or a release nothing was settled.
    pub(super) fn before(
        policy: &ImageUpdatePolicy,
        status: Option<&ImageUpdatePolicyStatus>,
    ) -> Self {
        let Some(status) = status else {
            return Self::default();
        };
        let builds = Builds::written_down(status);
        if status.observed_generation != policy.metadata.generation
            || status.last_handled_release.as_deref() != annotations::released(&policy.metadata)
        {
            return Self {
                builds,
                ..Self::default()
            };
        }
        let values = status.images.iter().filter_map(|image| {
            let settled = image.settled.clone()?;
            Some((image.alias.clone(), settled))
        });
        let branches = status.settled_branches.iter().map(|known| {
            let commits = known.commits.iter();
            let commits = commits.filter_map(|id| ObjectId::from_hex(id.as_bytes()).ok());
            let key = (known.repository.clone(), known.branch.clone());
            (key, commits.collect())
        });
        Self {
            values: values.collect(),
            branches: branches.collect(),
            builds,
        }
    }

    /// The tag that was in use last, if it is of this repository, with the time of its build.
    pub(super) fn last_build(&self, alias: &str, repository: &Repository) -> Option<&Candidate> {
        self.builds.last(alias, repository)
    }

    /// The value of an image, if it stood on this branch in all targets.
    pub(super) fn on(&self, branch: &BranchName, alias: &str) -> Option<&str> {
        let settled = self.values.get(alias)?;
        (settled.branch.as_deref() == Some(branch.as_str())).then_some(settled.value.as_str())
    }

    /// Whether the value of an image was written because it was pinned.
    pub(super) fn was_pinned(&self, alias: &str) -> bool {
        self.values.get(alias).is_some_and(|it| it.pinned)
    }

    /// The value of an image that stood in some Application or manifest.
    pub(super) fn somewhere(&self, alias: &str) -> Option<&str> {
        let settled = self.values.get(alias)?;
        settled.branch.is_none().then_some(settled.value.as_str())
    }

    /// The commits that show values on a branch, the last one seen at the end.
    pub(super) fn commits(&self, remote: &RemoteUrl, branch: &BranchName) -> &[ObjectId] {
        self.branches
            .get(&key(remote, branch))
            .map_or(&[], Vec::as_slice)
    }

    /// What is known after an outcome, as it stands in the status: in `images`, and in what is
    /// returned. What could not be looked at keeps what was known.
    pub(super) fn note(
        &self,
        images: &mut [ImageStatus],
        outcome: &Result<Outcome, Error>,
    ) -> Vec<SettledBranch> {
        self.builds.note(images, outcome);
        let known = match outcome {
            Ok(Outcome::Decided(attempt)) if !names_each_file(&attempt.model) => {
                self.by_commits(attempt)
            }
            Ok(Outcome::Decided(attempt)) => Self {
                values: values_of_files(images, attempt),
                ..Self::default()
            },
            Ok(Outcome::Suspended) | Err(_) => self.clone(),
        };
        for image in images {
            let now = known.values.get(&image.alias).cloned();
            image.settled = now.or_else(|| self.values.get(&image.alias).cloned());
        }
        let branches = known.branches.into_iter().take(MOST_BRANCHES);
        branches
            .map(|((repository, branch), commits)| SettledBranch {
                repository,
                branch,
                commits: commits.iter().map(ToString::to_string).collect(),
            })
            .collect()
    }

    fn by_commits(&self, attempt: &Attempt) -> Self {
        let values = values_somewhere(attempt);
        let is_news = |(alias, now): (&String, &SettledValue)| self.values.get(alias) != Some(now);
        let has_news = values.iter().any(is_news);
        let mut branches = BTreeMap::new();
        for write in &attempt.writes {
            let Some(remote) = &write.remote else {
                continue;
            };
            let commit = match &write.written {
                Ok(
                    Written::Pushed { commit, .. }
                    | Written::Nothing {
                        read: Some(commit), ..
                    },
                ) => commit,
                Ok(
                    Written::Nothing { read: None } | Written::Rehearsed | Written::Patched { .. },
                )
                | Err(_) => {
                    let own = self.branches.iter();
                    let own = own.filter(|((of, _), _)| *of == digest(remote));
                    branches.extend(own.map(|(key, commits)| (key.clone(), commits.clone())));
                    continue;
                }
            };
            let commits = self.commits_after(remote, commit, write, has_news);
            branches.insert(key(remote, &commit.branch), commits);
        }
        if attempt.writes.is_empty() {
            branches.clone_from(&self.branches);
        }
        Self {
            values,
            branches,
            ..Self::default()
        }
    }

    /// What was pushed is kept; what was only read, if there is something new to be seen there:
    /// else a status would change with each commit of others.
    fn commits_after(
        &self,
        remote: &RemoteUrl,
        seen: &Commit,
        write: &Write,
        has_news: bool,
    ) -> Vec<ObjectId> {
        let before = self.commits(remote, &seen.branch);
        let is_pushed = matches!(write.written, Ok(Written::Pushed { .. }));
        let last = match before.last() {
            Some(last) if !is_pushed && !has_news => *last,
            Some(_) | None => seen.id,
        };
        let evidence = write.plan.iter().flat_map(|plan| &plan.evidence);
        let evidence = evidence.filter_map(|look| before.get(*look).copied());
        let evidence = evidence.filter(|commit| *commit != last);
        let mut commits: Vec<ObjectId> = evidence.take(MOST_COMMITS - 1).collect();
        commits.push(last);
        commits
    }
}

/// Whether a policy names each file that it writes, so that none comes later that never had what
/// the others had.
pub(super) fn names_each_file(model: &PolicyModel) -> bool {
    let git = model.write_back.git();
    let mut targets = git.iter().flat_map(|git| &git.targets);
    model.applications.is_empty()
        && !targets.any(|it| matches!(it.format, TargetFormat::Manifests(_)))
}

fn is_pinned(alias: &str, model: &PolicyModel) -> bool {
    let mut images = model.images.iter();
    images.any(|image| image.alias == alias && image.policy.pin.is_some())
}

/// A repository in as few characters as tell it from the policy's others, as a status has it.
pub(super) fn digest(remote: &RemoteUrl) -> String {
    let digest = target_key(&remote.to_string(), "", "");
    digest.chars().take(REPOSITORY_DIGITS).collect()
}

fn key(remote: &RemoteUrl, branch: &BranchName) -> Key {
    (digest(remote), branch.to_string())
}

/// Of files that the policy names itself: what is up to date stands in all of them.
fn values_of_files(images: &[ImageStatus], attempt: &Attempt) -> BTreeMap<String, SettledValue> {
    let branch = attempt.writes.first().and_then(|it| match &it.written {
        Ok(Written::Pushed { commit, .. }) => Some(&commit.branch),
        Ok(Written::Nothing { read }) => read.as_ref().map(|read| &read.branch),
        Ok(Written::Patched { .. } | Written::Rehearsed) | Err(_) => None,
    });
    let Some(branch) = branch else {
        return BTreeMap::new();
    };
    let settled = images.iter().filter_map(|image| {
        let tag = image.selected.as_ref()?;
        let is_settled = image.state == ImageState::UpToDate;
        is_settled.then(|| {
            let value = SettledValue {
                value: value(tag, image.digest.as_ref()),
                branch: Some(branch.to_string()),
                pinned: is_pinned(&image.alias, &attempt.model),
            };
            (image.alias.clone(), value)
        })
    });
    settled.collect()
}

/// Of Applications and manifests: what stands in one of them now, unless a write failed, after
/// which it is not known where.
fn values_somewhere(attempt: &Attempt) -> BTreeMap<String, SettledValue> {
    let placements = attempt.writes.iter().flat_map(|write| {
        let placements = write.plan.iter().flat_map(|plan| &plan.placements);
        placements.map(move |placement| (write, placement))
    });
    let mut values = BTreeMap::new();
    let mut unsure = BTreeSet::new();
    for (write, placement) in placements {
        let is_written = matches!(
            write.written,
            Ok(Written::Pushed { .. } | Written::Patched { .. })
        );
        let alias = placement.alias.as_str();
        let stands = match &placement.state {
            State::UpToDate => standing(placement),
            State::Change(change) if is_written => Some(change.new.clone()),
            State::Change(_) if write.written.is_err() => {
                unsure.insert(alias);
                None
            }
            State::Change(_)
            | State::NotLive
            | State::TakenBack(_)
            | State::Refused(_)
            | State::AwaitingDigest
            | State::AwaitingLook
            | State::AwaitingPast(_)
            | State::Broken(_) => None,
        };
        if let Some(value) = stands {
            let settled = || SettledValue {
                value,
                branch: None,
                pinned: is_pinned(alias, &attempt.model),
            };
            values.entry(alias.to_owned()).or_insert_with(settled);
        }
    }
    values.retain(|alias, _| !unsure.contains(alias.as_str()));
    values
}

fn standing(placement: &Placement) -> Option<String> {
    let tag = placement.decision.as_ref()?.selected.as_ref()?;
    Some(value(tag, placement.digest.as_ref()))
}

#[cfg(test)]
mod tests;
