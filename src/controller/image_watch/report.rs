//! Turns the outcome of a scan into status, events and the time of the next one. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use image_update_core::image::Tag;
use image_update_core::latest::latest;
use image_update_core::schedule;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;

use super::Outcome;
use crate::api::v1alpha1::annotations;
use crate::api::v1alpha1::{ImageWatch, ImageWatchStatus, LastScan, Reason, WatchSummary};
use crate::api::validate::{self, WatchModel};
use crate::controller::conditions::{self, Health, Verdict};
use crate::controller::error::{Disposition, Error};
use crate::controller::events::{self, Notice};
use crate::controller::tags::{Scan, WatchedTags};

/// How many of the newest tags a status names.
const LATEST_TAGS: usize = 10;

/// A scan that succeeded.
pub(super) struct Scanned {
    /// The spec.
    pub(super) model: WatchModel,
    /// The scan, whoever did it.
    pub(super) scan: Scan,
    /// The tags that are left.
    pub(super) tags: WatchedTags,
    /// Whether they differ from what was stored.
    pub(super) changed: bool,
    /// How long ago the scan ended, which may have been somebody else's.
    pub(super) age: Duration,
}

impl Scanned {
    /// The requests that this watch caused.
    pub(super) fn requests(&self) -> u32 {
        match &self.scan.outcome {
            Ok(list) if self.scan.own => list.requests,
            Ok(_) | Err(_) => 0,
        }
    }
}

/// What follows from an outcome.
pub(super) struct Report {
    pub(super) status: ImageWatchStatus,
    pub(super) notices: Vec<Notice>,
    pub(super) action: Action,
    /// Whether the tags differ from those of the scan before.
    pub(super) has_new_tags: bool,
    /// Whether policies that refer to the watch may decide otherwise once the status is written.
    pub(super) concerns_policies: bool,
    /// Whether the `Ready` reason changed.
    pub(super) is_news: bool,
    /// Whether all is well.
    pub(super) health: Health,
}

impl Report {
    pub(super) fn new(
        watch: &ImageWatch,
        previous: Option<&ImageWatchStatus>,
        outcome: &Result<Outcome, Error>,
        failures: u32,
        now: Timestamp,
    ) -> Self {
        let old = previous.cloned().unwrap_or_default();
        let verdict = verdict(outcome);
        let delay = delay(watch, outcome, failures);
        let mut status = ImageWatchStatus {
            observed_generation: watch.metadata.generation,
            conditions: conditions::merge(
                &old.conditions,
                &verdict,
                watch.metadata.generation,
                now,
            ),
            last_handled_reconcile_at: annotations::requested_at(&watch.metadata)
                .map(str::to_owned),
            next_scan_time: delay
                .and_then(|delay| now.checked_add(delay).ok())
                .map(Time),
            ..old.clone()
        };
        let mut changed = false;
        if let Ok(Outcome::Scanned(scanned)) = outcome {
            changed = scanned.changed;
            describe(scanned, &mut status);
        }
        let ready = old
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let before = ready.map(|ready| (ready.reason.as_str(), ready.message.as_str()));
        let is_news = before.is_none_or(|(reason, _)| reason != verdict.reason.as_str());
        Self {
            notices: events::warning(before, &verdict).into_iter().collect(),
            action: delay.map_or_else(Action::await_change, Action::requeue),
            has_new_tags: changed,
            concerns_policies: changed
                || is_news
                || old.observed_generation != watch.metadata.generation,
            is_news,
            health: verdict.health,
            status,
        }
    }
}

fn verdict(outcome: &Result<Outcome, Error>) -> Verdict {
    match outcome {
        Ok(Outcome::Suspended) => Verdict {
            health: Health::Ready,
            reason: Reason::Suspended,
            message: "suspended: not scanned until it is resumed (spec.suspend, annotation \
                      image-update.dev/suspend)"
                .to_owned(),
        },
        Ok(Outcome::Scanned(scanned)) => Verdict {
            health: Health::Ready,
            reason: Reason::Succeeded,
            message: summary(&scanned.tags),
        },
        Err(error) => Verdict {
            health: error.health(),
            reason: error.reason(),
            message: error.chain(),
        },
    }
}

fn summary(tags: &WatchedTags) -> String {
    match tags.tags.len() {
        0 => "the repository has no tags".to_owned(),
        1 => "1 tag".to_owned(),
        count => format!("{count} tags"),
    }
}

/// When the watch is looked at again; `None` while it is suspended.
fn delay(watch: &ImageWatch, outcome: &Result<Outcome, Error>, failures: u32) -> Option<Duration> {
    let seed = schedule::seed(&watch.metadata.uid);
    match outcome {
        Ok(Outcome::Suspended) => None,
        Ok(Outcome::Scanned(scanned)) => {
            let due = schedule::with_jitter(scanned.model.interval, seed);
            Some(due.saturating_sub(scanned.age))
        }
        Err(error) => {
            let interval = validate::interval_or_default(&watch.spec.interval);
            Some(match error.disposition() {
                Disposition::Stall => schedule::with_jitter(interval, seed),
                Disposition::Retry | Disposition::Wait => {
                    schedule::retry_after(failures, interval, seed)
                }
                Disposition::RetryAfter(wait) => wait.max(Duration::from_secs(1)),
            })
        }
    }
}

fn describe(scanned: &Scanned, status: &mut ImageWatchStatus) {
    let tags = &scanned.tags;
    let latest: Vec<Tag> = latest(&tags.tags, LATEST_TAGS);
    let sightings = tags.sightings.tags();
    let seen: BTreeMap<String, Time> = latest
        .iter()
        .map(|tag| (tag, tags.sightings.first_seen(tag)))
        .chain(sightings.filter(|(tag, _)| tags.tags.contains(tag)))
        .map(|(tag, time)| (tag.to_string(), Time(time)))
        .collect();
    let latest: Vec<String> = latest.iter().map(ToString::to_string).collect();
    status.canonical_image = Some(tags.repository.to_string());
    status.last_scan = Some(LastScan {
        time: Time(scanned.scan.time),
        tags: u32::try_from(tags.tags.len()).unwrap_or(u32::MAX),
        revision: tags.revision.clone(),
        requests: scanned.requests(),
    });
    status.summary = latest
        .first()
        .cloned()
        .map(|latest| WatchSummary { latest });
    status.first_seen = seen;
    status.latest_tags = latest;
}
