//! Counts the failures in a row of each object.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::core::ObjectMeta;

/// Failures in a row, by object.
#[derive(Default)]
pub(super) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Records how a reconciliation ended and returns how many failed in a row by now.
    pub(super) fn record(&self, meta: &ObjectMeta, succeeded: bool) -> u32 {
        let Some(uid) = meta.uid.clone() else {
            return 0;
        };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if succeeded {
            failures.remove(&uid);
            return 0;
        }
        let count = failures.entry(uid).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Forgets an object that was deleted.
    pub(super) fn forget(&self, meta: &ObjectMeta) {
        if let Some(uid) = &meta.uid {
            self.failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(uid);
        }
    }
}
