//! Keeps the Applications that policies may select, and asks for the policies of those that change.
//!
//! Not a reflector: an Application is large and its status changes all the time. Kept is what
//! deciding takes, and only a change of that is news.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use image_update_core::{argocd, legacy};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource as _, ResourceExt as _};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::context::{Context, key};
use super::error::Error;
use super::scope;
use crate::argocd::application::{Application, SourceSpec};
use crate::argocd::wrote::Wrote;

/// How many Applications are listed at once: one may have a megabyte, most of which is not kept.
const PAGE_SIZE: u32 = 100;

/// How often it is looked whether Argo CD was installed meanwhile.
const KIND_CHECK: Duration = Duration::from_secs(30);

/// How long a policy that selects Applications waits for them.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is kept of an Application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// What deciding takes.
    pub(super) facts: Arc<argocd::Application>,
    /// Its uid.
    pub(super) uid: String,
    /// Its labels.
    pub(super) labels: BTreeMap<String, String>,
    /// Its annotations that the predecessor reads.
    pub(super) annotations: BTreeMap<String, String>,
    /// The overrides of each source, in the form of an `.argocd-source` file.
    pub(super) overrides: Vec<Vec<u8>>,
    /// What is noted on it of values that were written.
    pub(super) wrote: Wrote,
    /// Whether a machine makes it: an ApplicationSet, or another Application.
    pub(super) is_generated: bool,
}

/// Namespace and name.
type Key = (String, String);

/// The Applications of the namespaces that the operator looks at.
#[derive(Default)]
pub(super) struct Applications {
    known: RwLock<BTreeMap<Key, Arc<Known>>>,
    /// Cancelled once they are known, or it is known that there is no such kind.
    pub(super) are_known: CancellationToken,
    /// Cancelled once all of them were listed: not even one may be missing.
    pub(super) are_listed: CancellationToken,
    /// Cancelled once the kind is there.
    pub(super) kind_is_there: CancellationToken,
}

impl Known {
    /// Its namespace and name.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.facts.namespace, &self.facts.name)
    }

    /// A reference to it, for events.
    pub(super) fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(Application::api_version(&()).into_owned()),
            kind: Some(Application::kind(&()).into_owned()),
            namespace: Some(self.facts.namespace.clone()),
            name: Some(self.facts.name.clone()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        }
    }

    pub(super) fn of(application: &Application) -> Self {
        let sources = application.sources();
        let annotations = application.annotations().iter();
        Self {
            facts: Arc::new(application.facts()),
            uid: application.uid().unwrap_or_default(),
            labels: application.labels().clone(),
            annotations: annotations
                .filter(|(key, _)| key.starts_with(legacy::PREFIX))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            overrides: sources.into_iter().map(SourceSpec::overrides).collect(),
            wrote: Wrote::on(&application.metadata),
            is_generated: is_generated(application),
        }
    }
}

/// The annotation by which Argo CD knows what it manages:
/// <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>
const TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";

fn is_generated(application: &Application) -> bool {
    let mut owners = application.owner_references().iter();
    owners.any(|owner| owner.kind == "ApplicationSet")
        || application.annotations().contains_key(TRACKING_ANNOTATION)
}

impl Applications {
    /// Waits until they are known, for a while: without the right to list them they never are.
    pub(super) async fn wait(&self) -> Result<(), Error> {
        let known = tokio::time::timeout(LONGEST_WAIT, self.are_known.cancelled()).await;
        if known.is_err() || !self.kind_is_there.is_cancelled() {
            return Err(Error::ApplicationsUnavailable);
        }
        Ok(())
    }

    /// One, by namespace and name.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    /// All, sorted by namespace and name.
    pub(super) fn all(&self) -> Vec<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }

    /// All of a namespace, sorted by name.
    pub(super) fn of_namespace(&self, namespace: &str) -> Vec<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let from = (namespace.to_owned(), String::new());
        known
            .range(from..)
            .take_while(|((of, _), _)| of == namespace)
            .map(|(_, known)| Arc::clone(known))
            .collect()
    }

    /// Puts an Application in; returns what was known before if it is news.
    pub(super) fn put(&self, application: &Application) -> Option<Vec<Arc<Known>>> {
        let new = Arc::new(Known::of(application));
        let key = (new.facts.namespace.clone(), new.facts.name.clone());
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match known.insert(key, Arc::clone(&new)) {
            Some(old) if old == new => None,
            Some(old) => Some(vec![old, new]),
            None => Some(vec![new]),
        }
    }

    fn remove(&self, key: &Key) -> Option<Arc<Known>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(key)
    }
}

