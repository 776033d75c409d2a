//! The door to registries: two questions, each within its time.

use std::sync::Arc;

use image_update_core::image::{Digest, Repository, Tag};

use super::access::Access;
use super::error::Error;
use super::exchange::Exchange;
use super::session::Sessions;
use super::tags::TagList;
use super::transport::Transport;
use super::{manifest, tags};

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
}

impl Client {
    /// A client that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists every tag of a repository.
    ///
    /// All pages together are given [`Access::timeout`]. A list that could not be read to its end
    /// is an error.
    pub async fn list_tags(
        &self,
        repository: &Repository,
        access: &Access,
    ) -> Result<TagList, Error> {
        let mut exchange = Exchange::new(&self.shared, repository, access)?;
        let listed = within(&access.timeout, repository, tags::list(&mut exchange)).await;
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
        let mut exchange = Exchange::new(&self.shared, repository, access)?;
        let resolved = within(
            &access.timeout,
            repository,
            manifest::resolve(&mut exchange, tag),
        )
        .await;
        resolved.inspect_err(|_| exchange.reconsider_tls())
    }

    /// The requests for one repository, for questions that are not asked here.
    pub(super) fn exchange<'a>(
        &'a self,
        repository: &'a Repository,
        access: &'a Access,
    ) -> Result<Exchange<'a>, Error> {
        Exchange::new(&self.shared, repository, access)
    }
}

/// Gives a question its time.
pub(super) async fn within<T>(
    after: &std::time::Duration,
    repository: &Repository,
    question: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(*after, question).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Timeout {
            repository: repository.clone(),
            after: *after,
        }),
    }
}
