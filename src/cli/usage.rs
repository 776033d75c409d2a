//! What clap has to say, in the form of every other failure.

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::failure::tell;

/// The exit code of a command line that cannot be read.
const USAGE_WRONG: u8 = 2;

/// Ends the program with what clap found: help and version are data, all else is an error.
pub(super) fn end(error: &clap::Error) -> ExitCode {
    let kind = error.kind();
    if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Somebody who named no command wants the list of them.
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{}", error.render()).ok();
        return ExitCode::from(USAGE_WRONG);
    }
    let Complaint { message, hint } = Complaint::of(&error.render().to_string());
    tell("error", &message);
    tell("hint", &hint);
    ExitCode::from(USAGE_WRONG)
}

/// An error of clap on two lines.
struct Complaint {
    message: String,
    hint: String,
}

impl Complaint {
    /// Reads what clap renders: the error and its details, then tips, the usage and a pointer to
    /// the help, with blank lines between them.
    fn of(rendered: &str) -> Self {
        let mut message = String::new();
        let mut hint = None;
        for line in rendered.lines().map(str::trim) {
            if line.starts_with("Usage:") || line.starts_with("For more information") {
                break;
            }
            if let Some(tip) = line.strip_prefix("tip: ") {
                hint.get_or_insert_with(|| tip.to_owned());
            } else if !line.is_empty() {
                message = format!("{message} {line}");
            }
        }
        let message = message.trim_start();
        Self {
            message: message
                .strip_prefix("error: ")
                .unwrap_or(message)
                .to_owned(),
            hint: hint.unwrap_or_else(|| "--help lists the flags and what they take".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rendered: &str, message: &str, hint: &str) {
        let complaint = Complaint::of(rendered);
        assert_eq!(
            (complaint.message.as_str(), complaint.hint.as_str()),
            (message, hint)
        );
    }

    #[test]
    fn details_join_the_message_and_a_tip_is_the_hint() {
        check(
            "error: invalid value 'jso' for '-o <FORMAT>'\n  [possible values: table, json]\n\n  \
             tip: a similar value exists: 'json'\n\nFor more information, try '--help'.\n",
            "invalid value 'jso' for '-o <FORMAT>' [possible values: table, json]",
            "a similar value exists: 'json'",
        );
    }

    #[test]
    fn the_usage_is_left_out() {
        check(
            "error: required arguments were not provided:\n  --strategy <S>\n\nUsage: x --strategy <S>\n",
            "required arguments were not provided: --strategy <S>",
            "--help lists the flags and what they take",
        );
    }
}
