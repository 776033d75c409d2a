//! Kubernetes events: one when something changed, none when nothing did.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;
use kube::runtime::events::EventType;
use tracing::warn;

use super::conditions::{Health, Verdict};
use super::status::FIELD_MANAGER;
use crate::api::v1alpha1::Reason;
use crate::request_error;

/// The longest note of an event: the API refuses more than 1 kB.
const LONGEST_NOTE_BYTES: usize = 1000;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whether somebody should look.
    pub(super) type_: EventType,
    /// Why.
    pub(super) reason: Reason,
    /// What was being done.
    pub(super) action: &'static str,
    /// The sentence.
    pub(super) note: String,
}

/// The warning that `verdict` deserves, unless `previous` (the last `Ready` reason and message)
/// said the same already.
pub(super) fn warning(previous: Option<(&str, &str)>, verdict: &Verdict) -> Option<Notice> {
    if verdict.health == Health::Ready {
        return None;
    }
    if previous.is_some_and(|(reason, _)| reason == verdict.reason.as_str()) {
        return None;
    }
    Some(Notice {
        type_: EventType::Warning,
        reason: verdict.reason,
        action: "Reconcile",
        note: verdict.message.clone(),
    })
}

/// Publishes `notices` on `object`, each as an event of its own. One that can't be sent is logged and
/// dropped: the status says the same.
///
/// `kube`'s recorder is not used: it counts as a repetition what differs in its note alone, so that of
/// several commits the first one's text was told again and again.
pub(super) async fn publish(
    kube: &Client,
    object: &ObjectReference,
    notices: Vec<Notice>,
    now: Timestamp,
) {
    for (number, notice) in (0..).zip(notices) {
        // Names differ by the moment.
        let moment = now.saturating_add(SignedDuration::from_nanos(number));
        publish_one(kube, object, notice, None, moment.unwrap_or(now)).await;
    }
}

/// As [`publish`], with another object that it is about, too.
pub(super) async fn publish_one(
    kube: &Client,
    object: &ObjectReference,
    notice: Notice,
    related: Option<ObjectReference>,
    now: Timestamp,
) {
    let namespace = object.namespace.clone().unwrap_or_default();
    let name = object.name.as_deref().unwrap_or_default();
    let event = Event {
        metadata: ObjectMeta {
            // As client-go names them: of the object, and of the moment.
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(notice.action.to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(notice.note)),
        reason: Some(notice.reason.as_str().to_owned()),
        regarding: Some(object.clone()),
        related,
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(FIELD_MANAGER.to_owned()),
        type_: Some(type_name(notice.type_).to_owned()),
        ..Event::default()
    };
    let api: Api<Event> = Api::namespaced(kube.clone(), &namespace);
    if let Err(error) = api.create(&PostParams::default(), &event).await {
        warn!(
            error = %request_error::words(&error),
            "Could not publish an event"
        );
    }
}

fn type_name(type_: EventType) -> &'static str {
    match type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    }
}

fn cut(mut note: String) -> String {
    let mut end = LONGEST_NOTE_BYTES.min(note.len());
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(health: Health, reason: Reason) -> Verdict {
        Verdict {
            health,
            reason,
            message: "text".to_owned(),
        }
    }

    #[test]
    fn a_reason_is_announced_once_until_it_changes() {
        let failing = verdict(Health::Retrying, Reason::GitUnavailable);
        assert!(warning(None, &failing).is_some());
        assert!(warning(Some(("GitUnavailable", "other text")), &failing).is_none());
        assert!(warning(Some(("Succeeded", "")), &failing).is_some());
    }

    #[test]
    fn success_is_no_warning() {
        assert!(warning(None, &verdict(Health::Ready, Reason::Succeeded)).is_none());
    }

    #[test]
    fn notes_are_cut_at_a_character() {
        let note = cut("é".repeat(LONGEST_NOTE_BYTES));
        assert_eq!(note.len(), LONGEST_NOTE_BYTES);
    }
}
