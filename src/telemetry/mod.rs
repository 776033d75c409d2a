//! What the program says while it runs: log lines, and traces for those who collect them.

mod handover;
mod level;
mod traces;

use std::io::IsTerminal as _;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogConfig, LogFormat, variable};
pub(crate) use handover::Handover;
pub(crate) use level::LogLevel;
pub(crate) use traces::provider;

/// What is told to a collector: what this program does, not what its libraries do, and the
/// exporter's own requests least of all.
const TRACED: &str = "image_update_operator";

/// What has to be ended before the program is.
#[must_use]
pub(crate) struct Telemetry {
    /// What is logged.
    pub(crate) log_level: LogLevel,
    traces: Option<SdkTracerProvider>,
}

/// Sends log lines to standard error, as `config` says, and spans to `traces`. To be called once.
pub(crate) fn init(
    config: &LogConfig,
    traces: Option<SdkTracerProvider>,
) -> anyhow::Result<Telemetry> {
    let (filter, log_level) = level::filter(&config.log_level)
        .with_context(|| format!("--log-level {:?} can't be read", config.log_level))?;
    // Colours are for people: a file and a collector of logs would keep the codes.
    let is_coloured = std::io::stderr().is_terminal() && variable("NO_COLOR").is_none();
    let log = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_coloured);
    let log = match config.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let spans = traces.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(TRACED))
            .with_filter(Targets::new().with_target(TRACED, LevelFilter::INFO))
    });
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(spans)
        .try_init()
        .context("logging was set up before")?;
    Ok(Telemetry { log_level, traces })
}

impl Telemetry {
    /// Sends the spans that are still here, for a few seconds at most.
    pub(crate) fn finish(self) {
        let ended = self
            .traces
            .map(|it| it.shutdown_with_timeout(traces::TIMEOUT));
        if let Some(Err(error)) = ended {
            warn!(
                error = &error as &dyn std::error::Error,
                "The last traces could not be sent"
            );
        }
    }
}
