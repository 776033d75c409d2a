//! What could not be told because the API server did not take the status: kept until it takes one,
//! so that a commit is told late rather than never, and once.
//!
//! It is in memory only. After a restart the commit tells of itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use image_update_core::notification::Notification;
use k8s_openapi::api::core::v1::Event;
use kube::core::ObjectMeta;

use super::{application_events, old_event};
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageUpdatePolicyStatus};
use crate::controller::context::Context;
use crate::controller::events::{self, Notice};

/// The most of each kind that is kept of a policy, but for Applications; what is older is dropped. A status remembers
/// ten writes.
const MOST_KEPT: usize = 32;

/// What is told beside a status.
#[derive(Default)]
pub(super) struct Tidings {
    pub(super) notices: Vec<Notice>,
    pub(super) news: Vec<Notification>,
    pub(super) old_events: Vec<Event>,
    /// On Applications, by `namespace/name`.
    pub(super) of_applications: Vec<(String, Notice)>,
}

impl Tidings {
    /// Adds what happened later.
    pub(super) fn extend(&mut self, later: Self) {
        extend(&mut self.notices, later.notices, MOST_KEPT);
        extend(&mut self.news, later.news, MOST_KEPT);
        extend(&mut self.old_events, later.old_events, MOST_KEPT);
        let of_applications = later.of_applications;
        extend(
            &mut self.of_applications,
            of_applications,
            application_events::MOST,
        );
    }

    /// Tells all of it.
    pub(super) async fn tell(self, context: &Arc<Context>, policy: &ImageUpdatePolicy) {
        context.notifications.tell(context, policy, self.news);
        events::publish_each(&context.kube, policy, self.notices, &context.clock).await;
        application_events::publish(context, self.of_applications).await;
        old_event::publish(context, self.old_events).await;
    }
}

fn extend<T>(kept: &mut Vec<T>, later: Vec<T>, most: usize) {
    kept.extend(later);
    kept.drain(..kept.len().saturating_sub(most));
}

/// What is known of a policy beyond its status in the cluster.
#[derive(Default)]
pub(super) struct Kept {
    /// The status that should be there; `None` if the one in the cluster is up to date.
    pub(super) status: Option<ImageUpdatePolicyStatus>,
    /// What is told once it is there.
    pub(super) tidings: Tidings,
}

/// What is kept, by the uid of the policy.
#[derive(Default)]
pub(in crate::controller) struct Untold(Mutex<HashMap<String, Kept>>);

impl Untold {
    /// Takes what is kept of a policy; nothing if all was told.
    pub(super) fn take(&self, policy: &ObjectMeta) -> Kept {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = policy.uid.as_ref().and_then(|uid| kept.remove(uid));
        own.unwrap_or_default()
    }

    /// Keeps what could not be told.
    pub(super) fn keep(&self, policy: &ObjectMeta, what: Kept) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = &policy.uid {
            kept.insert(uid.clone(), what);
        }
    }

    /// Forgets a policy that is gone, or somebody else's.
    pub(in crate::controller) fn forget(&self, policy: &ObjectMeta) {
        drop(self.take(policy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: how many notices are kept, how many come; the first and the number of what is kept.
    #[track_caller]
    fn check(kept: usize, later: usize, first: usize, count: usize) {
        let mut all: Vec<usize> = (0..kept).collect();
        extend(&mut all, (kept..kept + later).collect(), MOST_KEPT);
        assert_eq!((all.first().copied(), all.len()), (Some(first), count));
    }

    #[test]
    fn the_newest_are_kept() {
        check(1, 1, 0, 2);
        check(MOST_KEPT, 1, 1, MOST_KEPT);
        check(0, 2 * MOST_KEPT, MOST_KEPT, MOST_KEPT);
    }

    #[test]
    fn what_is_kept_is_taken_once_and_by_whom_it_concerns() {
        let meta = |uid: &str| ObjectMeta {
            uid: Some(uid.to_owned()),
            ..ObjectMeta::default()
        };
        let kept = || Kept {
            status: Some(ImageUpdatePolicyStatus::default()),
            tidings: Tidings::default(),
        };
        let untold = Untold::default();
        untold.keep(&meta("one"), kept());
        assert!(untold.take(&meta("other")).status.is_none());
        assert!(untold.take(&meta("one")).status.is_some());
        assert!(untold.take(&meta("one")).status.is_none());
        untold.keep(&meta("one"), kept());
        untold.forget(&meta("one"));
        assert!(untold.take(&meta("one")).status.is_none());
    }
}
