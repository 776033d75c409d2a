//! The event by which the predecessor told of an update, for whoever listens to it: on the
//! Application, with what changed in annotations. It is told of converted policies only, beside ours.
//!
//! It is of the older API of events, because the newer one takes no component.

use std::collections::BTreeMap;

use image_update_core::plan::Plan;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;
use tracing::warn;

use super::inputs::digest_or_tag;
use super::{Attempt, Outcome, Write, Written};
use crate::api::v1alpha1::{ImageUpdatePolicy, annotations};
use crate::controller::applications::Known;
use crate::controller::context::{Context, key};

/// What the predecessor called itself.
const COMPONENT: &str = "ArgocdImageUpdater";

/// One for each write.
pub(super) fn of(
    context: &Context,
    policy: &ImageUpdatePolicy,
    outcome: &Result<Outcome, crate::controller::error::Error>,
) -> Vec<Event> {
    let Ok(Outcome::Decided(attempt)) = outcome else {
        return Vec::new();
    };
    if !annotations::is_converted(&policy.metadata) {
        return Vec::new();
    }
    let Some(application) = context.applications.get(&key(&policy.metadata)) else {
        return Vec::new();
    };
    let now = context.clock.now();
    let events = attempt.writes.iter();
    let events = events.filter_map(|write| event(&application, attempt, write, now));
    events.collect()
}

/// Publishes them. An event that can't be sent is logged and dropped: the status says the same.
pub(super) async fn publish(context: &Context, events: Vec<Event>) {
    for event in events {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(context.kube.clone(), namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "Could not publish the event that argocd-image-updater published"
            );
        }
    }
}

/// What is told of a write; nothing if it wrote nothing.
fn event(application: &Known, attempt: &Attempt, write: &Write, now: Timestamp) -> Option<Event> {
    match &write.written {
        Ok(Written::Pushed { .. } | Written::Patched { .. }) => {}
        Ok(Written::Nothing { .. } | Written::Rehearsed) | Err(_) => return None,
    }
    let facts = &application.facts;
    let mut notes = BTreeMap::new();
    let changes = write.plan.iter().flat_map(Plan::changes);
    for (number, (placement, change)) in changes.enumerate() {
        let image = attempt.images.iter().find(|it| it.alias == placement.alias);
        let known = image.and_then(|image| image.tags.as_ref().ok());
        let (full, name) = known.map_or_else(
            || (change.image.clone(), change.image.clone()),
            |known| {
                names(
                    known.tags.repository.familiar(),
                    known.tags.repository.path(),
                )
            },
        );
        let old = change.old.as_deref().map(digest_or_tag);
        let mut note = |what: &str, text: String| {
            notes.insert(format!("argocd-image-updater.image-{number}/{what}"), text)
        };
        note("full-image-name", full);
        note("image-name", name);
        note("old-tag", old.unwrap_or_default());
        note("new-tag", digest_or_tag(&change.new));
    }
    Some(Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}.", facts.name)),
            namespace: Some(facts.namespace.clone()),
            annotations: Some(notes),
            ..ObjectMeta::default()
        },
        involved_object: application.reference(),
        type_: Some("Normal".to_owned()),
        reason: Some("ImagesUpdated".to_owned()),
        message: Some(format!("Successfully updated application '{}'", facts.name)),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    })
}

/// The image's name with its registry, and without: as short as the predecessor had it, which knew
/// images of Docker Hub without either.
fn names(familiar: &str, path: &str) -> (String, String) {
    let name = if familiar.ends_with(path) {
        path
    } else {
        familiar
    };
    (familiar.to_owned(), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(familiar: &str, path: &str, name: &str) {
        let expected = (familiar.to_owned(), name.to_owned());
        assert_eq!(names(familiar, path), expected);
    }

    #[test]
    fn images_have_the_names_that_they_had() {
        check("quay.io/org/app", "org/app", "org/app");
        check("org/app", "org/app", "org/app");
        check("nginx", "library/nginx", "nginx");
    }
}
