//! `man`: prints the manual page of the program, or of one of its commands.

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man;
use image_update_core::image::Excerpt;

use super::failure::Failure;
use super::output;

/// Flags of `man`.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The command whose page is printed, such as `edit helm-values`. Unset: the program
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// There is no such command.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not a command of {parent}")]
struct UnknownCommand {
    name: Excerpt,
    parent: String,
}

/// Prints the page, in the form that `man -l -` reads.
pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut command = super::command();
    // Gives each command its flags of every command, and its name in full.
    command.build();
    let mut page = &command;
    for name in &args.command {
        page = page.find_subcommand(name).ok_or_else(|| {
            let error = UnknownCommand {
                name: Excerpt::new(name),
                parent: page
                    .get_bin_name()
                    .unwrap_or_else(|| page.get_name())
                    .to_owned(),
            };
            Failure::input(error).hint("--help lists the commands")
        })?;
    }
    let mut text = Vec::new();
    Man::new(page.clone())
        .render(&mut text)
        .context("could not write the page")?;
    output::write(&text)
}
