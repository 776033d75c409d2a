//! Turns the jobs of a batch and the files as they are into commits. Pure.
//!
//! Jobs are asked one after the other, and each sees what those before it make of the files, so
//! that two policies may write into one file. A job that can't go on leaves no trace in what the
//! others see.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use image_update_core::message::sign_off;
use image_update_core::remote::RepoPath;
use image_update_core::template::{ImageChange, TemplateData};

use super::job::{CommitStyle, Decided, Edit, Error, Job};
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
    /// It is in the drafts of these indices.
    In(Range<usize>),
    Failed(Error),
}

/// What a job wants, not yet in a draft.
struct Wish {
    job: usize,
    edit: Edit,
}

/// Asks every job and makes the drafts: those of each job, then one for each style of shared
/// commits.
pub(super) fn compose(jobs: &mut [Job], snapshot: &Snapshot) -> Composition {
    let mut files = snapshot.files.clone();
    let mut composition = Composition {
        drafts: Vec::new(),
        parts: vec![Part::Nothing; jobs.len()],
    };
    for group in groups(jobs) {
        let mut wishes = Vec::new();
        let mut before = Vec::new();
        for index in group {
            let Some(job) = jobs.get_mut(index) else {
                continue;
            };
            let seen = view(job, snapshot, &files);
            match (job.decide)(&seen) {
                Decided::Nothing => composition.parts[index] = Part::Nothing,
                Decided::Undecided => composition.parts[index] = Part::Undecided,
                Decided::Write(edits) => {
                    for edit in edits {
                        for (path, content) in &edit.files {
                            let content = Some(Bytes::copy_from_slice(content));
                            let old = files.insert(path.clone(), content).flatten();
                            before.push((path.clone(), old));
                        }
                        wishes.push(Wish { job: index, edit });
                    }
                }
            }
        }
        let members: Vec<usize> = wishes.iter().map(|wish| wish.job).collect();
        let from = composition.drafts.len();
        let result = drafts(jobs, wishes).map(|drafts| composition.drafts.extend(drafts));
        let part = match result {
            Ok(()) => Part::In(from..composition.drafts.len()),
            Err(error) => {
                // The last change is undone first.
                files.extend(before.into_iter().rev());
                Part::Failed(error)
            }
        };
        for job in members {
            composition.parts[job] = part.clone();
        }
    }
    composition
}

/// The drafts of a group: one where commits are shared, else one for each wish.
fn drafts(jobs: &[Job], wishes: Vec<Wish>) -> Result<Vec<CommitDraft>, Error> {
    let is_shared = |wish: &Wish| jobs.get(wish.job).is_some_and(|job| job.style.is_shared);
    if wishes.first().is_some_and(is_shared) {
        return draft(jobs, wishes).map(|draft| vec![draft]);
    }
    wishes
        .into_iter()
        .map(|wish| draft(jobs, vec![wish]))
        .collect()
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
    let named = job.paths.files.iter().map(|path| {
        let content = files.get(path).cloned().flatten();
        (path.clone(), content)
    });
    let mut seen: BTreeMap<_, _> = named.collect();
    if !job.paths.folders.is_empty() {
        let in_folders = files.iter().filter(|(path, _)| job.paths.folds(path));
        seen.extend(in_folders.map(|(path, content)| (path.clone(), content.clone())));
    }
    Snapshot {
        branch: snapshot.branch.clone(),
        commit_id: snapshot.commit_id,
        files: seen,
    }
}

/// One commit of wishes whose jobs have one style.
fn draft(jobs: &[Job], wishes: Vec<Wish>) -> Result<CommitDraft, Error> {
    let members = || wishes.iter().filter_map(|wish| jobs.get(wish.job));
    let style: CommitStyle = members()
        .max_by_key(|job| job.style.author.time())
        .map(|job| job.style.clone())
        .ok_or(Error::Interrupted)?;
    let subjects = || {
        wishes.iter().filter_map(|wish| {
            let job = jobs.get(wish.job)?;
            let own = (job.namespace.as_str(), job.name.as_str());
            let application = wish.edit.application.as_ref();
            Some(application.map_or(own, |(namespace, name)| (namespace, name)))
        })
    };
    let name = listed(subjects().map(|(_, name)| name));
    let namespace = listed(subjects().map(|(namespace, _)| namespace));
    let key = listed(members().map(|job| job.target_key.as_str()));
    let changes: Vec<ImageChange> = wishes
        .iter()
        .flat_map(|it| it.edit.changes.clone())
        .collect();
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
        files: wishes.into_iter().flat_map(|it| it.edit.files).collect(),
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
