//! What stands on the command line so far: it says which cluster is asked, and where in it.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// The words before the one that is completed, as far as they say where to look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The namespace that is named.
    pub(super) namespace: Option<String>,
    /// The context that is named.
    pub(super) context: Option<String>,
    /// The policy that is named before its images are.
    pub(super) policy: Option<String>,
    /// Whether all namespaces are meant.
    pub(super) is_everywhere: bool,
}

impl Line {
    /// Reads the words as the program would, but for what is missing.
    pub(super) fn read(command: &clap::Command, words: &[OsString]) -> Self {
        let command = command.clone().ignore_errors(true);
        let Ok(mut matches) = command.try_get_matches_from(words) else {
            return Self::default();
        };
        while let Some((_, inner)) = matches.remove_subcommand() {
            matches = inner;
        }
        let text = |name: &str| text(&matches, name);
        let policy = text("policy");
        // `explain policy` takes NAMESPACE/NAME.
        let (inside, policy) = match policy.as_deref().and_then(|it| it.split_once('/')) {
            Some((namespace, name)) => (Some(namespace.to_owned()), Some(name.to_owned())),
            None => (None, policy),
        };
        let all = matches.try_get_one::<bool>("all_namespaces");
        Self {
            namespace: inside.or_else(|| text("namespace")),
            context: text("context"),
            policy,
            is_everywhere: matches!(all, Ok(Some(true))),
        }
    }
}

/// What somebody wrote there; a default is none.
fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    let value = matches.try_get_one::<String>(name).ok().flatten()?;
    let is_written = matches.value_source(name) == Some(ValueSource::CommandLine);
    is_written.then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[track_caller]
    fn check(words: &str, expected: &Line) {
        let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        assert_eq!(Line::read(&command(), &words), *expected, "{words:?}");
    }

    fn line() -> Line {
        Line::default()
    }

    #[test]
    fn what_is_named_says_where_to_look() {
        let team = || Some("team".to_owned());
        check(
            "x get -n team",
            &Line {
                namespace: team(),
                ..line()
            },
        );
        check(
            "x pin --namespace=team --context=prod shop",
            &Line {
                namespace: team(),
                context: Some("prod".to_owned()),
                policy: Some("shop".to_owned()),
                is_everywhere: false,
            },
        );
        check(
            "x explain policy team/shop --image",
            &Line {
                namespace: team(),
                policy: Some("shop".to_owned()),
                ..line()
            },
        );
        check(
            "x get -A",
            &Line {
                is_everywhere: true,
                ..line()
            },
        );
    }

    #[test]
    fn what_is_wrong_or_not_there_yet_says_nothing() {
        for words in [
            "",
            "x",
            "x get",
            "x pin",
            "x nonsense --what",
            "x get --namespace",
        ] {
            check(words, &line());
        }
    }
}
