//! What every reconciliation shares; nothing here is about one object.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures::channel::mpsc::UnboundedSender;
use kube::Client;
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::applications::{Applications, Known};
use super::argocd_repositories::ArgocdRepositories;
use super::backoff::Backoff;
use super::clock::Clock;
use super::image_update_policy::Untold;
use super::in_flight::InFlight;
use super::legacy::Legacy;
use super::notifications::Notifications;
use super::once::Caller;
use super::policy_index::PolicyIndex;
use super::put_backs::PutBacks;
use super::scope::ApplicationScope;
use super::secrets::RecentSecrets;
use super::shards::Shards;
use super::status::StatusWriter;
use super::tags::{Scans, TagStore};
use crate::api::v1alpha1::{
    ImageUpdatePolicy, ImageUpdatePolicyStatus, ImageWatch, ImageWatchStatus,
};
use crate::api::validate;
use crate::config::{ArgocdCredentials, RunConfig};
use crate::hosts::AllowedHosts;
use crate::leader::Holders;
use crate::metrics::Metrics;
use crate::registry::{self, conf::Registries};
use crate::telemetry::Handover;
use crate::write_back::git::Remotes;

/// Policies that tell the API server at once what came of them: enough to keep it busy. After a push
/// a thousand have something to tell.
const REPORTS_AT_ONCE: usize = 32;

/// An ImageWatch as the API server has it, readable or not.
pub(super) type GuardedWatch = DeserializeGuard<ImageWatch>;

/// An ImageUpdatePolicy as the API server has it, readable or not.
pub(super) type GuardedPolicy = DeserializeGuard<ImageUpdatePolicy>;

/// Clients, caches and stores.
pub(super) struct Context {
    /// The API server.
    pub(super) kube: Client,
    /// Registries.
    pub(super) registry: registry::Client,
    /// What is known of images.
    pub(super) builds: registry::Builds,
    /// What a file says about registries.
    pub(super) registries: Registries,
    /// Git remotes.
    pub(super) remotes: Remotes,
    /// How many policies of a repository are on their way.
    pub(super) in_flight: InFlight,
    /// One permit for each policy that may be looked at at once. Waiting for a registry takes none,
    /// or those that do not answer would hold up all; and waiting for others to join a push takes
    /// none, or there would be no others.
    pub(super) permits: Semaphore,
    /// The same for watches.
    pub(super) watch_permits: Semaphore,
    /// One for each policy that may tell the API server at once what came of it.
    report_permits: Semaphore,
    /// Scans that watches and policies share.
    pub(super) scans: Scans,
    /// The tags of each watch.
    pub(super) tags: TagStore,
    /// The Secrets that policies have just read.
    pub(super) secrets: RecentSecrets,
    /// Where registries and remotes may be.
    pub(super) allowed_hosts: AllowedHosts,
    /// The namespaces of Argo CD.
    pub(super) application_scope: ApplicationScope,
    /// Which policies may use Argo CD's credentials.
    pub(super) argocd_credentials: ArgocdCredentials,
    /// Whether Applications are asked to look at git again after a push.
    pub(super) refreshes: bool,
    /// Applications that somebody else puts back.
    pub(super) put_backs: PutBacks,
    /// What Argo CD knows of git remotes.
    pub(super) argocd_repositories: ArgocdRepositories,
    /// The time.
    pub(super) clock: Clock,
    /// Failures in a row.
    pub(super) backoff: Backoff,
    /// Statuses of watches.
    pub(super) watch_statuses: StatusWriter<ImageWatchStatus>,
    /// Statuses of policies.
    pub(super) policy_statuses: StatusWriter<ImageUpdatePolicyStatus>,
    /// What the API server would not take of policies.
    pub(super) untold: Untold,
    /// The Applications of Argo CD.
    pub(super) applications: Applications,
    /// The conversion of annotations.
    pub(super) legacy: Legacy,
    /// All watches.
    pub(super) watches: Store<GuardedWatch>,
    /// All policies.
    pub(super) policies: Store<GuardedPolicy>,
    /// What this replica works for.
    pub(super) shards: Shards,
    /// Asks for a watch to be reconciled now.
    pub(super) watch_trigger: UnboundedSender<ObjectRef<GuardedWatch>>,
    /// What policies may be about.
    pub(super) policy_index: PolicyIndex,
    /// Asks for a policy to be reconciled now.
    pub(super) policy_trigger: UnboundedSender<ObjectRef<GuardedPolicy>>,
    /// Cancelled once all watches are in their store.
    ///
    /// Not `Store::wait_until_ready`: the controller waits for the same store, which wakes only
    /// the last of those that wait.
    pub(super) watches_are_known: CancellationToken,
    /// Cancelled once all policies are in their store.
    pub(super) policies_are_known: CancellationToken,
    /// Cancelled once this replica leads, so that it may write.
    pub(super) leads: CancellationToken,
    /// Who holds the Leases, once an election has begun.
    pub(super) holders: OnceLock<watch::Receiver<Holders>>,
    /// Cancelled once the operator is told to stop.
    pub(super) stop: CancellationToken,
    /// The traces of watches whose policies are to be reconciled, by namespace and name.
    pub(super) traces: Handover<(String, String)>,
    /// Those who are told.
    pub(super) notifications: Notifications,
    /// What is counted.
    pub(super) metrics: Metrics,
    /// The person for whom objects are looked at once; `None` in the operator.
    pub(super) caller: Option<Caller>,
}

