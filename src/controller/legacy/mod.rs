//! Keeps a policy for every Application that the predecessor's annotations speak of.
//!
//! Applications, policies and watches that change put the Application's name into a queue; one
//! worker compares what the annotations mean with what is there, and writes the difference. A
//! policy that a person owns is never touched, whatever its Application says.

mod application;
mod image_updaters;
mod objects;
mod old_updater;
mod queue;
mod unused;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use image_update_core::legacy::CommitSettings;
use kube::core::ObjectMeta;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::application::Outcome;
use self::old_updater::Standing;
use self::queue::Queue;
use super::applications::Known;
use super::context::Context;
use super::scope::{ALL, ApplicationScope};
use super::status::names;
use crate::api::v1alpha1::annotations::is_converted;
use crate::config::RunConfig;

/// Namespace and name.
type Key = (String, String);

/// How many Applications are converted at the same time.
const CONCURRENCY: usize = 8;

/// How long until what failed is tried again, and at least between two looks for watches that
/// nobody needs.
const PAUSE: Duration = Duration::from_secs(5);

/// How often everything is compared again: what nobody told, such as a watch that was edited, is
/// put right that much later at most.
const RESYNC: Duration = Duration::from_mins(10);

/// What the conversion knows.
pub(super) struct Legacy {
    /// Where Applications are converted; `None` if they are not.
    scope: Option<ApplicationScope>,
    /// How often the tags of converted watches are listed.
    interval: String,
    /// What the commits of converted policies are like.
    commit: CommitSettings,
    /// Whether the predecessor is looked for.
    defers: bool,
    /// Where it is looked for; everywhere if empty.
    watched: Vec<String>,
    queue: Queue,
    standing: watch::Sender<Standing>,
    memory: Mutex<Memory>,
}

/// What is remembered of what was done; all of it may be lost.
#[derive(Default)]
struct Memory {
    /// The watches that the policy of each Application refers to, or is about to.
    needs: HashMap<Key, BTreeSet<String>>,
    /// The mark of each watch that was written, which its store may not know yet.
    written: HashMap<Key, String>,
    /// The mark of what was told about each Application.
    told: HashMap<Key, String>,
    /// Whether there may be watches that nobody needs.
    has_unused: bool,
}

impl Legacy {
    /// Knows nothing yet.
    pub(super) fn new(config: &RunConfig) -> Self {
        let scope = config
            .legacy_annotations
            .then(|| ApplicationScope::new(config));
        if scope.is_some() {
            warn_of_unwatched(config);
        }
        Self {
            scope,
            interval: config.interval.clone(),
            commit: config.commit.settings(),
            defers: !config.convert_beside_old_updater,
            watched: config.watch_namespaces.clone(),
            ..Self::off()
        }
    }

    /// Converts nothing.
    pub(super) fn off() -> Self {
        let memory = Memory {
            has_unused: true,
            ..Memory::default()
        };
        Self {
            scope: None,
            interval: String::new(),
            commit: CommitSettings::default(),
            defers: false,
            watched: Vec::new(),
            queue: Queue::default(),
            standing: watch::Sender::new(Standing::Unknown),
            memory: Mutex::new(memory),
        }
    }

    /// Whether Applications of any namespace are converted.
    pub(super) fn is_on(&self) -> bool {
        self.scope.is_some()
    }

