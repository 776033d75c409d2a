//! The state of each image of a policy, from what was decided about it. Pure.

use image_update_core::plan::{Placement, State, TargetProblem};
use image_update_core::policy;

use super::Attempt;
use crate::api::v1alpha1::{ImageState, ImageStatus, Reason};
use crate::controller::error::Error;
use crate::write_back::job::Outcome as Written;

/// The longest message of one image, in characters: 64 images and their history stay under
/// 64 KiB.
const LONGEST_MESSAGE: usize = 200;

/// The state of every image, in the order of the spec.
pub(super) fn statuses(attempt: &Attempt) -> Vec<ImageStatus> {
    attempt
        .images
        .iter()
        .map(|image| {
            let failure = image.tags.as_ref().err().or_else(|| {
                let mut errors = attempt.digest_errors.iter();
                errors
                    .find(|(alias, _)| *alias == image.alias)
                    .map(|(_, error)| error)
            });
            match failure {
                Some(error) => failed(&image.alias, error),
                None => placed(&image.alias, attempt),
            }
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
    let placements = attempt.plan.iter().flat_map(|plan| &plan.placements);
    let worst = placements
        .filter(|placement| placement.alias == alias)
        .max_by_key(|placement| severity(&placement.state));
    match (worst, &attempt.written) {
        (Some(placement), written) => status_of(placement, attempt.model.dry_run, written),
        (None, Err(error)) => failed(alias, error),
        (None, Ok(_)) => ImageStatus {
            alias: alias.to_owned(),
            selected: None,
            digest: None,
            current: None,
            state: ImageState::Pending,
            reason: Reason::Progressing,
            message: "not looked at yet".to_owned(),
            settled: None,
        },
    }
}

fn severity(state: &State) -> u8 {
    match state {
        State::UpToDate => 0,
        State::Change(_) => 1,
        State::AwaitingDigest => 2,
        State::TakenBack(_) => 3,
        State::Refused(_) => 4,
        State::Broken(_) => 5,
    }
}

fn status_of(
    placement: &Placement,
    dry_run: bool,
    written: &Result<Option<Written>, Error>,
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

fn cut(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}
