//! Looks at objects once, for a person, by the operator's own functions: gathers, decides, and writes
//! or rehearses. The objects come from files, or from a cluster that is only read.
//!
//! There is no loop and no status here; what differs from the operator is a [`Caller`], and that a
//! client without a cluster answers from files.

mod answers;
mod logins;
mod seen;

use std::path::PathBuf;
use std::sync::Arc;

use futures::channel::mpsc;
use futures::future::join_all;
use image_update_core::legacy::{self, CommitSettings, Diagnostic};
use kube::core::{DeserializeGuard, Resource};
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::applications::Known;
use super::context::{Context, Settings};
use super::error::Error;
use super::image_update_policy::{self, Looked};
use super::image_watch;
use super::legacy::Legacy;
use super::notifications::Notifications;
use super::scope::{ALL, ApplicationScope};
use super::shards::Shards;
use crate::api::legacy::convert;
use crate::api::v1alpha1::{
    ImageState, ImageUpdatePolicy, ImageUpdatePolicyStatus, ImageWatch, annotations,
};
use crate::argocd::application::{Application, ApplicationStatus, Summary};
use crate::config::{ArgocdCredentials, DEFAULT_GIT_CACHE_BYTES};
use crate::hosts::AllowedHosts;
use crate::metrics::Metrics;
use crate::registry::conf::Registries;
use crate::write_back::journal::{ApplicationNote, Journal, Mode, Notes};

pub use super::image_update_policy::Decided;
pub use logins::{LoginError, Logins};
pub use seen::Seen;

/// How many policies are looked at at once; waiting for a push does not count.
const AT_ONCE: u16 = 16;

/// What is looked at.
#[derive(Default)]
pub struct Objects {
    /// The policies.
    pub policies: Vec<ImageUpdatePolicy>,
    /// The watches that they refer to.
    pub watches: Vec<ImageWatch>,
    /// The Applications, annotated ones too.
    pub applications: Vec<Application>,
}

/// Where everything else is: Secrets, ServiceAccounts, namespaces, what Argo CD knows.
pub enum Cluster {
    /// In files. The objects name their namespaces.
    Files(Vec<Value>),
    /// In a cluster.
    Api(Client),
}

/// How it is looked.
pub struct Options {
    /// Whether writes take place.
    pub mode: Mode,
    /// What a file says about registries.
    pub registries: Registries,
    /// The namespace of Argo CD.
    pub argocd_namespace: String,
    /// Which policies may use Argo CD's credentials.
    pub argocd_credentials: ArgocdCredentials,
    /// What the commits of annotated Applications are like.
    pub commit: CommitSettings,
    /// Where it is kept what is known of images.
    pub cache_dir: Option<PathBuf>,
    /// The credentials of the person who calls.
    pub logins: Logins,
    /// Only this policy, by namespace and name, and even if it is suspended.
    pub only: Option<(String, String)>,
    /// Where it is told how far the look has come.
    pub seen: Arc<Seen>,
}

/// What was found.
pub struct Findings {
    /// The policies, in the order of their namespaces and names.
    pub policies: Vec<Finding>,
    /// What was written, or would be.
    pub notes: Notes,
    /// What is wrong with annotations, each with its Application.
    pub diagnostics: Vec<(String, Diagnostic)>,
    /// How many Applications don't say what they run, as they stand in git, and so were taken for
    /// running every image.
    pub taken_for_live: usize,
}

/// How a policy was found.
pub struct Finding {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The status that the operator would write.
    pub status: ImageUpdatePolicyStatus,
    /// What was decided for each image, in each place.
    pub decisions: Vec<Decided>,
    /// Everything that went wrong, the gravest first.
    pub errors: Vec<String>,
    /// Whether the policy itself can't be carried out, whatever the world is like.
    pub is_invalid: bool,
}

/// A person for whom objects are looked at once.
pub(super) struct Caller {
    /// Notes what is written.
    pub(super) journal: Arc<Journal>,
    /// Their credentials.
    pub(super) logins: Logins,
}

