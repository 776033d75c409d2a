//! Reads Secrets and ServiceAccounts, of the object's own namespace only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use image_update_core::secret::SecretData;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::error::Error;
use crate::request_error::RequestError;

/// How long an answer is good for others: about as long as thousands of policies take to ask.
const KEPT: Duration = Duration::from_secs(1);

/// The data of a Secret and its type.
#[derive(Clone)]
pub(super) struct NamedSecret {
    /// The Secret's name, for messages.
    pub(super) name: String,
    /// Its type, such as `kubernetes.io/dockerconfigjson`.
    pub(super) type_: String,
    /// What it holds.
    pub(super) data: SecretData,
}

/// Secrets that were read a moment ago.
///
/// When there is something new for thousands of policies, each asks for its Secret at the same
/// moment, and mostly for the same one.
#[derive(Default)]
pub(super) struct RecentSecrets(Mutex<HashMap<Key, Arc<Recent>>>);

/// Namespace and name.
type Key = (String, String);

/// When it was read, and what was found. Locked while it is read.
type Recent = AsyncMutex<Option<(Instant, Option<NamedSecret>)>>;

impl RecentSecrets {
    /// Reads the Secret `name` of `namespace`, unless somebody else has just done so.
    pub(super) async fn secret(
        &self,
        kube: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<NamedSecret, Error> {
        let key = (namespace.to_owned(), name.to_owned());
        let found = self.get(key, async || find(kube, namespace, name).await);
        found.await?.ok_or_else(|| not_found(name))
    }

    /// What `read` finds; failures are not kept.
    async fn get(
        &self,
        key: Key,
        read: impl AsyncFnOnce() -> Result<Option<NamedSecret>, Error>,
    ) -> Result<Option<NamedSecret>, Error> {
        let recent = self.entry(key);
        let mut last = recent.lock().await;
        if let Some((read_at, found)) = last.as_ref()
            && read_at.elapsed() < KEPT
        {
            return Ok(found.clone());
        }
        let found = read().await?;
        *last = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// The place of a Secret. Those that nobody looks at, and that are too old to be used, go.
    fn entry(&self, key: Key) -> Arc<Recent> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.get(&key) {
            return Arc::clone(known);
        }
        entries.retain(|_, recent| {
            recent.try_lock().map_or(true, |last| {
                let read_at = last.as_ref().map(|(read_at, _)| *read_at);
                read_at.is_some_and(|it| it.elapsed() < KEPT) || Arc::strong_count(recent) > 1
            })
        });
        Arc::clone(entries.entry(key).or_default())
    }
}

/// Reads the Secret `name` of `namespace`.
pub(super) async fn secret(
    kube: &Client,
    namespace: &str,
    name: &str,
) -> Result<NamedSecret, Error> {
    let found = find(kube, namespace, name).await?;
    found.ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Error {
    Error::ObjectNotFound {
        kind: "Secret",
        name: name.to_owned(),
    }
}

async fn find(kube: &Client, namespace: &str, name: &str) -> Result<Option<NamedSecret>, Error> {
    let api: Api<Secret> = Api::namespaced(kube.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(|source| Error::ReadObject {
            kind: "Secret",
            name: name.to_owned(),
            source: RequestError::new(source),
        })?;
    Ok(found.map(|secret| {
        let data = secret.data.unwrap_or_default();
        NamedSecret {
            name: name.to_owned(),
            type_: secret.type_.unwrap_or_default(),
            data: data
                .into_iter()
                .map(|(key, value)| (key, value.0))
                .collect(),
        }
    }))
}

/// The names of the `imagePullSecrets` of the ServiceAccount `name` of `namespace`.
pub(super) async fn pull_secrets(
    kube: &Client,
    namespace: &str,
    name: &str,
) -> Result<Vec<String>, Error> {
    let api: Api<ServiceAccount> = Api::namespaced(kube.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(|source| Error::ReadObject {
            kind: "ServiceAccount",
            name: name.to_owned(),
            source: RequestError::new(source),
        })?;
    let account = found.ok_or_else(|| Error::ObjectNotFound {
        kind: "ServiceAccount",
        name: name.to_owned(),
    })?;
    let references = account.image_pull_secrets.unwrap_or_default();
    Ok(references
        .into_iter()
        .map(|reference| reference.name)
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Asks `times` times at once for the Secret `name`, and says how often it was read.
    async fn reads(recent: &RecentSecrets, name: &str, times: usize, is_there: bool) -> usize {
        let reads = AtomicUsize::new(0);
        let ask = || {
            let key = ("team".to_owned(), name.to_owned());
            recent.get(key, async || {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(is_there.then(|| NamedSecret {
                    name: name.to_owned(),
                    type_: "Opaque".to_owned(),
                    data: SecretData::default(),
                }))
            })
        };
        let found = futures::future::join_all((0..times).map(|_| ask())).await;
        for found in found {
            let found = found.expect("nothing fails here");
            assert_eq!(found.is_some(), is_there);
        }
        reads.into_inner()
    }

    /// Makes all that is kept too old.
    async fn wait(recent: &RecentSecrets) {
        let entries: Vec<_> = {
            let entries = recent.0.lock().expect("nothing panicked");
            entries.values().cloned().collect()
        };
        for entry in entries {
            if let Some((read_at, _)) = &mut *entry.lock().await {
                *read_at = read_at.checked_sub(KEPT).expect("it is later than that");
            }
        }
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_an_answer() {
        let recent = RecentSecrets::default();
        assert_eq!(reads(&recent, "git", 1000, true).await, 1);
        assert_eq!(reads(&recent, "absent", 1000, false).await, 1);
        assert_eq!(reads(&recent, "git", 1, true).await, 0);
    }

    #[tokio::test]
    async fn an_answer_is_not_kept_for_long() {
        let recent = RecentSecrets::default();
        assert_eq!(reads(&recent, "git", 1, true).await, 1);
        wait(&recent).await;
        assert_eq!(reads(&recent, "other", 1, true).await, 1);
        let kept = recent.0.lock().expect("nothing panicked").len();
        assert_eq!(kept, 1, "what is too old is forgotten");
        wait(&recent).await;
        assert_eq!(reads(&recent, "other", 1, false).await, 1);
    }
}
