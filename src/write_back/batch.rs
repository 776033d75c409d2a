//! Carries out the jobs that waited together: one push for each branch they go to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use image_update_core::remote::BranchName;
use image_update_core::template::{ImageChange, TemplateData};
use tokio::sync::oneshot;
use tracing::{Span, debug};

use super::compose::{Part, compose};
use super::job::{Decided, Error, Job, Outcome};
use super::journal::{Journal, Mode};
use super::rehearsal::rehearse;
use crate::blocking;
use crate::git::error::{Error as GitError, UpdateError};
use crate::git::remote::Remote;
use crate::git::update::{Paths, Receipt, UpdateRequest};

/// A job, and who waits for it.
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) reply: oneshot::Sender<Result<Outcome, Error>>,
    /// What waits for it.
    pub(super) span: Span,
}

impl Queued {
    /// Nobody may wait any more: then the next reconciliation sees what became of the job.
    pub(super) fn answer(self, result: Result<Outcome, Error>) {
        drop(self.reply.send(result));
    }
}

/// Carries out jobs that read `branch`. Every one of them is answered.
pub(super) async fn run(
    remote: &Remote,
    branch: Option<&BranchName>,
    queued: Vec<Queued>,
    journal: Option<&Journal>,
) {
    let mut destinations: BTreeMap<Option<BranchName>, Vec<Queued>> = BTreeMap::new();
    let mut unnamed = Vec::new();
    for job in queued {
        match &job.job.push {
            None => destinations.entry(None).or_default().push(job),
            Some(template) => match template.constant() {
                Some(name) => destinations.entry(Some(name)).or_default().push(job),
                None => unnamed.push(job),
            },
        }
    }
    for (name, job) in named(remote, branch, unnamed).await {
        destinations.entry(Some(name)).or_default().push(job);
    }
    for (push, jobs) in destinations {
        match journal {
            Some(journal) if journal.mode() == Mode::Rehearse => {
                rehearse(remote, branch, push, jobs, journal).await;
            }
            Some(_) | None => write(remote, branch, push, jobs, journal).await,
        }
    }
}

/// Asks jobs what they would change, to find the names of the branches they push to. Those that
/// would change nothing, or fail, are answered.
async fn named(
    remote: &Remote,
    branch: Option<&BranchName>,
    mut jobs: Vec<Queued>,
) -> Vec<(BranchName, Queued)> {
    let snapshot = loop {
        if jobs.is_empty() {
            return Vec::new();
        }
        match remote.read(branch, &paths(&jobs)).await {
            Ok(snapshot) => break snapshot,
            Err(error) => jobs = without_failed(jobs, error),
        }
    };
    let mut named = Vec::new();
    for mut queued in jobs {
        let Job {
            name,
            namespace,
            target_key,
            push,
            decide,
            ..
        } = &mut queued.job;
        let changes = match blocking::in_place(|| decide(&snapshot)) {
            Decided::Write(edits) => edits.into_iter().flat_map(|it| it.changes),
            Decided::Nothing => {
                queued.answer(Ok(Outcome::UpToDate {
                    branch: snapshot.branch.clone(),
                    commit_id: snapshot.commit_id,
                }));
                continue;
            }
            Decided::Undecided => {
                queued.answer(Ok(Outcome::Undecided));
                continue;
            }
        };
        let changes: Vec<ImageChange> = changes.collect();
        let data = TemplateData {
            app_name: name,
            app_namespace: namespace,
            changes: &changes,
            target_key,
        };
        match push.as_ref().map(|template| template.render(&data)) {
            Some(Ok(name)) => named.push((name, queued)),
            Some(Err(error)) => queued.answer(Err(Error::Branch(error))),
            None => queued.answer(Err(Error::Interrupted)),
        }
    }
    named
}

