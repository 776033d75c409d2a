//! `run`: the operator.

use anyhow::Context as _;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::failure::Failure;
use crate::config::{RunConfig, UnusableFlag};
use crate::controller;
use crate::metrics::Metrics;
use crate::metrics::kubernetes::KubernetesLayer;
use crate::telemetry::LogLevel;

/// Runs the operator until SIGTERM or SIGINT.
pub(super) fn run(config: &RunConfig, log_level: &LogLevel) -> Result<(), Failure> {
    operate(config, log_level).map_err(|error| {
        if error.is::<UnusableFlag>() {
            Failure::input(error)
        } else if error.is::<NoCluster>() {
            Failure::input(error).hint("set KUBECONFIG, or run in a pod with a service account")
        } else {
            Failure::failed(error)
        }
    })
}

/// Nothing says where the cluster is.
#[derive(Debug, thiserror::Error)]
#[error("there is no cluster to talk to")]
struct NoCluster;

#[tokio::main]
async fn operate(config: &RunConfig, log_level: &LogLevel) -> anyhow::Result<()> {
    crate::tls::install_provider();
    let metrics = Metrics::new();
    metrics.sharded(config.shard.shards);
    let kube = client(&metrics).await.context(NoCluster)?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let controllers = controller::run(kube, config, (metrics, log_level.clone()), stop.clone());
    tokio::pin!(controllers);
    tokio::select! {
        ended = &mut controllers => return ended,
        _ = terminate.recv() => info!(signal = "SIGTERM", "Told to stop"),
        _ = interrupt.recv() => info!(signal = "SIGINT", "Told to stop"),
    }
    stop.cancel();
    controllers.await
}

/// A client of the cluster that KUBECONFIG or the pod names, with its requests counted.
async fn client(metrics: &Metrics) -> anyhow::Result<Client> {
    let config = Config::infer().await?;
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder
        .with_layer(&KubernetesLayer(metrics.clone()))
        .build())
}
