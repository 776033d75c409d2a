//! When this replica works: always, or while it holds a Lease.

use std::sync::OnceLock;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::Client;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tracing::error;

use super::clock::Clock;
use super::context::Context;
use super::status::FIELD_MANAGER;
use crate::config::{RunConfig, ShardConfig, pod_name};
use crate::leader::{Election, Holders, Timing};

/// The time in which this replica works, and what for.
pub(super) struct Term {
    /// Nothing, if it always works.
    election: Option<Election>,
    /// The shard of each Lease that there is an election for.
    shards: Vec<u32>,
}

impl Term {
    /// As `config` says. If there is an election, `holders` shows who holds the Leases.
    pub(super) fn of(
        kube: &Client,
        config: &RunConfig,
        holders: &OnceLock<watch::Receiver<Holders>>,
    ) -> anyhow::Result<Self> {
        let pod_name = pod_name();
        let index = config.shard.index(pod_name.as_deref());
        if let Some(index) = index {
            anyhow::ensure!(
                index < config.shard.shards,
                "--shard-index is {index}, but --shards={} has none of that number",
                config.shard.shards
            );
        }
        if !config.leader.elects() {
            let index = index.context(
                "the pod's name has no number at its end: name the shard with --shard-index, or let \
                 a Lease decide with --leader-elect",
            )?;
            return Ok(Self {
                election: None,
                shards: vec![index],
            });
        }
        let shards: Vec<u32> = match index {
            Some(index) => vec![index],
            None => (0..config.shard.shards).collect(),
        };
        let clock = Clock::system();
        let own = kube.default_namespace();
        let namespace = config.leader.leader_election_namespace.as_deref();
        let election = Election::new(
            kube.clone(),
            namespace.unwrap_or(own),
            shards.iter().map(|shard| lease(&config.shard, *shard)),
            identity(pod_name.as_deref(), clock.now()),
            Timing::new(config.leader.leader_election_lease_duration),
            clock.reader(),
        );
        // There is one term in the life of a process.
        holders.set(election.holders()).ok();
        Ok(Self {
            election: Some(election),
            shards,
        })
    }

    /// Lets `work` go on, which begins to write once `context` says that this replica leads.
    ///
    /// If the Lease is lost, `work` is dropped, and with it whatever it was about to write. When
    /// `work` ends, the Lease is given back, and not before: until then it may write.
    pub(super) async fn during(
        self,
        work: impl Future<Output = anyhow::Result<()>>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let Self { election, shards } = self;
        let begin = |place: usize| {
            context
                .shards
                .work_for(shards.get(place).copied().unwrap_or_default());
            context.metrics.leading(true);
            context.leads.cancel();
        };
        let Some(mut election) = election else {
            begin(0);
            return work.await;
        };
        let ended = tokio::select! {
            biased;
            ended = work => Ok(ended),
            lost = election.lead(begin) => Err(lost),
        };
        context.metrics.leading(false);
        // What did not end in time must not go on beside another leader.
        context.remotes.abandon();
        match ended {
            Ok(ended) => {
                election.release().await;
                ended
            }
            Err(lost) => {
                error!(error = &lost as &dyn std::error::Error, "No longer leading");
                Err(lost.into())
            }
        }
    }
}

/// The Lease of a shard. Operators that select other policies, or divide them otherwise, do not stand
/// by for each other.
fn lease(config: &ShardConfig, shard: u32) -> String {
    let mut name = FIELD_MANAGER.to_owned();
    if let Some(selector) = &config.shard_selector {
        let hash = Sha256::digest(selector.to_string().as_bytes());
        let first = hash.iter().take(4);
        let number = first.fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        name = format!("{name}-{number:08x}");
    }
    if config.shards > 1 {
        name = format!("{name}-{shard}-of-{}", config.shards);
    }
    name
}

/// Differs from that of every other process, be it a restarted one of the same pod.
fn identity(pod_name: Option<&str>, now: Timestamp) -> String {
    let name = pod_name.unwrap_or("operator");
    format!("{name}_{:x}_{:x}", now.as_nanosecond(), std::process::id())
}
