//! What an outcome is counted as. Decides nothing.

use std::time::Duration;

use image_update_core::plan::{Plan, State};
use jiff::{SignedDuration, Timestamp};

use super::{Attempt, Outcome, Write, Written};
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::controller::error::{Disposition, Error, NoTags};
use crate::metrics::{ImageCounts, Metrics};

/// Counts the images of an outcome, and the time that new tags have waited for it.
pub(super) fn outcome(
    metrics: &Metrics,
    policy: &ImageUpdatePolicy,
    outcome: &Result<Outcome, Error>,
    now: Timestamp,
) {
    let attempt = match outcome {
        Ok(Outcome::Decided(attempt)) => attempt,
        Ok(Outcome::Suspended) => return,
        Err(error) => {
            // What keeps the policy from being carried out keeps each of its images.
            let images = policy.spec.images.len();
            metrics.images(ImageCounts {
                failed: if is_failure(error) { images } else { 0 },
                ..ImageCounts::default()
            });
            return;
        }
    };
    metrics.images(counts(attempt));
    for write in &attempt.writes {
        for age in ages(attempt, write, now) {
            metrics.written(age);
        }
    }
}

/// An image counts once for each place that it is written to.
fn counts(attempt: &Attempt) -> ImageCounts {
    let known = attempt.images.iter();
    let known = known.filter_map(|image| image.tags.as_ref().err());
    let lookups = attempt
        .lookup_errors
        .iter()
        .map(|(_, error)| error.as_ref());
    let failed = known.chain(lookups);
    let failed = failed.filter(|error| is_failure(error));
    let mut counts = ImageCounts {
        failed: failed.count(),
        ..ImageCounts::default()
    };
    for write in &attempt.writes {
        let Some(plan) = &write.plan else {
            if write.written.is_err() {
                counts.failed += attempt.images.len();
            }
            continue;
        };
        let changes = plan.changes().count();
        counts.checked += plan.placements.len();
        counts.failed += plan
            .placements
            .iter()
            .filter(|it| is_broken(&it.state))
            .count();
        match &write.written {
            Ok(Written::Pushed { .. } | Written::Patched { .. }) => counts.updated += changes,
            Ok(Written::Nothing { .. } | Written::Rehearsed) => {}
            Err(_) => {
                counts.failed += changes;
                counts.unwritten += changes;
            }
        }
    }
    counts
}

/// What is only waited for, as tags are after a start, is no failure; a watch that can't list them
/// is one.
fn is_failure(error: &Error) -> bool {
    let is_failed_watch = matches!(
        error,
        Error::WatchNotReady {
            why: Some(NoTags::Failed(_)),
            ..
        }
    );
    is_failed_watch || error.disposition() != Disposition::Wait
}

fn is_broken(state: &State) -> bool {
    matches!(state, State::Broken(_))
}

/// How long ago the tags that were written now were first seen. Those of the first list are as
/// old as the looking, which says nothing.
fn ages(attempt: &Attempt, write: &Write, now: Timestamp) -> Vec<Duration> {
    if !matches!(
        write.written,
        Ok(Written::Pushed { .. } | Written::Patched { .. })
    ) {
        return Vec::new();
    }
    let changes = write.plan.iter().flat_map(Plan::changes);
    let seen = changes.filter_map(|(placement, _)| {
        let tag = placement.decision.as_ref()?.selected.as_ref()?;
        let mut images = attempt.images.iter();
        let image = images.find(|image| image.alias == placement.alias)?;
        let sightings = &image.tags.as_ref().ok()?.tags.sightings;
        let seen = sightings.first_seen(tag);
        (seen > sightings.since()).then_some(seen)
    });
    // A clock that was set back meanwhile makes no age.
    seen.map(|seen| now.duration_since(seen).max(SignedDuration::ZERO))
        .map(SignedDuration::unsigned_abs)
        .collect()
}
