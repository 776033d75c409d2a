//! Settings of the log.

use clap::{Args, ValueEnum};

/// What is logged unless somebody says otherwise.
pub const DEFAULT_LOG_LEVEL: &str = "info";

/// Settings of the log, for every command.
#[derive(Args, Clone, Debug)]
pub struct LogConfig {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives of
    /// tracing-subscriber such as `info,image_update_operator::git=debug`.
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "IMAGE_UPDATE_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = DEFAULT_LOG_LEVEL,
        value_parser = log_level
    )]
    pub log_level: String,

    /// How the log is written, to standard error.
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "IMAGE_UPDATE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// The words that are levels; every other bare word would be the name of a module, so that a slip
/// turned the whole log off.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What may stand at `--log-level`.
fn log_level(text: &str) -> Result<String, &'static str> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let names_a_module = |word: &str| word.contains(['=', '[']) || word.contains("::");
    let directives = text.split(',').map(|word| match word.trim() {
        "warning" => "warn",
        word => word,
    });
    let directives: Vec<&str> = directives.collect();
    if directives
        .iter()
        .all(|it| is_level(it) || names_a_module(it))
    {
        Ok(directives.join(","))
    } else {
        Err(
            "write off, error, warn, info, debug or trace, or MODULE=LEVEL for a part of the program",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(log_level(text).ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn a_word_that_is_no_level_does_not_turn_the_log_off() {
        check("info", Some("info"));
        check("WARN", Some("WARN"));
        check("warning", Some("warn"));
        check("off", Some("off"));
        let git = "info,image_update_operator::git=debug";
        check(git, Some(git));
        check("info, kube=warn", Some("info,kube=warn"));
        check("[reconcile]=debug", Some("[reconcile]=debug"));
        check("verbose", None);
        check("info,verbose", None);
        check("", None);
    }
}
