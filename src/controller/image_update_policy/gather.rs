//! Turns the world into data: tags of each image, and the key that commits are signed with.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use image_update_core::image::Repository;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use zeroize::Zeroizing;

use crate::api::v1alpha1::{AccessFrom, ImageUpdatePolicy, ImageWatch, annotations};
use crate::api::validate::{GitModel, ImageModel, ImageSource, PolicyModel};
use crate::controller::context::{Context, GuardedWatch};
use crate::controller::error::{Error, NoTags, SecretProblem};
use crate::controller::registries;
use crate::controller::status::names;
use crate::controller::tags::WatchedTags;
use crate::git::signing::SigningKey;
use crate::registry::Access;
use crate::request_error::RequestError;

/// How often an `image` without a watch is scanned: the default interval of a watch.
pub(super) const INLINE_SCAN_INTERVAL: Duration = Duration::from_mins(2);

/// An image with its tags, or why there are none.
pub(super) struct Gathered {
    /// The image's alias.
    pub(super) alias: String,
    /// What values that are marked for it are marked with.
    pub(super) markers: Vec<String>,
    /// Its tags.
    pub(super) tags: Result<Known, Error>,
}

/// Tags, and where they come from.
pub(super) struct Known {
    /// The tags.
    pub(super) tags: WatchedTags,
    /// The watch that knows them; `None` for an image without one.
    watch: Option<Arc<GuardedWatch>>,
}

impl Known {
    /// As whom the registry is asked for more than tags. Secrets are read only when that is needed.
    pub(super) async fn access(&self, context: &Context) -> Result<Access, Error> {
        match self.watch.as_deref().map(|watch| &watch.0) {
            Some(Ok(watch)) => watch_access(watch, context).await,
            Some(Err(_)) | None => registries::default_access(&self.tags.repository, context).await,
        }
    }
}

/// The tags of every image of `policy`, in the order of its spec.
pub(super) async fn images(
    policy: &ImageUpdatePolicy,
    model: &PolicyModel,
    context: &Context,
) -> Vec<Gathered> {
    join_all(
        model
            .images
            .iter()
            .map(|image| gather_image(policy, image, context)),
    )
    .await
}

async fn gather_image(
    policy: &ImageUpdatePolicy,
    image: &ImageModel,
    context: &Context,
) -> Gathered {
    let tags = match &image.source {
        ImageSource::Inline(repository) => inline(policy, repository, context).await,
        ImageSource::Watch { name, namespace } => {
            let own = names(&policy.metadata).0;
            watch(own, namespace.as_deref().unwrap_or(own), name, context).await
        }
    };
    Gathered {
        alias: image.alias.clone(),
        markers: markers(policy, &image.alias),
        tags,
    }
}

/// Flux has one policy for each image; of ours that have several, the alias tells them apart.
fn markers(policy: &ImageUpdatePolicy, alias: &str) -> Vec<String> {
    let (namespace, name) = names(&policy.metadata);
    let mut markers = vec![format!("{namespace}:{alias}")];
    if policy.spec.images.len() == 1 && alias != name {
        markers.push(format!("{namespace}:{name}"));
    }
    markers
}

async fn inline(
    policy: &ImageUpdatePolicy,
    repository: &Repository,
    context: &Context,
) -> Result<Known, Error> {
    if !context.allowed_hosts.allows_registry(repository.registry()) {
        return Err(Error::HostNotAllowed {
            host: repository.registry().to_owned(),
        });
    }
    let permit = context.permit().await;
    let access = registries::default_access(repository, context).await?;
    drop(permit);
    let handled = policy.status.as_ref();
    let handled = handled.and_then(|status| status.last_handled_reconcile_at.as_deref());
    let max_age = if annotations::is_requested(&policy.metadata, handled) {
        Duration::ZERO
    } else {
        INLINE_SCAN_INTERVAL
    };
    let scan = context
        .scans
        .get(&context.registry, repository, &access, max_age)
        .await;
    match scan.outcome {
        Ok(list) => Ok(Known {
            tags: WatchedTags::new(repository.clone(), &list, scan.sightings, |_| false),
            watch: None,
        }),
        Err(source) => {
            registries::note_refusal(&access, &source, context);
            Err(Error::Registry(source))
        }
    }
}

/// The tags of the watch `name` of `namespace`, for a policy of the namespace `own`.
async fn watch(own: &str, namespace: &str, name: &str, context: &Context) -> Result<Known, Error> {
    let shown = if own == namespace {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    };
    let found = context.watches.get(&ObjectRef::new(name).within(namespace));
    let Some(guard) = found else {
        return Err(not_found_or_denied(own, namespace, shown));
    };
    let Ok(watch) = &guard.0 else {
        return Err(not_found_or_denied(own, namespace, shown));
    };
    if own != namespace && !is_granted(watch.spec.access_from.as_ref(), own, context).await? {
        return Err(not_found_or_denied(own, namespace, shown));
    }
    let tags = context.tags.get(namespace, name);
    match tags.filter(|tags| is_about(watch, &tags.repository)) {
        Some(tags) => Ok(Known {
            tags,
            watch: Some(Arc::clone(&guard)),
        }),
        None => Err(Error::WatchNotReady {
            why: why_not_ready(watch, context),
            name: shown,
        }),
    }
}

