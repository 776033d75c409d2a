//! Brings the policy of one Application to what its annotations say, and its watches before it.

use std::collections::BTreeSet;

use image_update_core::legacy::{self, Diagnostic};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{NamespaceResourceScope, ObjectMeta, Resource};
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use super::objects::{self, APPLICATION_KIND, is_current, is_owned};
use super::{Key, Legacy, Standing};
use crate::api::legacy::{Converted, convert};
use crate::api::v1alpha1::annotations::is_converted;
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageUpdatePolicySpec, ImageWatch, Reason};
use crate::controller::applications::Known;
use crate::controller::context::{Context, GuardedPolicy, key};
use crate::controller::events::{self, Notice};
use crate::controller::status::FIELD_MANAGER;
use crate::request_error;

/// What became of one Application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing had to be written.
    Unchanged,
    /// Its policy was written or deleted.
    Written,
    /// Others were faster: look again soon.
    Outdated,
    /// The API server is the problem: try again.
    Failed,
}

/// Looks at the Application `key`, which may be gone, and at the policy of its name.
pub(super) async fn reconcile(context: &Context, key: &Key) -> Outcome {
    let (namespace, name) = key;
    let known = context.applications.get(key);
    let policy = context
        .policies
        .get(&ObjectRef::<GuardedPolicy>::new(name).within(namespace));
    let policy = policy.as_deref();
    let read = known.as_ref().and_then(|known| {
        let (settings, problems) = legacy::parse(&known.facts, &known.annotations)?;
        Some((known, settings, problems))
    });
    if policy.is_some_and(|policy| !is_converted(policy.meta())) {
        debug!(
            object.namespace = namespace,
            object.name = name,
            "The policy of this name is not made from annotations, so they have no effect"
        );
        context.legacy.memory().needs.remove(key);
        return Outcome::Unchanged;
    }
    let Some((known, settings, problems)) = read else {
        context.legacy.forget(key);
        return match policy {
            Some(policy) if is_owned(policy.meta()) => delete(context, policy.meta()).await,
            Some(_) | None => Outcome::Unchanged,
        };
    };
    if *context.legacy.standing.borrow() == Standing::Held {
        return Outcome::Unchanged;
    }
    let wanted = match convert(namespace, name, &settings, &context.legacy.commit) {
        Some(mut wanted) => {
            for watch in &mut wanted.watches {
                watch.spec.interval.clone_from(&context.legacy.interval);
            }
            Some(wanted)
        }
        None => policy.and_then(suspended),
    };
    let Some(Converted {
        policy: wanted,
        watches,
    }) = wanted
    else {
        let mark = problems.iter().map(ToString::to_string).collect();
        if context.legacy.is_news(key, mark) {
            tell(context, known, objects::notice(&problems)).await;
        }
        return Outcome::Unchanged;
    };
    let wanted = objects::marked_policy(wanted, known, &problems);
    // Watches come first, and nobody takes them for unused meanwhile.
    let needs = watches.iter().map(ResourceExt::name_any).collect();
    context.legacy.need(key, needs);
    for watch in watches {
        let written = write_watch(context, objects::marked_watch(watch)).await;
        if written == Outcome::Failed {
            return written;
        }
    }
    write_policy(context, key, known, policy, &wanted, &problems).await
}

/// The policy that is there, but idle: what its annotations say now can't be carried out, and what
/// they said before is not what is wanted. It is not deleted, because its status knows what a
/// person took back in git.
fn suspended(policy: &GuardedPolicy) -> Option<Converted> {
    let policy = policy.0.as_ref().ok()?;
    let metadata = ObjectMeta {
        name: policy.metadata.name.clone(),
        namespace: policy.metadata.namespace.clone(),
        ..ObjectMeta::default()
    };
    let spec = ImageUpdatePolicySpec {
        suspend: true,
        ..policy.spec.clone()
    };
    let policy = ImageUpdatePolicy {
        metadata,
        spec,
        status: None,
    };
    let watches = Vec::new();
    Some(Converted { policy, watches })
}

async fn write_policy(
    context: &Context,
    key: &Key,
    known: &Known,
    found: Option<&GuardedPolicy>,
    wanted: &ImageUpdatePolicy,
    problems: &[Diagnostic],
) -> Outcome {
    let readable = found.and_then(|found| found.0.as_ref().ok());
    if readable.is_some_and(|found| {
        let found = (&found.metadata, &found.spec);
        is_current(found, (&wanted.metadata, &wanted.spec))
    }) {
        return Outcome::Unchanged;
    }
    let mark = objects::mark(&wanted.metadata).unwrap_or_default();
    if found.and_then(|found| objects::mark(found.meta())) != Some(mark)
        && context.legacy.is_news(key, mark.to_owned())
    {
        tell(context, known, objects::notice(problems)).await;
    }
    let mut wanted = wanted.clone();
    // Nobody's label may be overlooked that was taken off just now.
    wanted.metadata.resource_version = found.and_then(|it| it.meta().resource_version.clone());
    match apply(&context.kube, &wanted, found.is_some()).await {
        Ok(()) => Outcome::Written,
        Err(kube::Error::Api(answer)) if answer.code == 422 => {
            let note = format!("the API server refuses the policy: {}", answer.message);
            if context.legacy.is_news(key, note.clone()) {
                tell(context, known, Some(refusal(note))).await;
            }
            Outcome::Unchanged
        }
        Err(error) => failed(&error, "policy", key),
    }
}

