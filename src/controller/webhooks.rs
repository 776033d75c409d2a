//! Has objects looked at when a registry tells of a push: those that could take the pushed tag.
//!
//! It asks by the annotation that people ask by (`image-update.dev/requestedAt`), so that it works in
//! any replica and is obeyed by the one that leads. What comes within a moment is asked for once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use image_update_core::image::{Repository, Tag};
use image_update_core::plan::DigestRule;
use image_update_core::policy::could_select;
use image_update_core::webhook::Push;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::context::{Context, key};
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageWatch, annotations};
use crate::api::validate::{self, ImageModel, ImageSource};
use crate::request_error;

/// Bodies that wait to be looked at.
pub(super) const QUEUE: usize = 256;

/// How long others may join before an object is asked for: a pipeline pushes several tags.
const GATHER: Duration = Duration::from_millis(300);

/// The least time between two requests for one object. What is pushed meanwhile waits for its end.
const PAUSE: Duration = Duration::from_secs(5);

/// How often a request is sent that fails.
const ATTEMPTS: u32 = 5;

/// How long after a failure it is sent again.
const RETRY: Duration = Duration::from_secs(2);

/// Requests at once.
const CONCURRENCY: usize = 8;

/// The field manager of the annotation.
const FIELD_MANAGER: &str = "image-update-operator-webhook";

/// An object that is to be looked at, by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Target {
    /// Its tags are to be listed.
    Watch(String, String),
    /// It has an image without a watch, or follows the digest of the tag.
    Policy(String, String),
}

/// Asks for objects until `stop`; what waits then is asked for at once.
pub(super) async fn follow(
    context: Arc<Context>,
    mut pushes: mpsc::Receiver<Vec<Push>>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = context.stores_are_filled() => {}
    }
    let mut waiting = Waiting::default();
    loop {
        let next = waiting.next();
        tokio::select! {
            () = stop.cancelled() => break,
            received = pushes.recv() => {
                let Some(received) = received else { break };
                let now = Instant::now();
                for target in received.iter().flat_map(|push| targets(&context, push)) {
                    waiting.ask(target, now);
                }
            }
            () = until(next) => {
                let due = waiting.due(Instant::now());
                request_all(&context, due, &mut waiting).await;
            }
        }
    }
    let rest = waiting.rest();
    request_all(&context, rest, &mut Waiting::default()).await;
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Objects that wait to be asked for, and those that were lately.
#[derive(Default)]
struct Waiting {
    /// When an object is due, and which attempt that is.
    due: BTreeMap<Target, (Instant, u32)>,
    asked: HashMap<Target, Instant>,
}

impl Waiting {
    /// Has an object asked for soon.
    fn ask(&mut self, target: Target, now: Instant) {
        let soon = now + GATHER;
        let time = self
            .asked
            .get(&target)
            .map_or(soon, |asked| soon.max(*asked + PAUSE));
        self.due.entry(target).or_insert((time, 1));
    }

    /// Has an object asked for again, for which the attempt failed.
    fn ask_again(&mut self, target: Target, attempt: u32, now: Instant) {
        self.due.entry(target).or_insert((now + RETRY, attempt + 1));
    }

    /// When the next object is due.
    fn next(&self) -> Option<Instant> {
        self.due.values().map(|(time, _)| *time).min()
    }

    /// Takes the objects that are due, with the number of the attempt.
    fn due(&mut self, now: Instant) -> Vec<(Target, u32)> {
        self.asked
            .retain(|_, asked| now.duration_since(*asked) < PAUSE);
        let due = self.due.extract_if(.., |_, (time, _)| *time <= now);
        let due: Vec<_> = due
            .map(|(target, (_, attempt))| (target, attempt))
            .collect();
        self.asked
            .extend(due.iter().map(|(target, _)| (target.clone(), now)));
        due
    }

    /// Takes all that are left.
    fn rest(self) -> Vec<(Target, u32)> {
        let all = self.due.into_iter();
        all.map(|(target, (_, attempt))| (target, attempt))
            .collect()
    }
}

/// The objects that are to be looked at after a push.
fn targets(context: &Context, push: &Push) -> BTreeSet<Target> {
    let watches: BTreeSet<_> = context
        .watches
        .state()
        .into_iter()
        .filter(|watch| watch.0.as_ref().is_ok_and(|watch| is_of(watch, push)))
        .map(|watch| key(watch.meta()))
        .collect();
    let mut found = BTreeSet::new();
    let index = &context.policy_index;
    let referring = watches
        .iter()
        .flat_map(|(namespace, name)| index.referring(namespace, name));
    let policies: BTreeSet<_> = index
        .naming(&push.repositories)
        .into_iter()
        .chain(referring)
        .collect();
    for policy in policies.iter().filter_map(|key| context.policy(key)) {
        let Ok(policy) = &policy.0 else { continue };
        if annotations::is_suspended(&policy.metadata, policy.spec.suspend) {
            continue;
        }
        let Ok(mut model) = validate::image_update_policy(&policy.spec) else {
            continue;
        };
        let pins = annotations::annotation(&policy.metadata, annotations::PINS);
        if validate::pin(&mut model, pins).is_err() {
            continue;
        }
        let own = key(&policy.metadata);
        for image in &model.images {
            let watch = watch_of(image, &own.0);
            let watch = watch.filter(|key| watches.contains(key));
            let is_inline = is_inline(image, &push.repositories);
            if watch.is_none() && !is_inline || !could_select(&image.policy, &push.tag) {
                continue;
            }
            // A tag that was moved is no news for a watch.
            if is_inline || image.digest == DigestRule::Always {
                found.insert(Target::Policy(own.0.clone(), own.1.clone()));
            }
            found.extend(watch.map(|(namespace, name)| Target::Watch(namespace, name)));
        }
    }
    debug!(
        image.repository = push.repositories.first().map(Repository::as_str),
        image.tag = %push.tag,
        objects = found.len(),
        "Looked for who could take a pushed tag"
    );
    found
}