    fn covers(&self, namespace: &str) -> bool {
        let scope = self.scope.as_ref();
        scope.is_some_and(|scope| scope.covers(namespace))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether Applications may be converted; returns what was known before.
    fn set_standing(&self, new: Standing) -> Standing {
        let mut before = new;
        self.standing.send_if_modified(|standing| {
            before = std::mem::replace(standing, new);
            before != new
        });
        before
    }

    /// An Application changed from the first of these to the last, appeared, or is gone.
    pub(super) fn application_changed(&self, states: &[Arc<Known>]) {
        let annotated = states.iter().find(|known| !known.annotations.is_empty());
        if let Some(known) = annotated {
            self.look_at(&known.facts.namespace, &known.facts.name);
        }
    }

    /// A policy changed or appeared.
    pub(super) fn policy_changed(&self, policy: &ObjectMeta) {
        let (namespace, name) = names(policy);
        self.look_at(namespace, name);
    }

    /// A policy is gone.
    pub(super) fn policy_gone(&self, policy: &ObjectMeta) {
        self.memory().has_unused = true;
        self.policy_changed(policy);
    }

    /// A watch is gone, perhaps one that policies need.
    pub(super) fn watch_gone(&self, watch: &ObjectMeta) {
        if !is_converted(watch) {
            return;
        }
        let (namespace, name) = names(watch);
        let mut memory = self.memory();
        memory
            .written
            .remove(&(namespace.to_owned(), name.to_owned()));
        let users = memory.needs.iter();
        let users = users.filter(|((of, _), needs)| of == namespace && needs.contains(name));
        let users: Vec<Key> = users.map(|(key, _)| key.clone()).collect();
        drop(memory);
        for (namespace, name) in users {
            self.look_at(&namespace, &name);
        }
    }

    fn look_at(&self, namespace: &str, name: &str) {
        if self.covers(namespace) {
            self.queue.put((namespace.to_owned(), name.to_owned()));
        }
    }
}

/// Says which namespaces are to be converted and not looked at.
fn warn_of_unwatched(config: &RunConfig) {
    if config.watch_namespaces.is_empty() {
        return;
    }
    let argocd = std::iter::once(&config.argocd_namespace);
    for namespace in argocd.chain(&config.application_namespaces) {
        if namespace != ALL && !config.watch_namespaces.contains(namespace) {
            info!(
                namespace,
                "Annotations of Applications are not converted where --watch-namespaces does not look"
            );
        }
    }
}

/// Converts from when this replica leads until `stop` is cancelled.
pub(super) async fn follow(context: Arc<Context>, stop: CancellationToken) {
    let following = async {
        context.leads.cancelled().await;
        if !context.shards.is_first() {
            // Another replica does it.
            return std::future::pending().await;
        }
        context.applications.are_listed.cancelled().await;
        context.stores_are_filled().await;
        tokio::join!(
            old_updater::follow(&context),
            image_updaters::look(&context),
            work(&context)
        );
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = following => {}
    }
}

async fn work(context: &Context) {
    let legacy = &context.legacy;
    let mut standing = legacy.standing.subscribe();
    // The other end is in the context, so it is there.
    drop(standing.wait_for(|it| *it != Standing::Unknown).await);
    let mut failed: BTreeSet<Key> = BTreeSet::new();
    let mut compared_all = Instant::now();
    let mut pause = tokio::time::interval(PAUSE);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = legacy.queue.is_filled() => {}
            _ = standing.changed() => look_at_all(context),
            _ = pause.tick() => {
                for key in std::mem::take(&mut failed) {
                    legacy.queue.put(key);
                }
                // Everything that was put in before is done.
                unused::remove(context).await;
            }
        }
        if compared_all.elapsed() >= RESYNC {
            compared_all = Instant::now();
            let mut memory = legacy.memory();
            memory.written.clear();
            memory.has_unused = true;
            drop(memory);
            look_at_all(context);
        }
        failed.extend(convert_all(context, legacy.queue.take()).await);
    }
}

/// Returns those that have to be looked at again.
async fn convert_all(context: &Context, keys: BTreeSet<Key>) -> Vec<Key> {
    let outcomes: Vec<(Key, Outcome)> = futures::stream::iter(keys)
        .map(|key| async move {
            let outcome = application::reconcile(context, &key).await;
            (key, outcome)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let count = |wanted| outcomes.iter().filter(|(_, it)| *it == wanted).count();
    let (written, failed) = (count(Outcome::Written), count(Outcome::Failed));
    if written > 0 {
        info!(
            applications = written,
            "Wrote the policies of annotated Applications"
        );
    }
    if failed > 0 {
        warn!(
            applications = failed,
            "Could not write the policies of some annotated Applications; trying again"
        );
    }
    let again = |outcome| matches!(outcome, Outcome::Failed | Outcome::Outdated);
    let outcomes = outcomes.into_iter();
    let outcomes = outcomes.filter(|(_, outcome)| again(*outcome));
    outcomes.map(|(key, _)| key).collect()
}

fn look_at_all(context: &Context) {
    for known in context.applications.all() {
        context.legacy.application_changed(&[known]);
    }
    for policy in context.policies.state() {
        let meta = kube::Resource::meta(&*policy);
        if is_converted(meta) {
            context.legacy.policy_changed(meta);
        }
    }
}
