//! The state of each image of a policy, from what was decided about it. Pure.

use image_update_core::plan::{Placement, State, TargetProblem};
use image_update_core::policy;

use super::{Attempt, Write, Written};
use crate::api::v1alpha1::{ImageState, ImageStatus, Reason};
use crate::controller::error::Error;

/// The longest message of one image, in characters: 64 images and their history stay under
/// 64 KiB.
const LONGEST_MESSAGE: usize = 200;

/// The state of every image, in the order of the spec.
pub(super) fn statuses(attempt: &Attempt) -> Vec<ImageStatus> {
    attempt
        .images
        .iter()
        .map(|image| match &image.tags {
            Err(error) => failed(&image.alias, error),
            Ok(_) => placed(&image.alias, attempt),
        })
        .map(|status| ImageStatus {
            message: cut(&status.message),
            ..status
        })
        .collect()
}

fn failed(alias: &str, error: &Error) -> ImageStatus {
    ImageStatus {
        alias: alias.to_owned(),
        selected: None,
        digest: None,
        current: None,
        state: ImageState::Failed,
        reason: error.reason(),
        message: error.chain(),
        settled: None,
    }
}

/// The state of an image is that of its worst target.
fn placed(alias: &str, attempt: &Attempt) -> ImageStatus {
    let states = attempt
        .writes
        .iter()
        .flat_map(|write| of_write(alias, write, attempt.model.dry_run));
    let worst = states.map(|(_, status)| status);
    worst
        .max_by_key(|status| severity(status.state))
        .unwrap_or_else(|| ImageStatus {
            alias: alias.to_owned(),
            selected: None,
            digest: None,
            current: None,
            state: ImageState::Pending,
            reason: Reason::Progressing,
            message: "not looked at yet".to_owned(),
            settled: None,
        })
}

/// The states of an image at one destination, each with the Application whose it is.
pub(super) fn of_write(
    alias: &str,
    write: &Write,
    dry_run: bool,
) -> Vec<(Option<String>, ImageStatus)> {
    let unresolved = write.digest_errors.iter().find(|(of, _)| of == alias);
    if let Some((_, error)) = unresolved {
        return vec![(None, failed(alias, error))];
    }
    match (&write.plan, &write.written) {
        (None, Err(error)) => vec![(None, failed(alias, error))],
        (None, Ok(_)) => Vec::new(),
        (Some(plan), written) => plan
            .placements
            .iter()
            .filter(|placement| placement.alias == alias)
            .map(|placement| {
                let status = status_of(placement, dry_run, written);
                (placement.application.clone(), status)
            })
            .collect(),
    }
}

/// How bad a state is; of several the worst is shown.
pub(super) fn severity(state: ImageState) -> u8 {
    match state {
        ImageState::NotLive => 0,
        ImageState::UpToDate => 1,
        ImageState::Suspended => 2,
        ImageState::Pending => 3,
        ImageState::NoCandidate => 4,
        ImageState::Held => 5,
        ImageState::Failed => 6,
    }
}

fn status_of(
    placement: &Placement,
    dry_run: bool,
    written: &Result<Written, Error>,
) -> ImageStatus {
    let decision = placement.decision.as_ref();
    let selected = decision
        .and_then(|decision| decision.selected.as_ref())
        .map(ToString::to_string);
    let (state, reason, message) = match (&placement.state, written) {
        (State::UpToDate, _) => (
            ImageState::UpToDate,
            Reason::Succeeded,
            decision
                .map(|decision| decision.reason.to_string())
                .unwrap_or_default(),
        ),
        (State::Change(change), Ok(_)) if dry_run => (
            ImageState::Pending,
            Reason::DryRun,
            format!("dryRun: would write {}", change.new),
        ),
        (State::Change(change), Ok(_)) => (
            ImageState::UpToDate,
            Reason::Updated,
            format!("wrote {}", change.new),
        ),
        (State::Change(_), Err(error)) => (ImageState::Pending, error.reason(), error.chain()),
        (State::NotLive, _) => (
            ImageState::NotLive,
            Reason::NotLive,
            "the Application does not run it".to_owned(),
        ),
        (State::AwaitingDigest, _) => (
            ImageState::Pending,
            Reason::Progressing,
            "the digest is being looked up".to_owned(),
        ),
        (State::TakenBack(change), _) => (
            ImageState::Held,
            Reason::RevertedInGit,
            format!(
                "{} was taken back in git; held until a newer tag comes, the spec changes or \
                 annotation image-update.dev/release gets a new value",
                change.new
            ),
        ),
        (State::Refused(why), _) => {
            let (state, reason) = refused(why);
            (state, reason, why.to_string())
        }
        (State::Broken(problem), _) => (ImageState::Failed, broken(problem), problem.to_string()),
    };
    let current = match (&placement.state, state) {
        (State::Change(_), ImageState::UpToDate) => selected.clone(),
        _ => placement.current.clone(),
    };
    ImageStatus {
        alias: placement.alias.clone(),
        selected,
        digest: placement.digest.as_ref().map(ToString::to_string),
        current,
        state,
        reason,
        message,
        settled: None,
    }
}

fn refused(why: &policy::Reason) -> (ImageState, Reason) {
    match why {
        policy::Reason::DowngradeRefused { .. } => (ImageState::Held, Reason::DowngradeRefused),
        policy::Reason::PinUnavailable { .. }
        | policy::Reason::NoTags
        | policy::Reason::NoneEligible { .. }
        // What follows selects a tag, so it never gets here.
        | policy::Reason::RanksAbove { .. }
        | policy::Reason::UpToDate { .. }
        | policy::Reason::RanksEqual { .. }
        | policy::Reason::DowngradeAllowed { .. }
        | policy::Reason::CurrentUnreadable { .. }
        | policy::Reason::NoCurrent { .. }
        | policy::Reason::Followed { .. }
        | policy::Reason::Pinned { .. } => (ImageState::NoCandidate, Reason::NoCandidate),
    }
}

fn broken(problem: &TargetProblem) -> Reason {
    match problem {
        TargetProblem::NotFound { .. } => Reason::TargetNotFound,
        TargetProblem::Ambiguous { .. }
        | TargetProblem::Edit { .. }
        | TargetProblem::Key { .. } => Reason::InvalidTarget,
    }
}

/// Bounds what a status holds of one image or Application.
pub(super) fn cut(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}
