//! Turns an outcome into status, events and the time of the next look. Pure.

use std::time::Duration;

use image_update_core::plan::Plan;
use image_update_core::schedule;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;

use super::gather::INLINE_SCAN_INTERVAL;
use super::settled::Settled;
use super::{Outcome, Write, Written, all_well, applications, images};
use crate::api::v1alpha1::annotations;
use crate::api::v1alpha1::{
    ApplicationCounts, Attention, ImageState, ImageStatus, ImageUpdatePolicy,
    ImageUpdatePolicyStatus, LastWrite, PolicySummary, Reason, WriteRecord,
};
use crate::api::validate::{self, ImageSource};
use crate::controller::conditions::{self, Health, Verdict};
use crate::controller::error::{Disposition, Error};
use crate::controller::events::{self, Notice};

/// How many writes a status remembers.
const HISTORY_LENGTH: usize = 10;

/// How long after the end of a hold the policy is looked at: rounding must not make it a look too
/// early, which would be followed by another one.
const AFTER_HOLD: Duration = Duration::from_millis(100);

/// The most writes of one look that are an event each; with what else is told they stay below what
/// is kept while nothing can be told.
const MOST_TOLD: usize = 30;

/// The longest line of the history, in characters.
const LONGEST_RECORD: usize = 200;

/// What follows from an outcome.
pub(super) struct Report {
    pub(super) status: ImageUpdatePolicyStatus,
    pub(super) notices: Vec<Notice>,
    pub(super) action: Action,
    /// Whether the `Ready` reason changed.
    pub(super) is_news: bool,
    /// Whether all is well.
    pub(super) health: Health,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Report {
    pub(super) fn new(
        policy: &ImageUpdatePolicy,
        previous: Option<&ImageUpdatePolicyStatus>,
        settled: &Settled,
        outcome: &Result<Outcome, Error>,
        failures: u32,
        now: Timestamp,
    ) -> Self {
        let old = previous.cloned().unwrap_or_default();
        let mut images = image_statuses(policy, &old, outcome);
        let settled_branches = settled.note(&mut images, outcome);
        let verdict = verdict(outcome, &images);
        let applications = match outcome {
            Ok(Outcome::Decided(attempt)) => applications::summarise(attempt, &old.attention, now),
            Ok(Outcome::Suspended) => {
                let known = old
                    .applications
                    .map(|counts| (counts, old.attention.clone()));
                known.filter(|_| !policy.spec.applications.is_empty())
            }
            Err(error) => {
                let known = old.applications.map(|counts| {
                    applications::with_error_of_policy(error, counts, &old.attention)
                });
                known.filter(|_| !policy.spec.applications.is_empty())
            }
        };
        let ready = old
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let before = ready.map(|ready| (ready.reason.as_str(), ready.message.as_str()));
        let held_until = images.iter().filter_map(|image| image.held_until.as_ref());
        let held_until = held_until.map(|time| time.0).min();
        let action = delay(policy, outcome, held_until, failures, now)
            .map_or_else(Action::await_change, Action::requeue);

        if let Some(status) = previous.filter(|old| is_only_waiting(policy, old, outcome)) {
            return Self::unchanged(status, action, &verdict);
        }
        let is_news = before.is_none_or(|(reason, _)| reason != verdict.reason.as_str());
        let mut notices: Vec<Notice> = events::warning(before, &verdict).into_iter().collect();
        let mut status = ImageUpdatePolicyStatus {
            observed_generation: policy.metadata.generation,
            conditions: conditions(policy, &old, &verdict, now),
            summary: Some(summary(&images, applications.as_ref())),
            images,
            settled_branches,
            attention: match &applications {
                Some((_, attention)) => attention.clone(),
                None => Vec::new(),
            },
            attention_omitted: applications.as_ref().map_or(0, applications::omitted),
            applications: applications.map(|(counts, _)| counts),
            last_handled_reconcile_at: annotations::requested_at(&policy.metadata)
                .map(str::to_owned),
            last_handled_release: annotations::released(&policy.metadata).map(str::to_owned),
            ..old
        };
        if let Ok(Outcome::Decided(attempt)) = outcome {
            let written = attempt.writes.iter();
            let written = written.filter_map(|write| record(&mut status, write, now));
            notices.extend(told(written.collect()));
        }
        Self {
            status,
            notices,
            action,
            is_news,
            health: verdict.health,
            reason: verdict.reason,
            message: verdict.message,
        }
    }

    fn unchanged(status: &ImageUpdatePolicyStatus, action: Action, verdict: &Verdict) -> Self {
        Self {
            status: status.clone(),
            notices: Vec::new(),
            action,
            is_news: false,
            health: verdict.health,
            reason: verdict.reason,
            message: verdict.message.clone(),
        }
    }
}

/// The conditions of `verdict`, and that of the annotations that the policy was made from.
fn conditions(
    policy: &ImageUpdatePolicy,
    old: &ImageUpdatePolicyStatus,
    verdict: &Verdict,
    now: Timestamp,
) -> Vec<Condition> {
    let generation = policy.metadata.generation;
    let mut all = conditions::merge(&old.conditions, verdict, generation, now);
    let problems = annotations::problems(&policy.metadata);
    let about_annotations =
        conditions::invalid_annotations(&old.conditions, problems, generation, now);
    all.extend(about_annotations);
    all
}

/// Whether the reconciliation failed in a way that is worth counting for the back-off.
pub(super) fn is_failure(outcome: &Result<Outcome, Error>) -> bool {
    errors(outcome).any(|error| match error.disposition() {
        Disposition::Retry | Disposition::RetryAfter(_) => true,
        Disposition::Stall | Disposition::Wait => false,
    })
}

/// Everything that went wrong, the gravest first.
pub(super) fn errors(outcome: &Result<Outcome, Error>) -> Box<dyn Iterator<Item = &Error> + '_> {
    match outcome {
        Err(error) => Box::new(std::iter::once(error)),
        Ok(Outcome::Suspended) => Box::new(std::iter::empty()),
        Ok(Outcome::Decided(attempt)) => {
            let images = attempt
                .images
                .iter()
                .filter_map(|image| image.tags.as_ref().err());
            let writes = attempt.writes.iter();
            let written = writes.filter_map(|write| write.written.as_ref().err());
            let refused = attempt.refused.iter().map(|(_, error)| error);
            let lookups = attempt.lookup_errors.iter().map(|(_, it)| it.as_ref());
            Box::new(written.chain(refused).chain(images).chain(lookups))
        }
    }
}

