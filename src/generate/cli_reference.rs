//! The reference page of the command line.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::GeneratedFile;

const INTRODUCTION: &str = "\
# Command line

Generated from the program; `make generate` writes it anew.

Data goes to standard output; logs, warnings and errors to standard error. Exit codes: 0 done, 1
failed, 2 the command line, or what it names, is wrong. Where a flag has an environment variable,
the flag wins.

Installed under the name `kubectl-imageupdate`, the program is kubectl's plugin: `kubectl
imageupdate explain …`. Under the name `kubectl_complete-imageupdate`, which kubectl looks for, it
completes the plugin's words. Links to the program will do for both.
";

/// Every command with its flags.
pub(super) fn page() -> GeneratedFile {
    let mut command = crate::cli::command();
    command.build();
    let mut text = String::from(INTRODUCTION);
    text.push_str("\n## Every command\n");
    table(
        command.get_arguments().filter(|it| it.is_global_set()),
        &mut text,
    );
    for command in command.get_subcommands() {
        section(command.get_name(), command, &mut text);
    }
    GeneratedFile {
        path: "docs/reference/cli.md",
        content: text,
    }
}

/// A command, then those below it.
fn section(name: &str, command: &Command, text: &mut String) {
    if command.get_name() == "help" {
        return;
    }
    let about = command.get_about().map(ToString::to_string);
    // Writing to a String does not fail.
    write!(text, "\n## {name}\n\n{}.\n", about.unwrap_or_default()).ok();
    table(
        command.get_arguments().filter(|it| !it.is_global_set()),
        text,
    );
    let examples = command.get_after_help().map(ToString::to_string);
    if let Some(examples) = examples
        .as_deref()
        .and_then(|it| it.strip_prefix("Examples:\n"))
    {
        let lines = examples
            .lines()
            .map(|line| line.trim_start().to_owned() + "\n");
        write!(text, "\n```sh\n{}```\n", lines.collect::<String>()).ok();
    }
    for below in command.get_subcommands() {
        section(&format!("{name} {}", below.get_name()), below, text);
    }
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>, text: &mut String) {
    let shown = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "version");
    let mut arguments = arguments.filter(shown).peekable();
    if arguments.peek().is_some() {
        text.push_str("\n| Flag | Environment | Default | Meaning |\n|---|---|---|---|\n");
    }
    for argument in arguments {
        row(argument, text);
    }
}

fn row(argument: &Arg, text: &mut String) {
    let names = argument.get_value_names().unwrap_or_default();
    let short = argument.get_short().map(|short| format!("-{short}, "));
    let short = short.unwrap_or_default();
    let flag = match (argument.get_long(), names.first()) {
        (Some(long), Some(value)) if argument.get_action().takes_values() => {
            format!("`{short}--{long} {value}`")
        }
        (Some(long), _) => format!("`{short}--{long}`"),
        (None, Some(value)) => format!("`{value}`"),
        (None, None) => format!("`{}`", argument.get_id()),
    };
    let code = |value: &std::ffi::OsStr| format!("`{}`", value.to_string_lossy());
    let environment = argument.get_env().map(code).unwrap_or_default();
    // A switch has one, too, which says nothing.
    let defaults = argument.get_default_values().iter();
    let mut defaults = defaults.filter(|_| argument.get_action().takes_values());
    let default = defaults.next().map(|value| code(value)).unwrap_or_default();
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let values = if values.is_empty() {
        String::new()
    } else {
        format!(": {}", values.join(", "))
    };
    writeln!(
        text,
        "| {flag} | {environment} | {default} | {}{values} |",
        help.replace('\n', " ").replace('|', "\\|")
    )
    .ok();
}
