//! Completion in a shell. The script that `completion` prints has the shell ask this program at every
//! TAB: it knows its commands, and asks the cluster for names.
//!
//! Whoever presses TAB wants candidates or nothing: no answer here is an error, nothing is written to
//! standard error, and a cluster that does not answer soon is as good as none.

mod candidates;
mod line;
mod script;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use clap_complete::env::Shells;

use self::candidates::Wanted;
use self::line::Line;
use super::failure::Failure;
use super::{at, command, output};
use crate::config;

/// The name by which kubectl asks its plugin `imageupdate` for candidates:
/// <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>, "completion"
const KUBECTL_COMPLETER: &str = "kubectl_complete-imageupdate";

/// The variable by which a script asks; its value is the shell's name.
const VARIABLE: &str = "_IMAGE_UPDATE_COMPLETE";

/// Which word is to be completed, counted from 0; some scripts of clap's set it.
const INDEX_VARIABLE: &str = "_CLAP_COMPLETE_INDEX";

/// Cobra's directives, which kubectl reads on the last line: no names of files instead, and no blank
/// after the one candidate that there is:
/// <https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective>
const NO_FILES: u8 = 4;
const NO_SPACE: u8 = 2;

/// What is completed by names: the command, its argument, and what stands there.
const NAMES: [(&[&str], &str, Wanted); 9] = [
    (&["get"], "names", Wanted::Policy),
    (&["suspend"], "targets", Wanted::Target),
    (&["resume"], "targets", Wanted::Target),
    (&["reconcile"], "targets", Wanted::Target),
    (&["release"], "policies", Wanted::Policy),
    (&["pin"], "policy", Wanted::Policy),
    (&["pin"], "pins", Wanted::Pin),
    (&["explain", "policy"], "policy", Wanted::Policy),
    (&["explain", "policy"], "image", Wanted::Alias),
];

/// The commands that ask a cluster.
const ASKS_CLUSTER: [&[&str]; 7] = [
    &["get"],
    &["suspend"],
    &["resume"],
    &["reconcile"],
    &["release"],
    &["pin"],
    &["explain", "policy"],
];

/// Flags of `completion`.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell that reads the script
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for the program by its own name.
pub(super) fn run(args: &CompletionArgs) -> Result<(), Failure> {
    let name = command().get_name().to_owned();
    let script = script::of(args.shell, &name, VARIABLE);
    output::write(
        script
            .context("there is no script for this shell")?
            .as_bytes(),
    )
}

/// Answers a shell, or kubectl, if one of them asks.
pub(super) fn answer(arguments: &[OsString]) -> Option<ExitCode> {
    let (program, rest) = arguments.split_first()?;
    let name = Path::new(program).file_stem();
    let text = if name.is_some_and(|it| it == KUBECTL_COMPLETER) {
        for_kubectl(program, rest)
    } else {
        let shell = config::variable(VARIABLE)?;
        let start = rest.iter().position(|it| it == "--")?;
        for_shell(&shell, rest[start + 1..].to_vec())
    };
    output::write(&text.unwrap_or_default()).ok();
    Some(ExitCode::SUCCESS)
}

fn for_shell(shell: &str, words: Vec<OsString>) -> Option<Vec<u8>> {
    let shells = Shells::builtins();
    let shell = shells.completer(shell)?;
    let index = config::variable(INDEX_VARIABLE).and_then(|it| it.parse().ok());
    let index = index.unwrap_or_else(|| words.len().saturating_sub(1));
    let mut command = with_names(&words, index);
    let folder = std::env::current_dir().ok();
    let mut text = Vec::new();
    let written = shell.write_complete(&mut command, words, folder.as_deref(), &mut text);
    written.ok().map(|()| text)
}

/// A candidate a line, its description behind a tab, and a directive.
fn for_kubectl(program: &OsString, rest: &[OsString]) -> Option<Vec<u8>> {
    let words: Vec<OsString> = std::iter::once(program).chain(rest).cloned().collect();
    let index = words.len() - 1;
    let mut command = with_names(&words, index);
    let folder = std::env::current_dir().ok();
    let found = complete(&mut command, words, index, folder.as_deref()).ok()?;
    let value = |it: &CompletionCandidate| it.get_value().to_string_lossy().into_owned();
    let goes_on = found.iter().any(|it| value(it).ends_with(['/', '=']));
    let line = |candidate: &CompletionCandidate| {
        let help = candidate.get_help().map(ToString::to_string);
        let help = help.as_deref().and_then(|it| it.lines().next());
        format!("{}\t{}\n", value(candidate), help.unwrap_or_default())
    };
    let mut text: String = found.iter().map(line).collect();
    let directive = NO_FILES + if goes_on { NO_SPACE } else { 0 };
    // Writing to a String does not fail.
    writeln!(text, ":{directive}").ok();
    Some(text.into_bytes())
}

/// The command line, whose names are those that the cluster of these words has.
fn with_names(words: &[OsString], index: usize) -> clap::Command {
    let before = &words[..index.min(words.len())];
    let is_flag = words
        .get(index)
        .is_some_and(|it| it.as_encoded_bytes().starts_with(b"-"));
    let line = Arc::new(Line::read(&command(), before));
    let completer = |wanted: Wanted| {
        let line = Arc::clone(&line);
        ArgValueCompleter::new(move |current: &OsStr| wanted.candidates(&line, current))
    };
    let mut command = if is_flag {
        command()
    } else {
        flags_last(command())
    };
    for (path, argument, wanted) in NAMES {
        command = at(command, path, &|command| {
            command.mut_arg(argument, |it| it.add(completer(wanted)))
        });
    }
    for path in ASKS_CLUSTER {
        command = at(command, path, &|command| {
            let named = |it: clap::Arg| it.add(completer(Wanted::Namespace));
            let command = command.mut_arg("namespace", named);
            command.mut_arg("context", |it| it.add(completer(Wanted::Context)))
        });
    }
    command
}

/// Flags are candidates only where nothing else is: names would drown in them.
fn flags_last(command: clap::Command) -> clap::Command {
    let command = command.disable_help_flag(true).disable_version_flag(true);
    let command = command.mut_args(|argument| {
        let is_flag = !argument.is_positional();
        argument.hide(is_flag)
    });
    command.mut_subcommands(flags_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clap refuses to change an argument that is not there.
    #[test]
    fn every_argument_that_is_completed_is_one() {
        with_names(&[], 0).debug_assert();
        with_names(&["x".into(), "-".into()], 1).debug_assert();
    }
}