/// Just after a start the tags are not known yet. That is no news about the policy, so what was
/// said before stands until they are, and what is asked for is not done before.
fn is_only_waiting(
    policy: &ImageUpdatePolicy,
    old: &ImageUpdatePolicyStatus,
    outcome: &Result<Outcome, Error>,
) -> bool {
    waits_for_tags(outcome)
        && !has_written(outcome)
        && old.observed_generation == policy.metadata.generation
}

/// Whether something was written: that is to be told whatever else is waited for.
fn has_written(outcome: &Result<Outcome, Error>) -> bool {
    let Ok(Outcome::Decided(attempt)) = outcome else {
        return false;
    };
    let mut writes = attempt.writes.iter();
    writes.any(|write| {
        matches!(
            write.written,
            Ok(Written::Pushed { .. } | Written::Patched { .. })
        )
    })
}

/// Whether all that is wrong is that tags are not known yet.
pub(super) fn waits_for_tags(outcome: &Result<Outcome, Error>) -> bool {
    let mut errors = errors(outcome).peekable();
    errors.peek().is_some()
        && errors.all(|error| matches!(error, Error::WatchNotReady { why: None, .. }))
}

fn image_statuses(
    policy: &ImageUpdatePolicy,
    old: &ImageUpdatePolicyStatus,
    outcome: &Result<Outcome, Error>,
) -> Vec<ImageStatus> {
    match outcome {
        Ok(Outcome::Decided(attempt)) => images::statuses(attempt),
        Ok(Outcome::Suspended) => carried_over(policy, old, |image| ImageStatus {
            state: ImageState::Suspended,
            reason: Reason::Suspended,
            message: "the policy is suspended".to_owned(),
            held_until: None,
            ..image
        }),
        Err(error) => carried_over(policy, old, |image| ImageStatus {
            state: ImageState::Failed,
            reason: error.reason(),
            message: "nothing is decided while the policy itself has an error".to_owned(),
            // It would be waited for although nothing follows from its end.
            held_until: None,
            ..image
        }),
    }
}

