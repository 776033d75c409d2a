//! What Argo CD knows of git remotes, read at most twice a minute for all policies together.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::Error;
use crate::argocd::repositories::Repositories;

/// How long an answer is good: a Secret that is changed is used that much later at most.
const KEPT: Duration = Duration::from_secs(30);

/// The last answer.
#[derive(Default)]
pub(super) struct ArgocdRepositories(Mutex<Option<(Instant, Arc<Repositories>)>>);

impl ArgocdRepositories {
    /// What is known, read anew if that is some time ago. Who asks meanwhile waits for the same
    /// answer; failures are not kept.
    pub(super) async fn get(
        &self,
        kube: &Client,
        namespace: &str,
    ) -> Result<Arc<Repositories>, Error> {
        let mut last = self.0.lock().await;
        if let Some((read_at, known)) = last.as_ref()
            && read_at.elapsed() < KEPT
        {
            return Ok(Arc::clone(known));
        }
        let known = Repositories::read(kube, namespace).await;
        let known = Arc::new(known.map_err(Error::ArgocdRepositories)?);
        *last = Some((Instant::now(), Arc::clone(&known)));
        Ok(known)
    }
}
