//! The state of each image of a policy, from what was decided about it. Pure.

use image_update_core::plan::{Placement, State, TargetProblem, Withheld};
use image_update_core::policy::{self, Refusal};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::gather::Gathered;
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
        .map(|image| failure(image, attempt).unwrap_or_else(|| placed(&image.alias, attempt)))
        .map(|status| ImageStatus {
            message: cut(&status.message),
            ..status
        })
        .collect()
}

/// The state of an image of which nothing can be decided, wherever it stands.
pub(super) fn failure(image: &Gathered, attempt: &Attempt) -> Option<ImageStatus> {
    let of_lookup = || {
        let mut errors = attempt.lookup_errors.iter();
        let (_, error) = errors.find(|(alias, _)| *alias == image.alias)?;
        Some(error.as_ref())
    };
    let error = image.tags.as_ref().err().or_else(of_lookup)?;
    Some(failed(&image.alias, error))
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
        held_until: None,
        settled: None,
        last_build: None,
    }
}

/// The state of an image is that of its worst target.
fn placed(alias: &str, attempt: &Attempt) -> ImageStatus {
    let states = attempt
        .writes
        .iter()
        .flat_map(|write| of_write(alias, write, attempt.model.dry_run));
    let mut states: Vec<ImageStatus> = states.map(|(_, status)| status).collect();
    let until = states.iter_mut().filter_map(|it| it.held_until.take());
    let until = until.min_by_key(|until| until.0);
    let worst = states.into_iter().max_by_key(|it| severity(it.state));
    let Some(worst) = worst else {
        return ImageStatus {
            alias: alias.to_owned(),
            selected: None,
            digest: None,
            current: None,
            state: ImageState::Pending,
            reason: Reason::Progressing,
            message: "not looked at yet".to_owned(),
            held_until: None,
            settled: None,
            last_build: None,
        };
    };
    ImageStatus {
        held_until: until,
        ..worst
    }
}

/// The states of an image at one destination, each with the Application whose it is.
pub(super) fn of_write(
    alias: &str,
    write: &Write,
    dry_run: bool,
) -> Vec<(Option<String>, ImageStatus)> {
    match (&write.plan, &write.written) {
        (None, Err(error)) => vec![(None, failed(alias, error))],
        (None, Ok(_)) => Vec::new(),
        (Some(plan), _) => plan
            .placements
            .iter()
            .filter(|placement| placement.alias == alias)
            .map(|placement| {
                let status = status_of(placement, dry_run, write);
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

fn status_of(placement: &Placement, dry_run: bool, write: &Write) -> ImageStatus {
    let decision = placement.decision.as_ref();
    let selected = decision
        .and_then(|decision| decision.selected.as_ref())
        .map(ToString::to_string);
    let (state, reason, message) = verdict(placement, dry_run, write);
    let current = match (&placement.state, state) {
        (State::Change(_), ImageState::UpToDate) => selected.clone(),
        _ => placement.current.clone(),
    };
    let until = placement.withheld.iter();
    let until = until.filter_map(|withheld| withheld.refusal.until()).min();
    ImageStatus {
        alias: placement.alias.clone(),
        selected,
        digest: placement.digest.as_ref().map(ToString::to_string),
        current,
        state,
        reason,
        message,
        held_until: until.map(Time),
        settled: None,
        last_build: None,
    }
}

/// The state of an image in one target, why it is that, and that in words.
fn verdict(placement: &Placement, dry_run: bool, write: &Write) -> (ImageState, Reason, String) {
    let decision = placement.decision.as_ref();
    match (&placement.state, &write.written) {
        (State::UpToDate, _) if placement.withheld.iter().any(is_held) => {
            (ImageState::Held, Reason::TooYoung, withheld(placement))
        }
        (State::UpToDate, _) => (
            ImageState::UpToDate,
            Reason::Succeeded,
            join(
                decision.map(|decision| decision.reason.to_string()),
                placement,
            ),
        ),
        (State::Change(change), Ok(Written::Rehearsed)) => (
            ImageState::Pending,
            Reason::DryRun,
            join(Some(format!("would write {}", change.new)), placement),
        ),
        (State::Change(change), Ok(_)) if dry_run => (
            ImageState::Pending,
            Reason::DryRun,
            join(
                Some(format!("dryRun: would write {}", change.new)),
                placement,
            ),
        ),
        (State::Change(change), Ok(_)) => (
            ImageState::UpToDate,
            Reason::Updated,
            join(Some(format!("wrote {}", change.new)), placement),
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
        (State::AwaitingLook, _) => (
            ImageState::Pending,
            Reason::Progressing,
            "the images behind the tags are being looked at".to_owned(),
        ),
        (State::AwaitingPast(_), _) => (
            ImageState::Pending,
            Reason::Progressing,
            "it is being looked whether somebody took it back".to_owned(),
        ),
        (State::TakenBack(change), _) => {
            let (reason, place) = match write.remote {
                Some(_) => (Reason::RevertedInGit, "git"),
                None => (Reason::RevertedInApplication, "the Application"),
            };
            let message = format!(
                "{} was taken back in {place}; held until a newer tag comes, the spec changes or \
                 annotation image-update.dev/release gets a new value",
                change.new
            );
            (ImageState::Held, reason, message)
        }
        (State::Refused(why), _) => {
            let (state, reason) = refused(why, placement);
            let message = if matches!(why, policy::Reason::Withheld { .. }) {
                withheld(placement)
            } else {
                why.to_string()
            };
            (state, reason, message)
        }
        (State::Broken(problem), _) => (ImageState::Failed, broken(problem), problem.to_string()),
    }
}

/// What is said of the tags that a check refuses: one of them, and how many more there are.
fn withheld(placement: &Placement) -> String {
    let Some(told) = most_telling(placement) else {
        return String::new();
    };
    let said = format!("{} {}", told.tag, told.refusal);
    match placement.withheld.len() {
        1 => said,
        count => format!("{said}; {} more are refused", count - 1),
    }
}

/// The best of the tags that are held, of which one wants to hear first because they come to be
/// written; else the best one.
fn most_telling(placement: &Placement) -> Option<&Withheld> {
    let withheld = &placement.withheld;
    withheld
        .iter()
        .find(|it| is_held(it))
        .or_else(|| withheld.first())
}

/// A message with what is said of withheld tags behind it.
fn join(message: Option<String>, placement: &Placement) -> String {
    let parts = [message, Some(withheld(placement))];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("; ")
}

/// Whether time alone will let the tag through.
fn is_held(withheld: &Withheld) -> bool {
    withheld.refusal.until().is_some()
}

fn refused(why: &policy::Reason, placement: &Placement) -> (ImageState, Reason) {
    match why {
        policy::Reason::DowngradeRefused { .. } => (ImageState::Held, Reason::DowngradeRefused),
        policy::Reason::Withheld { .. } => match most_telling(placement).map(|it| &it.refusal) {
            Some(Refusal::TooYoung { .. }) => (ImageState::Held, Reason::TooYoung),
            Some(Refusal::Gone) => (ImageState::NoCandidate, Reason::TagNotFound),
            Some(Refusal::PlatformMissing(_)) => {
                (ImageState::NoCandidate, Reason::PlatformMissing)
            }
            // It is there where something is withheld.
            None => (ImageState::NoCandidate, Reason::NoCandidate),
        },
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
        TargetProblem::NotFound { .. } | TargetProblem::NoneConcerned { .. } => {
            Reason::TargetNotFound
        }
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
