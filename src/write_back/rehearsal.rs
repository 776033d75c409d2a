//! Does with jobs all that a batch does, but for the push.

use image_update_core::remote::BranchName;

use super::batch::{Queued, paths, without_failed};
use super::compose::{Part, compose};
use super::job::{Job, Outcome};
use super::journal::Journal;
use crate::blocking;
use crate::git::remote::Remote;
use crate::git::update::UpdateRequest;

/// Composes the commits that a push of these jobs would have, and notes them. Every job is answered.
pub(super) async fn rehearse(
    remote: &Remote,
    branch: Option<&BranchName>,
    push: Option<BranchName>,
    mut queued: Vec<Queued>,
    journal: &Journal,
) {
    while !queued.is_empty() {
        let request = UpdateRequest {
            branch: branch.cloned(),
            push: push.clone(),
            paths: paths(&queued),
        };
        let (mut snapshot, written) = match remote.preview(&request).await {
            Ok(preview) => preview,
            Err(error) => {
                queued = without_failed(queued, error);
                continue;
            }
        };
        journal.overlay(remote.url(), &written, &mut snapshot.files);
        let (mut jobs, waiting): (Vec<Job>, Vec<_>) = queued
            .into_iter()
            .map(|it| (it.job, (it.reply, it.span)))
            .unzip();
        let composed = blocking::in_place(|| compose(&mut jobs, &snapshot));
        // First, because whoever is answered may end and look at the journal.
        journal.push(remote.url(), &written, snapshot.files, composed.drafts, &[]);
        let jobs = jobs.into_iter().zip(waiting).zip(composed.parts);
        for ((job, (reply, span)), part) in jobs {
            Queued { job, reply, span }.answer(match part {
                Part::Nothing => Ok(Outcome::UpToDate {
                    branch: snapshot.branch.clone(),
                    commit_id: snapshot.commit_id,
                }),
                Part::Undecided => Ok(Outcome::Undecided),
                Part::In(_) => Ok(Outcome::Rehearsed),
                Part::Failed(error) => Err(error),
            });
        }
        return;
    }
}
