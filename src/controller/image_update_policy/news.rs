//! What is told of an outcome to those who want to know. Pure.

use image_update_core::notification::{Change, Kind, Notification, Place};
use image_update_core::plan::Plan;
use jiff::Timestamp;
use kube::runtime::events::EventType;

use super::report::{Report, changes_line, waits_for_tags};
use super::{Outcome, Write, Written};
use crate::api::v1alpha1::{ImageState, ImageUpdatePolicy, ImageUpdatePolicyStatus, Reason};
use crate::controller::error::{Error, NO_TAGS};
use crate::controller::status::names;

/// What is told: each write, and what the report warns of.
pub(super) fn of(
    policy: &ImageUpdatePolicy,
    previous: Option<&ImageUpdatePolicyStatus>,
    outcome: &Result<Outcome, Error>,
    report: &Report,
    now: Timestamp,
) -> Vec<Notification> {
    let mut news = Vec::new();
    if let Ok(Outcome::Decided(attempt)) = outcome {
        let written = attempt.writes.iter();
        news.extend(written.filter_map(|write| updated(policy, write, now)));
    }
    // The first scan of a watch is under way: nothing has failed.
    let is_warned = report
        .notices
        .iter()
        .any(|it| it.type_ == EventType::Warning);
    if !waits_for_tags(outcome) && (is_warned || has_failed_after_all(previous, report)) {
        news.push(Notification {
            kind: kind(report),
            message: report.message.clone(),
            ..blank(policy, report.reason, now)
        });
    }
    let id = policy.metadata.uid.as_deref().unwrap_or_default();
    let time = now.as_nanosecond();
    for (index, news) in news.iter_mut().enumerate() {
        news.id = format!("{id}-{time}-{index}");
    }
    news
}

/// Whether a watch that the policy waited for turns out to be failing. The reason is the same as
/// before, so that there is no warning.
fn has_failed_after_all(previous: Option<&ImageUpdatePolicyStatus>, report: &Report) -> bool {
    let conditions = previous.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    let waited = ready.any(|ready| {
        ready.reason == Reason::WatchNotReady.as_str() && ready.message.ends_with(NO_TAGS)
    });
    waited && report.reason == Reason::WatchNotReady
}

/// Whether an image is held for the reason of the report.
fn kind(report: &Report) -> Kind {
    let mut images = report.status.images.iter();
    let is_of_report = |reason: Reason| reason == report.reason;
    let is_held = images.any(|it| it.state == ImageState::Held && is_of_report(it.reason));
    if is_held { Kind::Held } else { Kind::Failed }
}

fn updated(policy: &ImageUpdatePolicy, write: &Write, now: Timestamp) -> Option<Notification> {
    let place = match &write.written {
        Ok(Written::Pushed { commit, .. }) => Place::Commit {
            repository: write.remote.as_ref().map(ToString::to_string)?,
            branch: commit.branch.to_string(),
            id: commit.id.to_string(),
        },
        Ok(Written::Patched { application }) => Place::Application(application.clone()),
        Ok(Written::Nothing { .. } | Written::Rehearsed) | Err(_) => return None,
    };
    let changes = write.plan.iter().flat_map(Plan::changes);
    let changes = changes.map(|(placement, change)| Change {
        alias: placement.alias.clone(),
        old: change.old.clone(),
        new: change.new.clone(),
    });
    Some(Notification {
        kind: Kind::Updated,
        message: changes_line(write),
        changes: changes.collect(),
        place: Some(place),
        ..blank(policy, Reason::Updated, now)
    })
}

fn blank(policy: &ImageUpdatePolicy, reason: Reason, now: Timestamp) -> Notification {
    let (namespace, name) = names(&policy.metadata);
    Notification {
        kind: Kind::Failed,
        time: now,
        id: String::new(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        reason: reason.as_str(),
        message: String::new(),
        changes: Vec::new(),
        place: None,
    }
}
