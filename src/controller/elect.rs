//! When this replica works: always, or while it holds a Lease.

use jiff::Timestamp;
use kube::Client;
use tracing::error;

use super::clock::Clock;
use super::context::Context;
use super::status::FIELD_MANAGER;
use crate::config::{RunConfig, pod_name};
use crate::leader::{Election, Timing};

/// The time in which this replica works.
pub(super) struct Term(Option<Election>);

impl Term {
    /// As `config` says.
    pub(super) fn of(kube: &Client, config: &RunConfig) -> Self {
        if !config.leader.elects() {
            return Self(None);
        }
        let clock = Clock::system();
        let own = kube.default_namespace();
        let namespace = config.leader.leader_election_namespace.as_deref();
        Self(Some(Election::new(
            kube.clone(),
            namespace.unwrap_or(own),
            [FIELD_MANAGER.to_owned()],
            identity(clock.now()),
            Timing::new(config.leader.leader_election_lease_duration),
            clock.reader(),
        )))
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
        let begin = |_| {
            context.metrics.leading(true);
            context.leads.cancel();
        };
        let Self(Some(mut election)) = self else {
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

/// Differs from that of every other process, be it a restarted one of the same pod.
fn identity(now: Timestamp) -> String {
    let name = pod_name().unwrap_or_else(|| "operator".to_owned());
    format!("{name}_{:x}_{:x}", now.as_nanosecond(), std::process::id())
}