/// Follows the Applications of `namespaces` (all, if empty) until `stop` is cancelled.
pub(super) async fn follow(
    kube: Client,
    namespaces: Vec<String>,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let following = async {
        wait_for_the_kind(&kube, &context).await;
        let apis = scope::apis::<DeserializeGuard<Application>>(&kube, &namespaces);
        let missing = Arc::new(AtomicUsize::new(apis.len()));
        let watches = apis.into_iter().map(|api| {
            let settings = watcher::Config::default().page_size(PAGE_SIZE);
            let watch = watcher::watcher(api, settings).default_backoff();
            follow_one(watch.boxed(), &context, &missing)
        });
        futures::future::join_all(watches).await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = following => {}
    }
}

/// Policies that select nothing go on meanwhile.
async fn wait_for_the_kind(kube: &Client, context: &Context) {
    loop {
        let resources = kube.list_api_group_resources("argoproj.io/v1alpha1").await;
        let is_there =
            resources.is_ok_and(|list| list.resources.iter().any(|it| it.name == "applications"));
        if is_there {
            context.applications.kind_is_there.cancel();
            return;
        }
        if !context.applications.are_known.is_cancelled() {
            info!("The cluster has no Argo CD Applications; policies that select some wait");
            context.applications.are_known.cancel();
        }
        tokio::time::sleep(KIND_CHECK).await;
    }
}

async fn follow_one(
    mut events: impl Stream<Item = Result<Event<DeserializeGuard<Application>>, watcher::Error>> + Unpin,
    context: &Context,
    missing: &AtomicUsize,
) {
    let mut first = true;
    // The Applications of this watch that were seen since it started over.
    let mut fresh: HashSet<Key> = HashSet::new();
    let mut mine: HashSet<Key> = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => fresh.clear(),
            Ok(Event::InitApply(application) | Event::Apply(application)) => {
                let key = key(application.meta());
                if let Ok(application) = &application.0 {
                    fresh.insert(key.clone());
                    mine.insert(key);
                    if let Some(news) = context.applications.put(application) {
                        context.shards.objects_changed();
                        context.trigger_policies_that_select(&news);
                        context.legacy.application_changed(&news);
                    }
                } else {
                    // It counts as none, and keeps nobody from the others. What the error quotes may
                    // be a secret value of a parameter.
                    warn!(
                        argocd.application = format!("{}/{}", key.0, key.1),
                        "An Application can't be read: a field is of another type than in Argo CD"
                    );
                    fresh.remove(&key);
                    mine.remove(&key);
                    forget(&key, context);
                }
            }
            Ok(Event::Delete(application)) => {
                let key = key(application.meta());
                mine.remove(&key);
                forget(&key, context);
            }
            Ok(Event::InitDone) => {
                for key in mine.difference(&fresh) {
                    forget(key, context);
                }
                mine.clone_from(&fresh);
                let left = missing.fetch_sub(usize::from(first), Ordering::SeqCst);
                if first && left == 1 {
                    context.applications.are_known.cancel();
                    context.applications.are_listed.cancel();
                }
                first = false;
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "Could not watch Applications"
            ),
        }
    }
}

fn forget(key: &Key, context: &Context) {
    if let Some(old) = context.applications.remove(key) {
        context.shards.objects_changed();
        context.put_backs.forget(&format!("{}/{}", key.0, key.1));
        let states = [old];
        context.trigger_policies_that_select(&states);
        context.legacy.application_changed(&states);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn little_is_kept_of_a_large_application() {
        let resource = json!({"kind": "Deployment", "name": "x".repeat(200), "status": "Synced"});
        let object = json!({
            "metadata": {
                "namespace": "argocd",
                "name": "shop",
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "x".repeat(10_000),
                },
                "managedFields": [{"manager": "argocd", "fieldsV1": {"f:spec": "x".repeat(10_000)}}],
            },
            "spec": {"source": {"repoURL": "https://git.example/env", "path": "shop", "helm": {
                "values": "x".repeat(10_000),
                "parameters": [{"name": "image.tag", "value": "1.0.0"}],
            }}},
            "status": {
                "resources": vec![resource; 1000],
                "summary": {"images": ["registry.example/shop:1.0.0"]},
            },
            "operation": {"info": "x".repeat(10_000)},
        });
        let read: Application = serde_json::from_value(object).expect("it is an Application");
        let mut known = Known::of(&read);
        let overrides = std::mem::take(&mut known.overrides).concat();
        let overrides = String::from_utf8(overrides).expect("they are JSON");
        assert!(overrides.contains("image.tag") && overrides.len() < 100);
        let kept = format!("{known:?}");
        assert!(kept.contains("registry.example/shop:1.0.0"));
        assert!(kept.len() < 1000, "{} bytes: {kept}", kept.len());
    }
}
