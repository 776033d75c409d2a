//! Turns the jobs of a batch and the files as they are into commits. Pure.
//!
//! Jobs are asked one after the other, and each sees what those before it make of the files, so
//! that two policies may write into one file. A job that can't go on leaves no trace in what the
//! others see.

use std::collections::BTreeMap;

use bytes::Bytes;
use image_update_core::message::sign_off;
use image_update_core::remote::RepoPath;
use image_update_core::template::{ImageChange, TemplateData};

use super::job::{CommitStyle, Decided, Error, Job};
use crate::git::update::{CommitDraft, Snapshot};

/// The commits of a batch.
#[derive(Debug, Default)]
pub(super) struct Composition {
    pub(super) drafts: Vec<CommitDraft>,
    /// What became of each job, in their order.
    pub(super) parts: Vec<Part>,
}

/// A job's part of a batch.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Nothing,
    Undecided,
    /// It is in the draft of this index.
    In(usize),
    Failed(Error),
}

/// A job with what it wants, not yet in a draft.
struct Wish {
    job: usize,
    files: BTreeMap<RepoPath, Vec<u8>>,
    changes: Vec<ImageChange>,
}

/// Asks every job and makes the drafts: one a job, then one for each style of shared commits.
pub(super) fn compose(jobs: &mut [Job], snapshot: &Snapshot) -> Composition {
    let mut files = snapshot.files.clone();
    let mut composition = Composition {
        drafts: Vec::new(),
        parts: vec![Part::Nothing; jobs.len()],
    };
    for group in groups(jobs) {
        let mut wishes = Vec::new();
        let before = files.clone();
        for index in group {
            let Some(job) = jobs.get_mut(index) else {
                continue;
            };
            let seen = view(job, snapshot, &files);
            composition.parts[index] = match (job.decide)(&seen) {
                Decided::Nothing => Part::Nothing,
                Decided::Undecided => Part::Undecided,
                Decided::Write {
                    files: new,
                    changes,
                } => {
                    let new_bytes = |it: (&RepoPath, &Vec<u8>)| {
                        (it.0.clone(), Some(Bytes::copy_from_slice(it.1)))
                    };
                    files.extend(new.iter().map(new_bytes));
                    wishes.push(Wish {
                        job: index,
                        files: new,
                        changes,
                    });
                    Part::In(composition.drafts.len())
                }
            };
        }
        if wishes.is_empty() {
            continue;
        }
        let members: Vec<usize> = wishes.iter().map(|wish| wish.job).collect();
        match draft(jobs, wishes) {
            Ok(draft) => composition.drafts.push(draft),
            Err(error) => {
                files = before;
                for job in members {
                    composition.parts[job] = Part::Failed(error.clone());
                }
            }
        }
    }
    composition
}

/// The jobs of each commit: those that share none first, each for itself.
fn groups(jobs: &[Job]) -> Vec<Vec<usize>> {
    let (mut single, mut shared) = (Vec::new(), Vec::<Vec<usize>>::new());
    for (index, job) in jobs.iter().enumerate() {
        if !job.style.is_shared {
            single.push(vec![index]);
            continue;
        }
        let same = |group: &&mut Vec<usize>| {
            let first = group.first().and_then(|first| jobs.get(*first));
            first.is_some_and(|first| first.style.agrees_with(&job.style))
        };
        match shared.iter_mut().find(same) {
            Some(group) => group.push(index),
            None => shared.push(vec![index]),
        }
    }
    single.append(&mut shared);
    single
}

/// What a job may look at.
fn view(job: &Job, snapshot: &Snapshot, files: &BTreeMap<RepoPath, Option<Bytes>>) -> Snapshot {
    let named = job.paths.files.iter().map(|path| (path.clone(), None));
    let there = files.iter().filter(|(path, _)| job.paths.covers(path));
    let there = there.map(|(path, content)| (path.clone(), content.clone()));
    Snapshot {
        branch: snapshot.branch.clone(),
        commit_id: snapshot.commit_id,
        files: named.chain(there).collect(),
    }
}

/// The commit of some jobs of one style.
fn draft(jobs: &[Job], wishes: Vec<Wish>) -> Result<CommitDraft, Error> {
    let members = || wishes.iter().filter_map(|wish| jobs.get(wish.job));
    let style: CommitStyle = members()
        .max_by_key(|job| job.style.author.time())
        .map(|job| job.style.clone())
        .ok_or(Error::Interrupted)?;
    let name = listed(members().map(|job| job.name.as_str()));
    let namespace = listed(members().map(|job| job.namespace.as_str()));
    let key = listed(members().map(|job| job.target_key.as_str()));
    let changes: Vec<ImageChange> = wishes.iter().flat_map(|it| it.changes.clone()).collect();
    let message = style.message.render(&TemplateData {
        app_name: &name,
        app_namespace: &namespace,
        changes: &changes,
        target_key: &key,
    });
    let message = message.map_err(Error::Message)?;
    let message = if style.sign_off {
        sign_off(&message, style.author.name(), style.author.email())
    } else {
        message
    };
    Ok(CommitDraft {
        files: wishes.into_iter().flat_map(|it| it.files).collect(),
        message,
        author: style.author,
        signing: style.signing,
    })
}

/// `a, b, c`, each once.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