/// What the operator, or a command, is told about its work.
pub(super) struct Settings {
    /// See [`RunConfig::cache_dir`].
    pub(super) cache_dir: Option<PathBuf>,
    /// See [`RunConfig::concurrency`].
    pub(super) concurrency: u16,
    /// The namespaces of Argo CD.
    pub(super) application_scope: ApplicationScope,
    /// See [`RunConfig::argocd_credentials`].
    pub(super) argocd_credentials: ArgocdCredentials,
    /// See [`RunConfig::refresh_applications`].
    pub(super) refreshes: bool,
    /// See [`RunConfig::git_cache_bytes`].
    pub(super) git_cache_bytes: usize,
    /// What part of the work is done.
    pub(super) shards: Shards,
    /// Who is told.
    pub(super) notifications: Notifications,
    /// For whom objects are looked at once.
    pub(super) caller: Option<Caller>,
}

impl From<&RunConfig> for Settings {
    fn from(config: &RunConfig) -> Self {
        Self {
            cache_dir: config.cache_dir.clone(),
            concurrency: config.concurrency,
            application_scope: ApplicationScope::new(config),
            argocd_credentials: config.argocd_credentials,
            refreshes: config.refresh_applications,
            git_cache_bytes: config.git_cache_bytes,
            shards: Shards::new(&config.shard),
            notifications: Notifications::new(&config.notify),
            caller: None,
        }
    }
}

impl Context {
    /// Fresh caches around the given clients and stores. An error means that the folder of
    /// [`RunConfig::cache_dir`] can't be used.
    pub(super) fn new(
        kube: Client,
        (settings, legacy): (Settings, Legacy),
        (allowed_hosts, registries): (AllowedHosts, Registries),
        (watches, policies): (Store<GuardedWatch>, Store<GuardedPolicy>),
        (watch_trigger, policy_trigger): (
            UnboundedSender<ObjectRef<GuardedWatch>>,
            UnboundedSender<ObjectRef<GuardedPolicy>>,
        ),
        stop: CancellationToken,
        metrics: Metrics,
    ) -> std::io::Result<Arc<Self>> {
        let clock = Clock::system();
        let registry = registry::Client::with_metrics(metrics.clone());
        Ok(Arc::new(Self {
            builds: registry::Builds::new(registry.clone(), settings.cache_dir.as_deref())?,
            registry,
            registries,
            remotes: Remotes::new(stop.clone(), metrics.clone(), settings.git_cache_bytes)
                .with_journal(settings.caller.as_ref().map(|it| Arc::clone(&it.journal))),
            in_flight: InFlight::default(),
            permits: Semaphore::new(usize::from(settings.concurrency)),
            report_permits: Semaphore::new(REPORTS_AT_ONCE),
            watch_permits: Semaphore::new(usize::from(settings.concurrency)),
            scans: Scans::new(clock, metrics.clone()),
            tags: TagStore::default(),
            secrets: RecentSecrets::default(),
            allowed_hosts,
            application_scope: settings.application_scope,
            argocd_credentials: settings.argocd_credentials,
            refreshes: settings.refreshes,
            put_backs: PutBacks::default(),
            argocd_repositories: ArgocdRepositories::default(),
            clock,
            backoff: Backoff::default(),
            watch_statuses: StatusWriter::new::<ImageWatch>(kube.clone()),
            policy_statuses: StatusWriter::new::<ImageUpdatePolicy>(kube.clone()),
            untold: Untold::default(),
            applications: Applications::default(),
            legacy,
            watches,
            policies,
            policy_index: PolicyIndex::default(),
            shards: settings.shards,
            watch_trigger,
            policy_trigger,
            watches_are_known: CancellationToken::new(),
            policies_are_known: CancellationToken::new(),
            leads: CancellationToken::new(),
            holders: OnceLock::new(),
            stop,
            traces: Handover::default(),
            notifications: settings.notifications,
            metrics,
            caller: settings.caller,
            kube,
        }))
    }

