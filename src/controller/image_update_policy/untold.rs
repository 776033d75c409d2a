//! What could not be told because the API server did not take the status: kept until it takes one,
//! so that a commit is told late rather than never, and once.
//!
//! It is in memory only. After a restart the commit tells of itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use image_update_core::notification::Notification;
use k8s_openapi::api::core::v1::Event;
use kube::Resource as _;
use kube::core::ObjectMeta;

use super::{application_events, old_event};
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageUpdatePolicyStatus};
use crate::controller::context::Context;
use crate::controller::events::{self, Notice};

/// The most of each kind that is kept of a policy; what is older is dropped. A look may write, and
/// tell of, hundreds of Applications.
const MOST_KEPT: usize = 500;

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
        self.notices.extend(later.notices);
        self.news.extend(later.news);
        self.old_events.extend(later.old_events);
        self.of_applications.extend(later.of_applications);
    }

    /// Drops what is too old to be kept any longer.
    fn bound(&mut self) {
        keep_newest(&mut self.notices);
        keep_newest(&mut self.news);
        keep_newest(&mut self.old_events);
        keep_newest(&mut self.of_applications);
    }

    /// Tells all of it.
    pub(super) async fn tell(self, context: &Arc<Context>, policy: &ImageUpdatePolicy) {
        context.notifications.tell(context, policy, self.news);
        let (object, now) = (policy.object_ref(&()), context.clock.now());
        events::publish(&context.kube, &object, self.notices, now).await;
        application_events::publish(context, self.of_applications).await;
        old_event::publish(context, self.old_events).await;
    }
}

fn keep_newest<T>(kept: &mut Vec<T>) {
    kept.drain(..kept.len().saturating_sub(MOST_KEPT));
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
    pub(super) fn keep(&self, policy: &ObjectMeta, mut what: Kept) {
        what.tidings.bound();
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

    fn meta(uid: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some(uid.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn events(counts: std::ops::Range<i32>) -> Tidings {
        let event = |count| Event {
            count: Some(count),
            ..Event::default()
        };
        Tidings {
            old_events: counts.map(event).collect(),
            ..Tidings::default()
        }
    }

    /// Rows: how many events of two looks wait; the number of the first that is kept, and how many
    /// are.
    #[track_caller]
    fn check(before: i32, later: i32, first: i32, count: usize) {
        let mut tidings = events(0..before);
        tidings.extend(events(before..before + later));
        let total = usize::try_from(before + later).expect("the row's numbers are small");
        assert_eq!(tidings.old_events.len(), total, "what is told is whole");
        let untold = Untold::default();
        let status = None;
        untold.keep(&meta("one"), Kept { status, tidings });
        let kept = untold.take(&meta("one")).tidings.old_events;
        assert_eq!((kept[0].count, kept.len()), (Some(first), count));
    }

    #[test]
    fn the_newest_are_kept() {
        check(1, 1, 0, 2);
        check(500, 1, 1, MOST_KEPT);
        check(0, 1000, 500, MOST_KEPT);
    }

    #[test]
    fn what_is_kept_is_taken_once_and_by_whom_it_concerns() {
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
