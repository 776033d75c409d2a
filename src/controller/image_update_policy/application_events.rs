//! The events on the Applications of a policy: what was written for each, and what newly goes wrong
//! with one. They are for who looks at an Application and knows nothing of the policy.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use image_update_core::plan::Plan;
use kube::runtime::events::EventType;
use tracing::debug;

use super::{Attempt, Outcome, Write, Written};
use crate::api::v1alpha1::{
    Attention, ImageState, ImageUpdatePolicy, ImageUpdatePolicyStatus, Reason,
};
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::events::{self, Notice};
use crate::controller::status::names;

/// The most Applications that are told of one look; a policy that selects more tells of them itself.
pub(super) const MOST: usize = 500;

/// Events that are sent at once.
const CONCURRENCY: usize = 4;

/// What an outcome means for each Application, as `namespace/name`.
pub(super) fn of(
    policy: &ImageUpdatePolicy,
    (before, after): (Option<&ImageUpdatePolicyStatus>, &ImageUpdatePolicyStatus),
    outcome: &Result<Outcome, Error>,
) -> Vec<(String, Notice)> {
    let (namespace, name) = names(&policy.metadata);
    let by = format!("ImageUpdatePolicy {namespace}/{name}");
    let mut told = match outcome {
        Ok(Outcome::Decided(attempt)) => updates(attempt, &by),
        Ok(Outcome::Suspended) | Err(_) => return Vec::new(),
    };
    let before = before
        .map(|status| &status.attention[..])
        .unwrap_or_default();
    told.extend(failures(before, &after.attention, &by));
    if told.len() > MOST {
        debug!(
            applications = told.len(),
            "Not all Applications are told of"
        );
        told.truncate(MOST);
    }
    told
}

/// Publishes them. Like all events they are dropped if they can't be sent: the policy's status says
/// the same.
pub(super) async fn publish(context: &Context, told: Vec<(String, Notice)>) {
    futures::stream::iter(told)
        .for_each_concurrent(CONCURRENCY, async |(application, notice)| {
            let key = application.split_once('/');
            let key = key.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
            // It may be gone by now.
            if let Some(known) = key.and_then(|key| context.applications.get(&key)) {
                let (kube, now) = (&context.kube, context.clock.now());
                events::publish_one(kube, &known.reference(), notice, None, now).await;
            }
        })
        .await;
}

/// One for each Application for which something was written, as `namespace/name`.
fn updates(attempt: &Attempt, by: &str) -> Vec<(String, Notice)> {
    let told = attempt.writes.iter().flat_map(|write| {
        let place = place(write);
        let lines = place.map(|place| (place, lines(write)));
        let lines = lines.into_iter().flat_map(|(place, lines)| {
            lines
                .into_iter()
                .map(move |(application, changes)| (application, changes, place.clone()))
        });
        lines.collect::<Vec<_>>()
    });
    told.map(|(application, changes, place)| {
        let notice = Notice {
            type_: EventType::Normal,
            reason: Reason::Updated,
            action: "Update",
            note: format!("{} ({place}, by {by})", changes.join(", ")),
        };
        (application, notice)
    })
    .collect()
}

/// Where a write went; nothing if it did not.
fn place(write: &Write) -> Option<String> {
    match &write.written {
        Ok(Written::Pushed { commit, .. }) => {
            let (id, branch) = (&commit.id, &commit.branch);
            let remote = write.remote.as_ref()?;
            Some(format!("commit {id} on {branch} of {remote}"))
        }
        Ok(Written::Patched { .. }) => Some("its parameters".to_owned()),
        Ok(Written::Nothing { .. } | Written::Rehearsed) | Err(_) => None,
    }
}

/// The changes of each Application.
fn lines(write: &Write) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (placement, change) in write.plan.iter().flat_map(Plan::changes) {
        let own = placement.application.as_ref();
        let Some(application) = own.or_else(|| write.applications.first()) else {
            continue;
        };
        let old = change.old.iter().map(|old| format!("{old} -> "));
        let old: String = old.collect();
        let line = format!("{}: {old}{}", placement.alias, change.new);
        lines.entry(application.clone()).or_default().push(line);
    }
    lines
}

/// One for each Application that fails for another reason than `before`.
fn failures(before: &[Attention], after: &[Attention], by: &str) -> Vec<(String, Notice)> {
    let is_known = |new: &Attention| {
        let mut before = before.iter();
        before.any(|old| {
            old.state == new.state && old.reason == new.reason && old.application == new.application
        })
    };
    // Of a watch without tags the watch and the policy tell; it is no Application's failure.
    let is_its_own = |it: &&Attention| it.reason != Reason::WatchNotReady;
    let failing = after.iter().filter(|it| it.state == ImageState::Failed);
    let failing = failing.filter(is_its_own);
    failing
        .filter(|it| !is_known(it))
        .map(|it| {
            let image = it.alias.iter().map(|alias| format!("{alias}: "));
            let image: String = image.collect();
            let notice = Notice {
                type_: EventType::Warning,
                reason: it.reason,
                action: "Update",
                note: format!("{image}{} (by {by})", it.message),
            };
            (it.application.clone(), notice)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(application: &str, state: ImageState, reason: Reason) -> Attention {
        Attention {
            application: application.to_owned(),
            alias: Some("web".to_owned()),
            state,
            tag: None,
            reason,
            message: "no".to_owned(),
            since: None,
        }
    }

    #[test]
    fn an_application_is_warned_of_each_reason_once_until_it_changes() {
        #[track_caller]
        fn check(
            before: Option<(&str, ImageState, Reason)>,
            after: (ImageState, Reason),
            told: bool,
        ) {
            let before = before.map(|(name, state, reason)| attention(name, state, reason));
            let after = [attention("argocd/shop", after.0, after.1)];
            let notices = failures(before.as_slice(), &after, "ImageUpdatePolicy a/b");
            let notes: Vec<&str> = notices.iter().map(|it| it.1.note.as_str()).collect();
            let expected = ["web: no (by ImageUpdatePolicy a/b)"];
            assert_eq!(notes, expected[..usize::from(told)], "{before:?} {after:?}");
        }
        let failed = ImageState::Failed;
        let (source, target) = (Reason::InvalidSource, Reason::InvalidTarget);
        check(None, (failed, source), true);
        check(
            Some(("argocd/shop", failed, source)),
            (failed, source),
            false,
        );
        check(
            Some(("argocd/shop", failed, target)),
            (failed, source),
            true,
        );
        check(
            Some(("argocd/bank", failed, source)),
            (failed, source),
            true,
        );
        check(None, (failed, Reason::WatchNotReady), false);
        check(None, (ImageState::Pending, source), false);
        check(None, (ImageState::Held, Reason::TooYoung), false);
    }
}