impl Caller {
    /// Notes what would stand in an Application, which nobody writes here.
    pub(super) fn application(
        &self,
        application: String,
        source: usize,
        (before, after): (&[u8], Option<&Vec<u8>>),
    ) -> Result<(), Error> {
        if self.journal.mode() == Mode::Push {
            return Err(Error::NoCluster { application });
        }
        self.journal.application(ApplicationNote {
            application,
            source,
            before: before.to_vec(),
            after: after.cloned().unwrap_or_default(),
        });
        Ok(())
    }
}

/// Looks at the objects. An error means that the folder of [`Options::cache_dir`] can't be used.
///
/// A `rustls` crypto provider must have been installed for the process.
pub async fn look(
    objects: Objects,
    cluster: Cluster,
    options: Options,
) -> std::io::Result<Findings> {
    let (kube, is_from_files) = match cluster {
        Cluster::Files(others) => (answers::client(others), true),
        Cluster::Api(client) => (client, false),
    };
    let journal = Arc::new(Journal::new(options.mode));
    let settings = Settings {
        cache_dir: options.cache_dir,
        concurrency: AT_ONCE,
        application_scope: ApplicationScope {
            argocd: options.argocd_namespace,
            // Whoever names Applications means them.
            others: vec![ALL.to_owned()],
        },
        argocd_credentials: options.argocd_credentials,
        refreshes: false,
        git_cache_bytes: DEFAULT_GIT_CACHE_BYTES,
        shards: Shards::none(),
        notifications: Notifications::none(),
        caller: Some(Caller {
            journal: Arc::clone(&journal),
            logins: options.logins,
        }),
    };
    let (watches, watch_writer) = reflector::store();
    let (policies, policy_writer) = reflector::store();
    let ((watch_trigger, _), (policy_trigger, _)) = (mpsc::unbounded(), mpsc::unbounded());
    let context = Context::new(
        kube,
        (settings, Legacy::off()),
        (AllowedHosts::default(), options.registries),
        (watches, policies),
        (watch_trigger, policy_trigger),
        CancellationToken::new(),
        Metrics::new(),
    )?;
    let seen = options.seen;
    seen.listen(&context.registry);
    let (mut objects, diagnostics) = with_converted(objects, &options.commit);
    let taken_for_live = is_from_files.then(|| take_for_live(&mut objects));
    for application in &objects.applications {
        context.applications.put(application);
    }
    context.applications.kind_is_there.cancel();
    context.applications.are_known.cancel();

    let is_meant = |policy: &&ImageUpdatePolicy| {
        options.only.as_ref().is_none_or(|(namespace, name)| {
            policy.namespace().as_ref() == Some(namespace) && policy.name_any() == *name
        })
    };
    let meant: Vec<&ImageUpdatePolicy> = objects.policies.iter().filter(is_meant).collect();
    let is_needed = |watch: &&ImageWatch| {
        let (namespace, name) = super::status::names(&watch.metadata);
        meant.iter().any(|it| it.refers_to(namespace, name))
    };
    let needed: Vec<&ImageWatch> = objects.watches.iter().filter(is_needed).collect();
    seen.watches.expect(needed.len());
    seen.policies.expect(meant.len());
    let scanned = needed
        .iter()
        .map(|watch| seen.watches.one(image_watch::look_once(watch, &context)));
    fill(watch_writer, join_all(scanned).await);
    fill(policy_writer, objects.policies.clone());
    for policy in context.policies.state() {
        context.policy_index.put(&policy);
    }

    let wakes = options.only.is_some();
    // All at once, so that those of one branch join one push, as in the operator.
    let looked = meant.iter().map(async |policy| {
        let looked = image_update_policy::look_once(policy, wakes, &context);
        finding(policy, seen.policies.one(looked).await)
    });
    let mut policies = join_all(looked).await;
    policies
        .sort_by(|left, right| (&left.namespace, &left.name).cmp(&(&right.namespace, &right.name)));
    Ok(Findings {
        policies,
        notes: journal.notes(),
        diagnostics,
        taken_for_live: taken_for_live.unwrap_or_default(),
    })
}

