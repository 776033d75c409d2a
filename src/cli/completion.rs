//! `completion`: prints a script with which a shell completes commands and flags.

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;

use super::failure::Failure;
use super::output;

/// Flags of `completion`.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell that reads the script
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for the program by its own name.
pub(super) fn run(args: &CompletionArgs) -> Result<(), Failure> {
    let mut command = super::command();
    let name = command.get_name().to_owned();
    // Into memory first: the generator ends the program where a write fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, &name, &mut script);
    let script = String::from_utf8(script).context("the script is not text")?;
    output::write(one_spelling(&name, &script).as_bytes())
}

/// The script with one spelling of the program's name in the labels of bash's cases.
///
/// The generator sets labels with one spelling of a name that has hyphens and looks for another, so
/// that nothing behind a command is completed: <https://github.com/clap-rs/clap/issues/6421>. Once
/// that is mended there is nothing to replace.
fn one_spelling(name: &str, script: &str) -> String {
    let looked_for = name.replace('-', "__subcmd__");
    script.replace(&looked_for, &name.replace('-', "__"))
}
