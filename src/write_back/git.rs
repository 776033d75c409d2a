//! Writes plans to git: one remote object per address and credential, one update at a time each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use image_update_core::remote::{BranchName, RemoteUrl, RepoPath};
use tokio::sync::Mutex as AsyncMutex;

use crate::git::error::{Error, UpdateError};
use crate::git::options::RemoteOptions;
use crate::git::remote::Remote;
use crate::git::update::{CommitDraft, Receipt, Snapshot, UpdateRequest};

/// A remote with its cache, and the lock that serialises updates of it in this process.
///
/// Two updates of one remote at once would race for the same refs and lose to each other; the
/// remote itself settles races with other processes.
struct Entry {
    options: RemoteOptions,
    remote: Remote,
    turn: AsyncMutex<()>,
}

/// The git remotes that policies write to.
#[derive(Default)]
pub struct Remotes {
    /// By address; those of one address differ in credential or trust, so in what they may see.
    entries: Mutex<HashMap<RemoteUrl, Vec<Arc<Entry>>>>,
}

/// Remotes that nobody is using are dropped when there are more than this; each holds at most the
/// objects of one commit that its policies looked at.
const MOST_IDLE_REMOTES: usize = 256;

impl Remotes {
    /// Reads `paths` of `branch`, lets `decide` say what to commit, and pushes that.
    ///
    /// `decide` is called again with fresh files each time somebody else's push wins.
    pub async fn update<E: std::error::Error + Send + 'static>(
        &self,
        url: &RemoteUrl,
        options: &RemoteOptions,
        branch: Option<BranchName>,
        paths: Vec<RepoPath>,
        decide: impl FnMut(&Snapshot) -> Result<Option<CommitDraft>, E> + Send,
    ) -> Result<Receipt, UpdateError<E>> {
        let entry = self.entry(url, options).map_err(UpdateError::Git)?;
        let _turn = entry.turn.lock().await;
        entry
            .remote
            .update(&UpdateRequest { branch, paths }, decide)
            .await
    }

    fn entry(&self, url: &RemoteUrl, options: &RemoteOptions) -> Result<Arc<Entry>, Error> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST_IDLE_REMOTES {
            entries.retain(|_, same| {
                same.retain(|entry| Arc::strong_count(entry) > 1);
                !same.is_empty()
            });
        }
        let same = entries.entry(url.clone()).or_default();
        if let Some(entry) = same.iter().find(|entry| entry.options == *options) {
            return Ok(Arc::clone(entry));
        }
        let remote = Remote::new(url.clone(), options)?;
        let entry = Arc::new(Entry {
            options: options.clone(),
            remote,
            turn: AsyncMutex::default(),
        });
        same.push(Arc::clone(&entry));
        Ok(entry)
    }
}
