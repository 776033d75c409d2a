//! Which policies and watches this replica works for, where there are several that share them.
//!
//! Every replica knows all objects, so each works out for itself who does what, and conflicts are
//! looked for over all of them. A policy has one shard, which writes its status. A watch is scanned
//! by each shard that has a policy of it, because tags are kept in memory; one of them says so in
//! its status. While objects move from one shard to another both may look at them for a moment:
//! then git decides, as between any two writers.

mod assign;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use kube::Resource as _;
use kube::core::{ObjectMeta, Selector, SelectorExt as _};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::debug;

use self::assign::{Targets, assign, shard_of_object};
use super::context::{Context, key};
use super::image_update_policy::targets;
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::config::ShardConfig;

/// Namespace and name.
type Key = (String, String);

/// How long changes are gathered before shares are worked out anew.
const GATHERING: Duration = Duration::from_millis(500);

/// So many times as long as that took is waited at least, so that it takes a tenth of one core.
const PAUSE_FACTOR: u32 = 10;

/// What this replica does for a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing: no policy of its own refers to it.
    Nothing,
    /// It scans for its own policies. Another one reports.
    Scans,
    /// It scans, and writes the status.
    Reports,
}

/// The shares of this replica.
pub(super) struct Shards {
    selector: Option<Selector>,
    count: u32,
    own: OnceLock<u32>,
    share: RwLock<Share>,
    changed: Notify,
}

/// What this replica works for.
#[derive(Default)]
struct Share {
    policies: BTreeSet<Key>,
    watches: HashMap<Key, Part>,
}

impl Shards {
    /// Nothing is known yet.
    pub(super) fn new(config: &ShardConfig) -> Self {
        Self {
            selector: config.shard_selector.clone(),
            count: config.shards,
            ..Self::none()
        }
    }

    /// There is nobody else.
    pub(super) fn none() -> Self {
        Self {
            selector: None,
            count: 1,
            own: OnceLock::new(),
            share: RwLock::default(),
            changed: Notify::new(),
        }
    }

    /// Whether there are others that work for some objects.
    pub(super) fn are_on(&self) -> bool {
        self.count > 1 || self.selector.is_some()
    }

    /// Sets which shard this replica works for.
    pub(super) fn work_for(&self, shard: u32) {
        // It is set once: a replica that loses its shard ends.
        self.own.set(shard).ok();
    }

    /// Which shard this replica works for; nothing before it leads.
    pub(super) fn own(&self) -> Option<u32> {
        self.own.get().copied()
    }

    /// Whether this replica converts annotations, which one has to do.
    pub(super) fn is_first(&self) -> bool {
        self.own.get() == Some(&0)
    }

    /// Notes that shares may be others now.
    pub(super) fn objects_changed(&self) {
        if self.are_on() {
            self.changed.notify_one();
        }
    }

    /// Whether a policy is this replica's. One that is new is nobody's for a moment.
    pub(super) fn has_policy(&self, policy: &ObjectMeta) -> bool {
        !self.are_on() || self.share().policies.contains(&key(policy))
    }

    /// How many policies are this replica's.
    pub(super) fn policies(&self, context: &Context) -> usize {
        if self.are_on() {
            self.share().policies.len()
        } else {
            context.policies.state().len()
        }
    }

    /// What this replica does for a watch.
    pub(super) fn part_of(&self, watch: &ObjectMeta) -> Part {
        if !self.are_on() {
            return Part::Reports;
        }
        let part = self.share().watches.get(&key(watch)).copied();
        part.unwrap_or(Part::Nothing)
    }

    fn share(&self) -> std::sync::RwLockReadGuard<'_, Share> {
        self.share.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn selects(&self, meta: &ObjectMeta) -> bool {
        let none = std::collections::BTreeMap::new();
        let labels = meta.labels.as_ref().unwrap_or(&none);
        let selector = self.selector.as_ref();
        selector.is_none_or(|selector| selector.matches(labels))
    }

    /// The share of this replica, by all that is known.
    fn work_out(&self, context: &Context) -> Share {
        let own = self.own.get().copied().unwrap_or_default();
        let policies = context.policies.state();
        let all: Vec<Targets> = policies
            .iter()
            .map(|policy| Targets {
                policy: key(policy.meta()),
                targets: targets(policy, context),
            })
            .collect();
        let assigned = assign(&all, self.count);
        let mut ours = Share::default();
        // The shards that need each watch.
        let mut needs: HashMap<Key, BTreeSet<u32>> = HashMap::new();
        for policy in policies.iter().filter(|it| self.selects(it.meta())) {
            let key = key(policy.meta());
            let shard = assigned.get(&key).copied().unwrap_or_default();
            let watches = policy.0.iter().flat_map(ImageUpdatePolicy::watches);
            for (namespace, name) in watches {
                let watch = (namespace.to_owned(), name.to_owned());
                needs.entry(watch).or_default().insert(shard);
            }
            if shard == own {
                ours.policies.insert(key);
            }
        }
        for watch in context.watches.state() {
            let key = key(watch.meta());
            let of_watch = needs.get(&key);
            let first = of_watch.and_then(|shards| shards.first().copied());
            let reporter = first.unwrap_or_else(|| shard_of_object(&key, self.count));
            let part = if reporter == own && self.selects(watch.meta()) {
                Part::Reports
            } else if of_watch.is_some_and(|shards| shards.contains(&own)) {
                Part::Scans
            } else {
                Part::Nothing
            };
            ours.watches.insert(key, part);
        }
        ours
    }

    /// Takes over a share and asks for what is new in it to be looked at.
    fn take_over(&self, share: Share, context: &Context) {
        let before = {
            let mut current = self.share.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, share)
        };
        let current = self.share();
        for (watch, part) in &current.watches {
            if before.watches.get(watch) == Some(part) {
                continue;
            }
            if *part == Part::Nothing {
                context.tags.forget(&watch.0, &watch.1);
                continue;
            }
            let reference = ObjectRef::new(&watch.1).within(&watch.0);
            // The receiver is gone only while the operator stops.
            drop(context.watch_trigger.unbounded_send(reference));
        }
        for (namespace, name) in current.policies.difference(&before.policies) {
            let reference = ObjectRef::new(name).within(namespace);
            drop(context.policy_trigger.unbounded_send(reference));
        }
    }
}

/// Keeps the share of this replica up to date from when it leads until the operator stops.
pub(super) async fn follow(context: Arc<Context>) {
    let following = async {
        context.leads.cancelled().await;
        context.stores_are_filled().await;
        // Without them, policies that select some are as if they selected none.
        drop(context.applications.wait().await);
        let shards = &context.shards;
        loop {
            let begun = Instant::now();
            let share = shards.work_out(&context);
            debug!(
                policies = share.policies.len(),
                "Worked out the share of this replica"
            );
            shards.take_over(share, &context);
            let pause = (begun.elapsed() * PAUSE_FACTOR).max(GATHERING);
            shards.changed.notified().await;
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = following => {}
    }
}