/// Whether the spec still names the repository that was scanned. After a change its tags are of
/// no use, and its registry must not be shown the new credential.
fn is_about(watch: &ImageWatch, repository: &Repository) -> bool {
    let named = watch.spec.image.parse::<Repository>();
    named.is_ok_and(|named| named == *repository)
}

/// What is not granted and what is not there look alike from another namespace, so that nobody
/// can find out what others have.
fn not_found_or_denied(own: &str, namespace: &str, shown: String) -> Error {
    if own == namespace {
        Error::WatchNotFound { name: shown }
    } else {
        Error::AccessDenied {
            name: shown,
            namespace: own.to_owned(),
        }
    }
}

/// Why nothing is to be expected of a watch for now; `None` while its first scan is under way.
fn why_not_ready(watch: &ImageWatch, context: &Context) -> Option<NoTags> {
    if annotations::is_suspended(&watch.metadata, watch.spec.suspend) {
        return Some(NoTags::Suspended);
    }
    // What was just written, and woke the policy, may be in no store yet.
    let status = context
        .watch_statuses
        .latest(&watch.metadata, watch.status.as_ref())?;
    let mut conditions = status.conditions.into_iter();
    let ready = conditions.find(|condition| condition.type_ == "Ready")?;
    (ready.status != "True").then_some(NoTags::Failed(ready.message))
}

async fn is_granted(
    access_from: Option<&AccessFrom>,
    own: &str,
    context: &Context,
) -> Result<bool, Error> {
    let Some(access_from) = access_from else {
        return Ok(false);
    };
    let api: Api<Namespace> = Api::all(context.kube.clone());
    let namespace = api.get(own).await.map_err(|source| Error::ReadObject {
        kind: "Namespace",
        name: own.to_owned(),
        source: RequestError::new(source),
    })?;
    let labels = namespace.metadata.labels.unwrap_or_default();
    Ok(access_from.namespace_selectors.iter().any(|selector| {
        selector
            .match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    }))
}

/// As whom a watch asks its registry; its Secrets are of its own namespace.
async fn watch_access(watch: &ImageWatch, context: &Context) -> Result<Access, Error> {
    let model = crate::api::validate::image_watch(&watch.spec).map_err(Error::InvalidSpec)?;
    let namespace = names(&watch.metadata).0;
    crate::controller::image_watch::access(namespace, &watch.spec, &model, context).await
}

/// The keys of a Secret that may hold a signing key, in the order they are looked for.
const SIGNING_KEYS: &[&str] = &["git.asc", "identity", "sshPrivateKey", "ssh-privatekey"];

/// The keys of a Secret that may hold a passphrase.
const PASSPHRASES: &[&str] = &["passphrase", "password"];

/// What the policy's commits are signed with.
pub(super) async fn signing_key(
    policy: &ImageUpdatePolicy,
    git: &GitModel,
    context: &Context,
    now: Timestamp,
) -> Result<Option<Arc<SigningKey>>, Error> {
    let Some(name) = &git.commit.signing_secret else {
        return Ok(None);
    };
    let namespace = names(&policy.metadata).0;
    let secret = context.secrets.secret(&context.kube, namespace, name);
    let secret = secret.await?;
    let invalid = |problem| Error::InvalidSecret {
        name: name.clone(),
        problem,
    };
    let find = |keys: &[&'static str]| {
        let mut found = keys
            .iter()
            .filter_map(|key| Some((*key, secret.data.get(*key)?)));
        found
            .next()
            .map(|(key, bytes)| {
                String::from_utf8(bytes.clone())
                    .map(Zeroizing::new)
                    .map_err(|_| invalid(SecretProblem::NotText { key }))
            })
            .transpose()
    };
    let key = find(SIGNING_KEYS)?;
    let key = key.ok_or_else(|| invalid(SecretProblem::NoSigningKey { keys: SIGNING_KEYS }))?;
    let passphrase = find(PASSPHRASES)?;
    // Opening an encrypted key is made slow on purpose.
    let opened = tokio::task::spawn_blocking(move || {
        let passphrase = passphrase
            .as_deref()
            .map(|it| it.trim_end_matches(['\r', '\n']));
        SigningKey::parse(&key, passphrase, now)
    });
    let opened = opened
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    match opened {
        Ok(key) => Ok(Some(Arc::new(key))),
        Err(problem) => Err(invalid(SecretProblem::SigningKey(problem))),
    }
}
