//! The command line: one file a subcommand. Data goes to stdout, logs and errors to stderr.

mod access;
mod clock;
mod cluster;
mod completion;
mod convert;
mod crds;
mod edit;
mod examples;
mod explain;
mod failure;
mod input;
mod logins;
mod looks;
mod man;
mod manifests;
mod offline;
pub(crate) mod old_settings;
mod output;
mod progress;
mod run;
mod selection;
mod tag_file;
mod template;
mod test_image;
mod usage;
mod version;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::failure::Failure;
use crate::config::{DEFAULT_LOG_LEVEL, LogConfig, RunConfig, variable};
use crate::telemetry::LogLevel;

/// The name by which kubectl finds its plugin `imageupdate`:
/// <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/#naming-a-plugin>
const PLUGIN_PROGRAM: &str = "kubectl-imageupdate";

/// How that plugin is called.
const PLUGIN_CALL: &str = "kubectl imageupdate";

/// What is not logged for a person: a command tells its failure itself.
const QUIET: &str = ",kube_client=off";

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
    /// Asks the registry for the tags of an image, and shows which would be selected and why
    Test(test_image::TestArgs),
    /// Tells which of some tags would be selected, and what rule every other one failed
    Explain(explain::ExplainArgs),
    /// Edits a file as the operator would: every byte stays that need not change
    Edit(edit::EditArgs),
    /// Renders the template of a commit message or a branch's name with sample data
    Template(template::TemplateArgs),
    /// Lists policies, and says of each image that is not up to date why
    Get(cluster::GetArgs),
    /// Has the operator leave objects alone, without a change of their specs
    Suspend(cluster::SuspendArgs),
    /// Ends what `suspend` did
    Resume(cluster::SuspendArgs),
    /// Has objects looked at now
    Reconcile(cluster::ReconcileArgs),
    /// Stops images of a policy at a tag, or lets them go
    Pin(cluster::PinArgs),
    /// Lets policies write again what a person took back in git
    Release(cluster::ReleaseArgs),
    /// Shows what would be written, without a cluster: as unified diffs
    ///
    /// Exit codes: 0 nothing to do, 3 there is something to write, 1 something failed, 2 the command
    /// line or a file is wrong
    Plan(offline::OfflineArgs),
    /// Writes it: commits and pushes, without a cluster
    Apply(offline::OfflineArgs),
    /// Prints the policies and watches that do what annotations of argocd-image-updater said
    Convert(convert::ConvertArgs),
    /// Prints the CustomResourceDefinitions, for `kubectl apply -f -`
    Crds,
    /// Prints a script with which a shell completes commands, flags and names of the cluster
    Completion(completion::CompletionArgs),
    /// Prints a manual page, for `man -l -`
    Man(man::ManArgs),
    /// Prints the version
    Version,
}

/// What the command line is made of, for its reference.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let name = command.get_name().to_owned();
    examples::added(command, &name)
}

/// Changes the command that `path` leads to.
fn at(
    command: clap::Command,
    path: &[&'static str],
    change: &dyn Fn(clap::Command) -> clap::Command,
) -> clap::Command {
    match path {
        [] => change(command),
        [first, rest @ ..] => command.mut_subcommand(*first, |it| at(it, rest, change)),
    }
}

/// Parses the command line and carries the command out.
///
/// Exit codes: 0 done, 1 failed, 2 the command line, or what it names, is wrong; `plan` has one more.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = completion::answer(&arguments) {
        return code;
    }
    let mut command = command();
    if arguments.first().is_some_and(|it| is_plugin(Path::new(it))) {
        command = examples::added(command.bin_name(PLUGIN_CALL), PLUGIN_CALL);
    }
    let (cli, old_settings) = match parse(&command, arguments) {
        Ok(parsed) => parsed,
        Err(error) => return usage::end(&error),
    };
    match carry_out(&cli, &old_settings) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// The command line, with what the predecessor's settings add to it.
fn parse(
    command: &clap::Command,
    mut arguments: Vec<OsString>,
) -> Result<(Cli, Vec<old_settings::Found>), clap::Error> {
    let read = |arguments: &[OsString]| command.clone().try_get_matches_from(arguments);
    let mut matches = read(&arguments)?;
    let surroundings = old_settings::Surroundings {
        variable: |name: &str| variable(name).map(|value| value.as_str().to_owned()),
        folder: Path::new(old_settings::FOLDER),
    };
    let (found, more) = old_settings::read(&matches, &surroundings, |argument| {
        let mut arguments = arguments.clone();
        arguments.push(argument.clone());
        read(&arguments).map(drop)
    });
    if !more.is_empty() {
        arguments.extend(more);
        matches = read(&arguments)?;
    }
    Ok((Cli::from_arg_matches(&matches)?, found))
}

fn carry_out(cli: &Cli, old_settings: &[old_settings::Found]) -> Result<ExitCode, Failure> {
    let traces = if let Command::Run(config) = &cli.command {
        crate::tls::install_provider();
        crate::telemetry::provider(&config.trace).map_err(|error| {
            Failure::input(error)
                .hint("write http://HOST:PORT or https://HOST:PORT, without a password")
        })?
    } else {
        None
    };
    let mut log = cli.log.clone();
    if !matches!(cli.command, Command::Run(_)) && log.log_level == DEFAULT_LOG_LEVEL {
        log.log_level.push_str(QUIET);
    }
    let telemetry = crate::telemetry::init(&log, traces).map_err(|error| {
        Failure::input(error)
            .hint("write a level such as info, or directives such as info,kube=warn")
    })?;
    old_settings::report(old_settings);
    let result = dispatch(&cli.command, &telemetry.log_level);
    telemetry.finish();
    result
}

fn dispatch(command: &Command, log_level: &LogLevel) -> Result<ExitCode, Failure> {
    let done = match command {
        Command::Run(config) => run::run(config, log_level),
        Command::Test(args) => test_image::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Edit(args) => edit::run(args),
        Command::Template(args) => template::run(args),
        Command::Plan(args) => return offline::plan(args),
        Command::Apply(args) => offline::apply(args),
        Command::Convert(args) => convert::run(args),
        Command::Get(args) => cluster::get(args),
        Command::Suspend(args) => cluster::suspend(args),
        Command::Resume(args) => cluster::resume(args),
        Command::Reconcile(args) => cluster::reconcile(args),
        Command::Pin(args) => cluster::pin(args),
        Command::Release(args) => cluster::release(args),
        Command::Crds => crds::run(),
        Command::Completion(args) => completion::run(args),
        Command::Man(args) => man::run(args),
        Command::Version => version::run(),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Whether the program was called by the name of kubectl's plugin.
fn is_plugin(program: &Path) -> bool {
    program
        .file_stem()
        .is_some_and(|name| name == PLUGIN_PROGRAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_do_not_contradict_each_other() {
        command().debug_assert();
    }

    #[track_caller]
    fn check(program: &str, expected: bool) {
        assert_eq!(is_plugin(Path::new(program)), expected);
    }

    #[test]
    fn kubectl_calls_its_plugin_by_any_path() {
        check("kubectl-imageupdate", true);
        check("/usr/local/bin/kubectl-imageupdate", true);
        check("kubectl-imageupdate.exe", true);
        check("image-update-operator", false);
        check("", false);
    }
}