/// Whether a watch is of a repository, and shows the tag.
fn is_of(watch: &ImageWatch, push: &Push) -> bool {
    let repository = watch.spec.image.parse::<Repository>();
    repository.is_ok_and(|repository| push.repositories.contains(&repository))
        && !annotations::is_suspended(&watch.metadata, watch.spec.suspend)
        && shows(watch, &push.tag)
}

fn shows(watch: &ImageWatch, tag: &Tag) -> bool {
    validate::image_watch(&watch.spec).is_ok_and(|model| !model.excludes(tag.as_str()))
}

/// The watch of an image of a policy in the namespace `own`.
fn watch_of(image: &ImageModel, own: &str) -> Option<(String, String)> {
    match &image.source {
        ImageSource::Watch { name, namespace } => {
            let namespace = namespace.as_deref().unwrap_or(own);
            Some((namespace.to_owned(), name.clone()))
        }
        ImageSource::Inline(_) => None,
    }
}

fn is_inline(image: &ImageModel, repositories: &[Repository]) -> bool {
    match &image.source {
        ImageSource::Inline(repository) => repositories.contains(repository),
        ImageSource::Watch { .. } => false,
    }
}

/// Asks for objects; those for which that fails wait again.
async fn request_all(context: &Context, targets: Vec<(Target, u32)>, waiting: &mut Waiting) {
    let requests = targets.into_iter().map(async |(target, attempt)| {
        let result = request(context, &target).await;
        (target, attempt, result)
    });
    let mut requests = futures::stream::iter(requests).buffer_unordered(CONCURRENCY);
    while let Some((target, attempt, result)) = requests.next().await {
        let (kind, namespace, name) = target.names();
        match result {
            Ok(()) => {
                context.metrics.webhook_scan(kind);
                info!(
                    object.kind = kind,
                    object.namespace = namespace,
                    object.name = name,
                    "A webhook asked for a look"
                );
            }
            // It was deleted meanwhile.
            Err(kube::Error::Api(answer)) if answer.code == 404 => {}
            Err(error) if attempt < ATTEMPTS => {
                debug!(
                    error = %request_error::words(&error),
                    "Could not ask for a look"
                );
                waiting.ask_again(target, attempt, Instant::now());
            }
            Err(error) => warn!(
                object.kind = kind,
                object.namespace = namespace,
                object.name = name,
                error = %request_error::words(&error),
                "A webhook could not ask for a look; it comes with the interval"
            ),
        }
    }
}

async fn request(context: &Context, target: &Target) -> Result<(), kube::Error> {
    let (_, namespace, name) = target.names();
    let (kube, now) = (&context.kube, context.clock.now().to_string());
    match target {
        Target::Watch(..) => annotate::<ImageWatch>(kube, namespace, name, &now).await,
        Target::Policy(..) => annotate::<ImageUpdatePolicy>(kube, namespace, name, &now).await,
    }
}

async fn annotate<K>(
    kube: &Client,
    namespace: &str,
    name: &str,
    now: &str,
) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(kube.clone(), namespace);
    let annotations = json!({ annotations::REQUESTED_AT: now });
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_metadata(name, &parameters, &patch)
        .await
        .map(drop)
}

impl Target {
    /// Kind, namespace and name.
    fn names(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Watch(namespace, name) => ("ImageWatch", namespace, name),
            Self::Policy(namespace, name) => ("ImageUpdatePolicy", namespace, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(name: &str) -> Target {
        Target::Watch("a".to_owned(), name.to_owned())
    }

    #[test]
    fn what_is_pushed_in_a_moment_is_asked_for_once() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        for step in 0..20 {
            waiting.ask(watch("app"), start + GATHER / 20 * step);
        }
        assert_eq!(waiting.next(), Some(start + GATHER));
        assert_eq!(waiting.due(start + GATHER), [(watch("app"), 1)]);
        assert_eq!(waiting.next(), None);
    }

    #[test]
    fn what_is_pushed_after_that_waits_for_the_end_of_the_pause() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        waiting.ask(watch("app"), start);
        let first = start + GATHER;
        assert_eq!(waiting.due(first).len(), 1);
        waiting.ask(watch("app"), first + GATHER);
        waiting.ask(watch("other"), first + GATHER);
        assert_eq!(waiting.due(first + GATHER * 2), [(watch("other"), 1)]);
        assert_eq!(waiting.next(), Some(first + PAUSE));
        assert_eq!(waiting.due(first + PAUSE), [(watch("app"), 1)]);
        waiting.ask(watch("app"), first + PAUSE * 3);
        assert_eq!(waiting.next(), Some(first + PAUSE * 3 + GATHER));
    }

    #[test]
    fn what_fails_is_asked_for_again_and_what_is_left_is_not_lost() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        waiting.ask_again(watch("app"), 1, start);
        waiting.ask(watch("app"), start);
        assert_eq!(waiting.due(start + GATHER), []);
        assert_eq!(waiting.due(start + RETRY), [(watch("app"), 2)]);
        waiting.ask(watch("other"), start);
        assert_eq!(waiting.rest(), [(watch("other"), 1)]);
    }
}