/// One entry per image of the spec, with what was known of it before.
fn carried_over(
    policy: &ImageUpdatePolicy,
    old: &ImageUpdatePolicyStatus,
    describe: impl Fn(ImageStatus) -> ImageStatus,
) -> Vec<ImageStatus> {
    let image = |alias: &str| {
        let known = old
            .images
            .iter()
            .find(|image| image.alias == alias)
            .cloned();
        known.unwrap_or_else(|| ImageStatus {
            alias: alias.to_owned(),
            selected: None,
            digest: None,
            current: None,
            state: ImageState::Pending,
            reason: Reason::Progressing,
            message: String::new(),
            held_until: None,
            settled: None,
            last_build: None,
        })
    };
    policy
        .spec
        .images
        .iter()
        .map(|spec| describe(image(&spec.alias)))
        .collect()
}

fn verdict(outcome: &Result<Outcome, Error>, images: &[ImageStatus]) -> Verdict {
    if let Ok(Outcome::Suspended) = outcome {
        return Verdict {
            health: Health::Ready,
            reason: Reason::Suspended,
            message: "suspended: nothing is written until it is resumed (spec.suspend, annotation \
                      image-update.dev/suspend)"
                .to_owned(),
        };
    }
    if let Some(error) = errors(outcome).next() {
        return Verdict {
            health: error.health(),
            reason: error.reason(),
            message: error.chain(),
        };
    }
    let is_waiting = |image: &ImageStatus| image.reason == Reason::TooYoung;
    let worst = images.iter().find(|image| match image.state {
        ImageState::Held => !is_waiting(image),
        ImageState::Failed | ImageState::NoCandidate => true,
        ImageState::UpToDate
        | ImageState::NotLive
        | ImageState::Pending
        | ImageState::Suspended => false,
    });
    if let Some(image) = worst {
        return Verdict {
            health: Health::Waiting,
            reason: image.reason,
            message: format!("{}: {}", image.alias, image.message),
        };
    }
    let pending: Vec<&str> = images
        .iter()
        .filter(|image| image.state == ImageState::Pending)
        .map(|image| image.alias.as_str())
        .collect();
    let waiting = images.iter().find(|image| is_waiting(image));
    if let (true, Some(image)) = (pending.is_empty(), waiting) {
        return Verdict {
            health: Health::Ready,
            reason: Reason::TooYoung,
            message: format!("{}: {}", image.alias, image.message),
        };
    }
    if pending.is_empty() {
        return all_well::verdict(images);
    }
    Verdict {
        health: Health::Ready,
        reason: Reason::DryRun,
        message: format!("dryRun: would update {}", pending.join(", ")),
    }
}

fn summary(
    images: &[ImageStatus],
    applications: Option<&(ApplicationCounts, Vec<Attention>)>,
) -> PolicySummary {
    let up_to_date = images
        .iter()
        .filter(|image| image.state == ImageState::UpToDate)
        .count();
    PolicySummary {
        images: format!("{up_to_date}/{}", images.len()),
        applications: match applications {
            Some((counts, _)) => format!("{}/{}", counts.up_to_date, counts.matched),
            None => "-".to_owned(),
        },
    }
}