fn finding(policy: &ImageUpdatePolicy, mut looked: Looked) -> Finding {
    if looked.errors.is_empty() {
        looked.errors = failures(&looked.status);
    }
    Finding {
        namespace: policy.namespace().unwrap_or_default(),
        name: policy.name_any(),
        status: looked.status,
        decisions: looked.decisions,
        errors: looked.errors,
        is_invalid: looked.is_invalid,
    }
}

/// What could not be decided of a policy that has no error of its own.
fn failures(status: &ImageUpdatePolicyStatus) -> Vec<String> {
    let is_failed = |state: ImageState| state == ImageState::Failed;
    let images = status.images.iter().filter(|it| is_failed(it.state));
    let images = images.map(|it| format!("{}: {}", it.alias, it.message));
    let applications = status.attention.iter().filter(|it| is_failed(it.state));
    let applications =
        applications.map(|it| format!("Application {}: {}", it.application, it.message));
    images.chain(applications).collect()
}

/// The objects, with those that annotations stand for. A policy of an Application's name goes before
/// its annotations, unless it was made from them.
fn with_converted(
    mut objects: Objects,
    commit: &CommitSettings,
) -> (Objects, Vec<(String, Diagnostic)>) {
    let mut diagnostics = Vec::new();
    for application in &objects.applications {
        let known = Known::of(application);
        let (namespace, name) = (&known.facts.namespace, &known.facts.name);
        let Some((settings, problems)) = legacy::parse(&known.facts, &known.annotations) else {
            continue;
        };
        let is_its = |policy: &ImageUpdatePolicy| {
            policy.namespace().as_ref() == Some(namespace) && policy.name_any() == *name
        };
        let found = objects.policies.iter().position(is_its);
        let is_superseded =
            found.is_some_and(|at| !annotations::is_converted(&objects.policies[at].metadata));
        if is_superseded {
            continue;
        }
        let subject = format!("{namespace}/{name}");
        diagnostics.extend(problems.into_iter().map(|it| (subject.clone(), it)));
        let Some(converted) = convert(namespace, name, &settings, commit) else {
            continue;
        };
        let old = found.map(|at| objects.policies.remove(at));
        objects.policies.push(ImageUpdatePolicy {
            // What was taken back in git is still known.
            status: old.and_then(|policy| policy.status),
            ..converted.policy
        });
        for watch in converted.watches {
            let key = |watch: &ImageWatch| (watch.namespace(), watch.name_any());
            if !objects.watches.iter().any(|it| key(it) == key(&watch)) {
                objects.watches.push(watch);
            }
        }
    }
    (objects, diagnostics)
}

/// An Application as it stands in git has no status. That nothing is known of what it runs does not
/// mean that it runs nothing; returns how many there are.
fn take_for_live(objects: &mut Objects) -> usize {
    let watched = objects.watches.iter().map(|watch| watch.spec.image.clone());
    let policies = objects.policies.iter().flat_map(|it| &it.spec.images);
    let named = policies.flat_map(|image| {
        let kustomize = image.kustomize.as_ref().map(|it| it.name.clone());
        image.image.clone().into_iter().chain(kustomize)
    });
    let images: Vec<String> = watched.chain(named).collect();
    let unknown = objects.applications.iter_mut();
    let mut count = 0;
    for application in unknown.filter(|it| it.status.is_none()) {
        count += 1;
        application.status = Some(ApplicationStatus {
            summary: Summary {
                images: images.clone(),
            },
            ..ApplicationStatus::default()
        });
    }
    count
}

/// Puts objects into a store, which is complete then.
fn fill<K>(mut writer: Writer<DeserializeGuard<K>>, objects: Vec<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        writer.apply_watcher_event(&Event::InitApply(DeserializeGuard(Ok(object))));
    }
    writer.apply_watcher_event(&Event::InitDone);
}
