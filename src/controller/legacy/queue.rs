//! The Applications to look at, each once, however often it is put in.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::Key;

/// Keys that wait.
#[derive(Default)]
pub(super) struct Queue {
    keys: Mutex<BTreeSet<Key>>,
    filled: Notify,
}

impl Queue {
    /// Puts a key in.
    pub(super) fn put(&self, key: Key) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key);
        self.filled.notify_one();
    }

    /// Takes all that wait.
    pub(super) fn take(&self) -> BTreeSet<Key> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *keys)
    }

    /// Waits until a key is put in, or returns at once if one was since the last time.
    pub(super) async fn is_filled(&self) {
        self.filled.notified().await;
    }
}