async fn write_watch(context: &Context, wanted: ImageWatch) -> Outcome {
    let key = key(&wanted.metadata);
    let reference = ObjectRef::new(&key.1).within(&key.0);
    let found = context.watches.get(&reference);
    let found = found.as_deref();
    // One that somebody took over serves as it is.
    if found.is_some_and(|found| !is_converted(found.meta())) {
        return Outcome::Unchanged;
    }
    let readable = found.and_then(|found| found.0.as_ref().ok());
    if readable.is_some_and(|found| {
        let found = (&found.metadata, &found.spec);
        is_current(found, (&wanted.metadata, &wanted.spec))
    }) {
        return Outcome::Unchanged;
    }
    let mark = objects::mark(&wanted.metadata)
        .unwrap_or_default()
        .to_owned();
    let written = context.legacy.memory().written.get(&key).cloned();
    if found.is_none() && written.as_ref() == Some(&mark) {
        return Outcome::Unchanged;
    }
    match apply(&context.kube, &wanted, found.is_some()).await {
        Ok(()) => {
            context.legacy.memory().written.insert(key, mark);
            Outcome::Written
        }
        Err(error) => failed(&error, "watch", &key),
    }
}

/// Writes an object server-side. What is new to us is not forced, so that another object of the
/// name, which is not known here yet, is not overwritten.
async fn apply<K>(kube: &Client, object: &K, is_known: bool) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(kube.clone(), &namespace);
    let mut parameters = PatchParams::apply(FIELD_MANAGER);
    parameters.force = is_known;
    let patch = Patch::Apply(object);
    api.patch(&object.name_any(), &parameters, &patch).await?;
    Ok(())
}

async fn delete(context: &Context, policy: &ObjectMeta) -> Outcome {
    let namespace = policy.namespace.clone().unwrap_or_default();
    let name = policy.name.clone().unwrap_or_default();
    let api: Api<ImageUpdatePolicy> = Api::namespaced(context.kube.clone(), &namespace);
    match api.delete(&name, &exactly(policy)).await {
        Ok(_) => Outcome::Written,
        Err(kube::Error::Api(answer)) if answer.code == 404 => Outcome::Unchanged,
        Err(error) => failed(&error, "policy", &(namespace, name)),
    }
}

/// Deletes the object only as it was seen.
pub(super) fn exactly(meta: &ObjectMeta) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
        }),
        ..DeleteParams::default()
    }
}

fn failed(error: &kube::Error, what: &str, (namespace, name): &Key) -> Outcome {
    if matches!(error, kube::Error::Api(answer) if answer.code == 409) {
        return Outcome::Outdated;
    }
    warn!(
        object.namespace = namespace,
        object.name = name,
        error = %request_error::words(error),
        "Could not write the {what} of an annotated Application"
    );
    Outcome::Failed
}

fn refusal(note: String) -> Notice {
    Notice {
        type_: kube::runtime::events::EventType::Warning,
        reason: Reason::InvalidAnnotations,
        action: "Convert",
        note,
    }
}

async fn tell(context: &Context, known: &Known, notice: Option<Notice>) {
    let application = known.reference();
    if let Some(notice) = &notice {
        warn!(
            object.kind = APPLICATION_KIND,
            object.namespace = known.facts.namespace,
            object.name = known.facts.name,
            "{}",
            notice.note
        );
    }
    let (notices, now) = (notice.into_iter().collect(), context.clock.now());
    events::publish(&context.kube, &application, notices, now).await;
}

impl Legacy {
    /// Notes which watches the policy of an Application needs from now on.
    fn need(&self, key: &Key, watches: BTreeSet<String>) {
        let mut memory = self.memory();
        let has_changed = memory.needs.get(key).is_some_and(|it| *it != watches);
        memory.has_unused |= has_changed;
        memory.needs.insert(key.clone(), watches);
    }

    fn forget(&self, key: &Key) {
        let mut memory = self.memory();
        memory.told.remove(key);
        memory.has_unused |= memory.needs.remove(key).is_some();
    }

    /// Whether this was not told about the Application the last time.
    fn is_news(&self, key: &Key, mark: String) -> bool {
        let before = self.memory().told.insert(key.clone(), mark.clone());
        before != Some(mark)
    }
}
