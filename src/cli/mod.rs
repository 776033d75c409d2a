//! The command line: one file a subcommand. Data goes to stdout, logs to stderr.

mod crds;
mod run;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{LogConfig, RunConfig};

/// Writes new container image tags to git, as ImageWatch and ImageUpdatePolicy objects say.
#[derive(Debug, Parser)]
#[command(name = "image-update-operator", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    log: LogConfig,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator against the cluster of KUBECONFIG, or the one it runs in
    Run(Box<RunConfig>),
    /// Prints the CustomResourceDefinitions, for `kubectl apply -f -`
    Crds,
    /// Prints the version
    Version,
}

/// What the command line is made of, for its reference.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and carries the command out.
///
/// Exit codes: 0 done, 1 failed, 2 the command line is wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = crate::telemetry::init(&cli.log).and_then(|()| match cli.command {
        Command::Run(config) => run::run(&config),
        Command::Crds => crds::run(),
        Command::Version => version::run(),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a command says why it failed"
)]
fn report(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
