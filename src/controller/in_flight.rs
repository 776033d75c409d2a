//! How many policies of one repository are on their way at a time.
//!
//! What is on its way has its rules, its tags and its part of a push in memory, and a release may
//! concern ten thousand policies at once. Each repository has a bound of its own, so that one that
//! hangs keeps no policy of another waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kube::core::ObjectMeta;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::status::names;
use crate::api::v1alpha1::ImageUpdatePolicy;

/// The most at a time: the jobs of a push that is under way, and of the next one.
const MOST: usize = 2_000;

/// The bounds that somebody goes by, by what they are about.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<String, Weak<Semaphore>>>);

impl InFlight {
    /// Waits until fewer policies of the same repository than permitted are on their way. `None` is
    /// a permission, too.
    pub(super) async fn begin(&self, policy: &ImageUpdatePolicy) -> Option<OwnedSemaphorePermit> {
        self.bound(key(policy)).acquire_owned().await.ok()
    }

    fn bound(&self, key: String) -> Arc<Semaphore> {
        let mut bounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = bounds.get(&key).and_then(Weak::upgrade) {
            return bound;
        }
        bounds.retain(|_, bound| bound.strong_count() > 0);
        let bound = Arc::new(Semaphore::new(MOST));
        bounds.insert(key, Arc::downgrade(&bound));
        bound
    }
}

/// The repository as it is spelled; the namespace where Applications name it.
fn key(policy: &ImageUpdatePolicy) -> String {
    let metadata: &ObjectMeta = &policy.metadata;
    let git = policy.spec.write_back.git.as_ref();
    let repository = git.and_then(|git| git.repository.clone());
    repository.unwrap_or_else(|| names(metadata).0.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(namespace: &str, repository: Option<&str>) -> ImageUpdatePolicy {
        let object = json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": "ImageUpdatePolicy",
            "metadata": {"namespace": namespace, "name": "web"},
            "spec": {"images": [], "writeBack": {"git": {"repository": repository, "targets": []}}},
        });
        serde_json::from_value(object).expect("it is a policy")
    }

    #[tokio::test]
    async fn policies_wait_for_those_of_their_repository_only() {
        let in_flight = InFlight::default();
        let (hanging, other) = (Some("https://a.example/r"), Some("https://b.example/r"));
        let mut all = Vec::new();
        for _ in 0..MOST {
            all.push(in_flight.begin(&policy("a", hanging)).await);
        }
        assert_eq!(
            in_flight
                .bound(key(&policy("b", hanging)))
                .available_permits(),
            0
        );
        for free in [policy("a", other), policy("a", None)] {
            assert!(in_flight.begin(&free).await.is_some());
        }
        all.pop();
        assert!(in_flight.begin(&policy("b", hanging)).await.is_some());
    }

    #[tokio::test]
    async fn bounds_that_nobody_goes_by_are_forgotten() {
        let in_flight = InFlight::default();
        for number in 0..100 {
            let namespace = number.to_string();
            drop(in_flight.begin(&policy(&namespace, None)).await);
        }
        let kept = in_flight.0.lock().expect("nobody panicked").len();
        assert_eq!(kept, 1);
    }
}
