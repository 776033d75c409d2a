//! Writes statuses: server-side apply, one field manager, and no write when nothing changed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ObjectMeta;
use kube::discovery::ApiResource;
use kube::{Client, Resource};
use serde::Serialize;
use serde_json::json;
use tracing::debug;

use crate::api::v1alpha1::{ImageUpdatePolicyStatus, ImageWatchStatus};
use crate::request_error::RequestError;

/// The owner of the fields that the operator writes.
pub(super) const FIELD_MANAGER: &str = "image-update-operator";

/// A status that differs from the written one in times alone is written no more often than this,
/// so that thousands of idle objects cost the API server next to nothing.
const TIMESTAMP_WRITE_INTERVAL: SignedDuration = SignedDuration::from_mins(10);

/// The status could not be written: the API server is the problem.
#[derive(Debug, thiserror::Error)]
#[error("could not write the status of {namespace}/{name}")]
pub(super) struct ReportError {
    namespace: String,
    name: String,
    #[source]
    source: RequestError,
}

/// What the writer must know of a kind's status.
pub(super) trait Status: Clone + PartialEq + Serialize {
    /// The status with every field removed that moves by itself as time passes.
    fn without_times(&self) -> Self;

    /// The newest time in the status that moves by itself.
    fn moved_at(&self) -> Option<Timestamp>;
}

impl Status for ImageWatchStatus {
    fn without_times(&self) -> Self {
        let last_scan = self.last_scan.clone().map(|mut scan| {
            scan.time.0 = Timestamp::UNIX_EPOCH;
            scan.requests = 0;
            scan
        });
        Self {
            last_scan,
            next_scan_time: None,
            ..self.clone()
        }
    }

    fn moved_at(&self) -> Option<Timestamp> {
        self.last_scan.as_ref().map(|scan| scan.time.0)
    }
}

impl Status for ImageUpdatePolicyStatus {
    fn without_times(&self) -> Self {
        self.clone()
    }

    fn moved_at(&self) -> Option<Timestamp> {
        None
    }
}

/// Whether `next` has to be written over `previous`.
fn is_due<S: Status>(previous: Option<&S>, next: &S) -> bool {
    let Some(previous) = previous else {
        return true;
    };
    if previous == next {
        return false;
    }
    if previous.without_times() != next.without_times() {
        return true;
    }
    match (previous.moved_at(), next.moved_at()) {
        // Of whatever sign: a clock that was set back would else stop it for as long.
        (Some(before), Some(after)) => {
            after.duration_since(before).abs() >= TIMESTAMP_WRITE_INTERVAL
        }
        (None, _) | (_, None) => true,
    }
}

/// Writes the statuses of one kind and remembers them until the watch has caught up, so that
/// what a status carries over (times, history) never comes from a stale copy.
pub(super) struct StatusWriter<S> {
    kube: Client,
    resource: ApiResource,
    /// By uid: the resource version that a write of ours led to, and what it wrote.
    written: Mutex<HashMap<String, (u64, S)>>,
}

impl<S: Status> StatusWriter<S> {
    /// A writer for the kind `K`.
    pub(super) fn new<K: Resource<DynamicType = ()>>(kube: Client) -> Self {
        Self {
            kube,
            resource: ApiResource::erase::<K>(&()),
            written: Mutex::default(),
        }
    }

    /// The newest known status of an object whose cached copy is (`meta`, `cached`).
    pub(super) fn latest(&self, meta: &ObjectMeta, cached: Option<&S>) -> Option<S> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = meta.uid.as_ref();
        match uid.and_then(|uid| written.get(uid)) {
            Some((version, status)) if resource_version(meta) < *version => Some(status.clone()),
            Some(_) => {
                // The watch has caught up, and will not fall behind again.
                uid.and_then(|uid| written.remove(uid));
                cached.cloned()
            }
            None => cached.cloned(),
        }
    }

    /// The status that was written last of an object that can't be read, since nothing else of it is
    /// known.
    pub(super) fn last_written(&self, meta: &ObjectMeta) -> Option<S> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, status) = written.get(meta.uid.as_ref()?)?;
        Some(status.clone())
    }

    /// Writes `next` if it says something that `previous` does not. An object that is gone by
    /// now needs no status, so that is no error.
    pub(super) async fn write(
        &self,
        meta: &ObjectMeta,
        previous: Option<&S>,
        next: &S,
    ) -> Result<(), ReportError> {
        if !is_due(previous, next) {
            return Ok(());
        }
        let (namespace, name) = names(meta);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.kube.clone(), namespace, &self.resource);
        // With the uid, a new object of the same name does not get an old one's status.
        let patch = json!({
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": { "name": name, "namespace": namespace, "uid": meta.uid },
            "status": next,
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        match api
            .patch_status(name, &parameters, &Patch::Apply(&patch))
            .await
        {
            Ok(written) => {
                self.remember(&written.metadata, next);
                Ok(())
            }
            Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => {
                debug!(
                    object.namespace = namespace,
                    object.name = name,
                    "The object is gone"
                );
                Ok(())
            }
            Err(source) => Err(ReportError {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                source: RequestError::new(source),
            }),
        }
    }

    /// Forgets an object that was deleted.
    pub(super) fn forget(&self, meta: &ObjectMeta) {
        if let Some(uid) = &meta.uid {
            self.written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(uid);
        }
    }

    fn remember(&self, meta: &ObjectMeta, status: &S) {
        if let Some(uid) = &meta.uid {
            self.written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(uid.clone(), (resource_version(meta), status.clone()));
        }
    }
}

/// Namespace and name of a namespaced object.
pub(super) fn names(meta: &ObjectMeta) -> (&str, &str) {
    (
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

/// Resource versions of built-in storage are numbers that grow (KEP-5504); anything else counts
/// as newer than whatever was remembered.
fn resource_version(meta: &ObjectMeta) -> u64 {
    meta.resource_version
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::v1alpha1::LastScan;

    fn scanned(minute: i64, tags: u32) -> ImageWatchStatus {
        let time = Time(Timestamp::from_second(minute * 60).expect("a small time is valid"));
        let last_scan = LastScan {
            time: time.clone(),
            tags,
            revision: "sha256:0".to_owned(),
            requests: 1,
        };
        ImageWatchStatus {
            last_scan: Some(last_scan),
            next_scan_time: Some(time),
            ..ImageWatchStatus::default()
        }
    }

    #[test]
    fn the_first_status_is_written() {
        assert!(is_due(None, &scanned(0, 1)));
    }

    #[test]
    fn a_timestamp_alone_waits_ten_minutes() {
        assert!(!is_due(Some(&scanned(0, 1)), &scanned(9, 1)));
        assert!(is_due(Some(&scanned(0, 1)), &scanned(10, 1)));
    }

    #[test]
    fn a_timestamp_that_went_back_is_written_too() {
        assert!(!is_due(Some(&scanned(300, 1)), &scanned(299, 1)));
        assert!(is_due(Some(&scanned(300, 1)), &scanned(240, 1)));
    }

    #[test]
    fn anything_else_is_written_at_once() {
        assert!(is_due(Some(&scanned(0, 1)), &scanned(0, 2)));
    }
}