/// Pushes the changes of all jobs at once. A job that can't go on is answered and left out, and the
/// others are tried again without it.
async fn write(
    remote: &Remote,
    branch: Option<&BranchName>,
    push: Option<BranchName>,
    mut queued: Vec<Queued>,
    journal: Option<&Journal>,
) {
    while !queued.is_empty() {
        let request = UpdateRequest {
            branch: branch.cloned(),
            push: push.clone(),
            paths: paths(&queued),
        };
        let (mut jobs, replies): (Vec<Job>, Vec<_>) = queued
            .into_iter()
            .map(|it| (it.job, (it.reply, it.span)))
            .unzip();
        let mut parts = Vec::new();
        let mut noted = None;
        let result = remote
            .update_all(&request, |snapshot| {
                let composed = blocking::in_place(|| compose(&mut jobs, snapshot));
                parts = composed.parts;
                noted = journal.map(|_| (snapshot.files.clone(), composed.drafts.clone()));
                Ok::<_, Infallible>(composed.drafts)
            })
            .await;
        queued = jobs
            .into_iter()
            .zip(replies)
            .map(|(job, (reply, span))| Queued { job, reply, span })
            .collect();
        match result {
            Ok(receipt) => {
                debug!(
                    git.remote = %remote.url(),
                    git.branch = %receipt.branch(),
                    commit.id = %receipt.commit_id(),
                    jobs = queued.len(),
                    "Carried out a batch"
                );
                if let (Some(journal), Some((before, drafts))) = (journal, noted)
                    && let Receipt::Pushed {
                        branch, commits, ..
                    } = &receipt
                {
                    journal.push(remote.url(), branch, before, drafts, commits);
                }
                for (queued, part) in queued.into_iter().zip(parts) {
                    queued.answer(outcome(part, &receipt));
                }
                return;
            }
            Err(UpdateError::Git(error)) => queued = without_failed(queued, error),
            Err(UpdateError::Build { draft, source }) => {
                queued = without_draft(queued, &parts, draft, source);
            }
            Err(UpdateError::Decide(never)) => match never {},
        }
    }
}

fn outcome(part: Part, receipt: &Receipt) -> Result<Outcome, Error> {
    let drafts = match part {
        Part::Failed(error) => return Err(error),
        Part::Undecided => return Ok(Outcome::Undecided),
        Part::Nothing => 0..0,
        Part::In(drafts) => drafts,
    };
    let branch = receipt.branch().clone();
    if let Receipt::Pushed {
        commits, attempts, ..
    } = receipt
        && let Some(own) = commits.get(drafts)
        && let Some(commit_id) = own.iter().flatten().last()
    {
        return Ok(Outcome::Written {
            commit_id: *commit_id,
            branch,
            attempts: *attempts,
        });
    }
    Ok(Outcome::UpToDate {
        branch,
        commit_id: receipt.commit_id(),
    })
}

/// Every file that a job looks at, once.
pub(super) fn paths(jobs: &[Queued]) -> Paths {
    Paths::union(jobs.iter().map(|queued| &queued.job.paths))
}

/// Answers the jobs that an error is about: all of them, unless it is about a path.
pub(super) fn without_failed(jobs: Vec<Queued>, error: GitError) -> Vec<Queued> {
    let error = Arc::new(error);
    let is_concerned = |queued: &Queued| {
        let paths = &queued.job.paths;
        if let GitError::Path { path, .. } = &*error {
            paths.any_is_at(path)
        } else if let GitError::TooManyFiles { folder, .. } = &*error {
            paths.folders.contains(folder)
        } else {
            true
        }
    };
    let nobody = !jobs.iter().any(is_concerned);
    let (failed, rest): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .partition(|queued| nobody || is_concerned(queued));
    for queued in failed {
        queued.answer(Err(Error::Git(Arc::clone(&error))));
    }
    rest
}

/// Answers the jobs of a draft that can't become a commit.
fn without_draft(jobs: Vec<Queued>, parts: &[Part], draft: usize, error: GitError) -> Vec<Queued> {
    let error = Arc::new(error);
    let mut rest = Vec::new();
    for (queued, part) in jobs.into_iter().zip(parts) {
        match part {
            Part::In(drafts) if drafts.contains(&draft) => {
                queued.answer(Err(Error::Git(Arc::clone(&error))));
            }
            Part::Failed(error) => queued.answer(Err(error.clone())),
            Part::In(_) | Part::Nothing | Part::Undecided => rest.push(queued),
        }
    }
    rest
}
