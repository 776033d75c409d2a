//! The door to registries: two questions, each within its time.

use std::pin::pin;
use std::sync::Arc;

use image_update_core::image::{Digest, Repository, Tag};

use tokio::time::Instant;

use super::access::Access;
use super::error::Error;
use super::exchange::Exchange;
use super::listed::Listed;
use super::pace::{HostPace, Pace, Pause};
use super::session::Sessions;
use super::tags::TagList;
use super::transport::Transport;
use super::{manifest, tags};
use crate::metrics::Metrics;

/// Asks registries. Clones share connections, tokens and what is known about registries.
#[derive(Clone, Default)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What exchanges share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) sessions: Sessions,
    pub(super) pace: Pace,
    pub(super) metrics: Metrics,
    pub(super) listed: Listed,
}

impl Client {
    /// A client that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that knows nothing yet, and counts its requests.
    pub fn with_metrics(metrics: Metrics) -> Self {
        let shared = Shared {
            metrics,
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How much of lists has been read so far.
    pub fn listed(&self) -> &Listed {
        &self.shared.listed
    }

    /// How hosts are asked just now.
    pub fn hosts(&self) -> Vec<HostPace> {
        self.shared.pace.hosts(Instant::now())
    }

    /// Lists every tag of a repository.
    ///
    /// All pages together are given [`Access::timeout`], which does not begin before it is this
    /// repository's turn. A list that could not be read to its end
    /// is an error.
    pub async fn list_tags(
        &self,
        repository: &Repository,
        access: &Access,
    ) -> Result<TagList, Error> {
        self.list_tags_again(repository, access, None).await
    }

    /// As [`Client::list_tags`]. A registry that gives its lists names (`ETag`) is told that of
    /// the list `before`, and need not send it again if it is the same. That list must have been
    /// told to the same `access`.
    pub async fn list_tags_again(
        &self,
        repository: &Repository,
        access: &Access,
        before: Option<&TagList>,
    ) -> Result<TagList, Error> {
        let mut exchange = self.exchange(repository, access).await?;
        let pause = exchange.pause.clone();
        let listed = within(
            access,
            repository,
            &pause,
            tags::list(&mut exchange, before),
        )
        .await;
        listed.inspect_err(|_| exchange.reconsider_tls())
    }

    /// Finds the digest of the manifest or index that a tag names now.
    ///
    /// All requests together are given [`Access::timeout`].
    pub async fn resolve_digest(
        &self,
        repository: &Repository,
        tag: &Tag,
        access: &Access,
    ) -> Result<Digest, Error> {
        let mut exchange = self.exchange(repository, access).await?;
        let pause = exchange.pause.clone();
        let question = manifest::resolve(&mut exchange, tag);
        let resolved = within(access, repository, &pause, question).await;
        resolved.inspect_err(|_| exchange.reconsider_tls())
    }

    /// The requests for one repository, when it is their turn; for questions that are not asked
    /// here, too.
    pub(super) async fn exchange<'a>(
        &'a self,
        repository: &'a Repository,
        access: &'a Access,
    ) -> Result<Exchange<'a>, Error> {
        Exchange::begin(&self.shared, repository, access).await
    }
}

/// Gives a question its time. Waiting for leave to ask is not on the registry's account.
pub(super) async fn within<T>(
    access: &Access,
    repository: &Repository,
    pause: &Pause,
    question: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let started = Instant::now();
    let mut question = pin!(question);
    loop {
        let deadline = started + access.timeout + pause.total();
        match tokio::time::timeout_at(deadline, &mut question).await {
            Ok(answer) => return answer,
            Err(_) if started + access.timeout + pause.total() > Instant::now() => {}
            Err(_) => {
                return Err(Error::Timeout {
                    repository: repository.clone(),
                    after: access.timeout,
                });
            }
        }
    }
}