    /// Waits until fewer policies than permitted are looked at.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed; if it were, waiting for it would be the greater harm.
        self.permits.acquire().await.ok()
    }

    /// Waits until fewer policies than permitted tell what came of them.
    pub(super) async fn report_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.report_permits.acquire().await.ok()
    }

    /// Waits until fewer watches than permitted are looked at.
    pub(super) async fn watch_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.watch_permits.acquire().await.ok()
    }

    /// Waits until all watches and policies are known. Before that nothing can be said about
    /// what a policy refers to or conflicts with.
    pub(super) async fn stores_are_filled(&self) {
        self.watches_are_known.cancelled().await;
        self.policies_are_known.cancelled().await;
    }

    /// Forgets a watch that was deleted, and tells the policies that refer to it.
    pub(super) fn forget_watch(&self, watch: &ObjectMeta) {
        let (namespace, name) = super::status::names(watch);
        self.tags.forget(namespace, name);
        self.watch_statuses.forget(watch);
        self.backoff.forget(watch);
        self.legacy.watch_gone(watch);
        self.trigger_policies_of(namespace, name);
    }

    /// Forgets a policy that was deleted.
    pub(super) fn forget_policy(&self, policy: &ObjectMeta) {
        self.policy_index.remove(&key(policy));
        self.policy_statuses.forget(policy);
        self.untold.forget(policy);
        self.traces.forget(&key(policy));
        self.backoff.forget(policy);
        self.legacy.policy_gone(policy);
    }

    /// A policy, by namespace and name.
    pub(super) fn policy(
        &self,
        (namespace, name): &(String, String),
    ) -> Option<Arc<GuardedPolicy>> {
        self.policies.get(&ObjectRef::new(name).within(namespace))
    }

    /// Asks for every policy that selects one of these Applications to be reconciled now.
    pub(super) fn trigger_policies_that_select(&self, applications: &[Arc<Known>]) {
        let keys = applications.iter().map(|known| known.key());
        for policy in self.policy_index.selecting(keys) {
            let Some(policy) = self.policy(&policy) else {
                continue;
            };
            let Ok(readable) = policy.0.as_ref() else {
                continue;
            };
            let reach = self.application_scope.reach(&readable.metadata);
            let selects = |known: &Arc<Known>| {
                validate::selects(&readable.spec, reach, known.key(), &known.labels)
            };
            if applications.iter().any(selects) {
                self.trigger(&policy);
            }
        }
    }

    /// Asks for every policy that refers to the watch `name` of `namespace` to be reconciled now.
    pub(super) fn trigger_policies_of(&self, namespace: &str, name: &str) {
        for key in self.policy_index.referring(namespace, name) {
            if let Some(policy) = self.policy(&key) {
                self.traces.leave(key);
                self.trigger(&policy);
            }
        }
    }

    fn trigger(&self, policy: &Arc<GuardedPolicy>) {
        // The receiver is gone only while the operator stops.
        drop(
            self.policy_trigger
                .unbounded_send(ObjectRef::from_obj(&**policy)),
        );
    }
}

/// The namespace and name of an object.
pub(super) fn key(object: &ObjectMeta) -> (String, String) {
    let (namespace, name) = super::status::names(object);
    (namespace.to_owned(), name.to_owned())
}