/// When the policy is looked at again; `None` while it is suspended.
fn delay(
    policy: &ImageUpdatePolicy,
    outcome: &Result<Outcome, Error>,
    held_until: Option<Timestamp>,
    failures: u32,
    now: Timestamp,
) -> Option<Duration> {
    let seed = schedule::seed(&policy.metadata.uid);
    let mut interval = validate::interval_or_default(&policy.spec.interval);
    if let Ok(Outcome::Suspended) = outcome {
        return None;
    }
    if let Ok(Outcome::Decided(attempt)) = outcome
        && attempt
            .model
            .images
            .iter()
            .any(|image| matches!(image.source, ImageSource::Inline(_)))
    {
        interval = interval.min(INLINE_SCAN_INTERVAL);
    }
    let delays = errors(outcome).map(|error| match error.disposition() {
        Disposition::Stall | Disposition::Wait => schedule::with_jitter(interval, seed),
        Disposition::Retry => schedule::retry_after(failures, interval, seed),
        Disposition::RetryAfter(wait) => wait.max(Duration::from_secs(1)),
    });
    let delay = delays
        .min()
        .unwrap_or_else(|| schedule::with_jitter(interval, seed));
    let held = held_until.map(|until| {
        let left = until.duration_since(now).max(SignedDuration::ZERO);
        left.unsigned_abs() + AFTER_HOLD
    });
    Some(held.map_or(delay, |held| held.min(delay)))
}

/// Puts what was written into the status; returns the event that tells of it.
fn record(status: &mut ImageUpdatePolicyStatus, write: &Write, now: Timestamp) -> Option<Notice> {
    let line = changes_line(write);
    let (write, place, action) = match &write.written {
        Ok(Written::Pushed { commit, .. }) => {
            let (id, branch) = (&commit.id, &commit.branch);
            let remote = write.remote.as_ref().map(ToString::to_string);
            let record = LastWrite {
                time: Time(now),
                commit: Some(id.to_string()),
                branch: Some(branch.to_string()),
                repository: remote.clone(),
                application: None,
                changes: count_changes(write),
            };
            let remote = remote.unwrap_or_default();
            (
                record,
                format!("commit {id} on {branch} of {remote}"),
                "Push",
            )
        }
        Ok(Written::Patched { application }) => {
            let record = LastWrite {
                time: Time(now),
                commit: None,
                branch: None,
                repository: None,
                application: Some(application.clone()),
                changes: count_changes(write),
            };
            (record, format!("Application {application}"), "Patch")
        }
        Ok(Written::Nothing { .. } | Written::Rehearsed) | Err(_) => return None,
    };
    remember(status, write, &line);
    Some(Notice {
        type_: EventType::Normal,
        reason: Reason::Updated,
        action,
        note: format!("{line} ({place})"),
    })
}

/// Bounds what is told of one look: a policy may have patched thousands of Applications, and they are
/// told themselves.
fn told(mut written: Vec<Notice>) -> Vec<Notice> {
    let more = written.len().saturating_sub(MOST_TOLD);
    written.truncate(MOST_TOLD);
    if let Some(last) = written.last().filter(|_| more > 0) {
        let last = Notice {
            note: format!("and {more} more"),
            ..last.clone()
        };
        written.push(last);
    }
    written
}

/// `web: 6.7.0 -> 6.7.1, worker: 1 -> 2`.
pub(super) fn changes_line(write: &Write) -> String {
    let changes = write.plan.iter().flat_map(Plan::changes);
    let lines: Vec<String> = changes
        .map(|(placement, change)| match &change.old {
            Some(old) => format!("{}: {old} -> {}", placement.alias, change.new),
            None => format!("{}: {}", placement.alias, change.new),
        })
        .collect();
    lines.join(", ")
}

fn count_changes(write: &Write) -> u32 {
    let count = write.plan.iter().flat_map(Plan::changes).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn remember(status: &mut ImageUpdatePolicyStatus, write: LastWrite, line: &str) {
    let record = WriteRecord {
        time: write.time.clone(),
        commit: write.commit.clone(),
        application: write.application.clone(),
        message: line.chars().take(LONGEST_RECORD).collect(),
    };
    status.history.insert(0, record);
    status.history.truncate(HISTORY_LENGTH);
    status.last_write = Some(write);
}

#[cfg(test)]
mod tests;
