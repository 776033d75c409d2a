//! What the predecessor was told by its environment and its ConfigMap. What means the same here is
//! taken as if it were a flag; of the rest `run` says once why it has no effect.
//!
//! A flag, or a variable of our own, goes before. Values are never logged: some are secret. Of those
//! that a flag refuses it is said what is wrong with them.

use std::error::Error as _;
use std::ffi::OsString;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use tracing::{info, warn};

/// A setting of the predecessor: <https://argocd-image-updater.readthedocs.io/en/stable/install/reference/>.
pub(crate) struct OldSetting {
    /// Its environment variable.
    pub(crate) variable: &'static str,
    /// Its key in the ConfigMap `argocd-image-updater-config`, which `envFrom` makes a variable of.
    pub(crate) key: Option<&'static str>,
    /// What becomes of it.
    pub(crate) becomes: Becomes,
}

/// What becomes of a setting.
pub(crate) enum Becomes {
    /// The flag, if the command has it and that takes the value.
    Flag(&'static str),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// A file of the predecessor's ConfigMap, as its Deployment mounts it: it needs no flag there.
pub(crate) struct OldFile {
    /// Its name in [`FOLDER`].
    pub(crate) name: &'static str,
    /// The flag of `run` that takes it.
    pub(crate) flag: &'static str,
    /// What the flag has before a file's name.
    sign: &'static str,
}

/// A setting that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    name: &'static str,
    outcome: Taken,
}

/// The environment and the files of the predecessor.
pub(super) struct Surroundings<'a, V> {
    /// A variable that is set.
    pub(super) variable: V,
    /// Where its Deployment mounts the ConfigMap.
    pub(super) folder: &'a Path,
}

/// Whether a setting has an effect.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// It does what this flag would.
    As(&'static str),
    /// The flag is given.
    Behind(&'static str),
    /// The flag does not take such a value, and why.
    Refused(&'static str, String),
    /// It has no equal.
    Ignored(&'static str),
}

const WEBHOOKS: &str = "webhooks are received at --webhook-address, and never without a secret";
const KEY_IS_A_SECRET: &str = "a key is in a Secret of each Application's namespace: \
                               --git-commit-signing-secret names it";
const NO_TLS: &str = "no server of this program has TLS";
const GIT_RETRIES: &str = "git is spoken by the program itself, with limits of its own";

/// Where the predecessor's Deployment mounts its ConfigMap:
/// <https://github.com/argoproj-labs/argocd-image-updater/tree/master/config/manager>.
pub(crate) const FOLDER: &str = "/app/config";

/// The files there that mean something here.
pub(crate) const FILES: [OldFile; 2] = [
    OldFile {
        name: "registries.conf",
        flag: "--registries-conf-path",
        sign: "",
    },
    OldFile {
        name: "commit.template",
        flag: "--git-commit-message",
        sign: "@",
    },
];

/// The commands that do what these settings are about.
const COMMANDS: [&str; 4] = ["run", "plan", "apply", "convert"];

/// All of them, but those that are read as they are: the secrets of webhooks.
pub(crate) const TABLE: [OldSetting; 37] = [
    flag("IMAGE_UPDATER_INTERVAL", Some("interval"), "--interval"),
    flag("IMAGE_UPDATER_LOGLEVEL", Some("log.level"), "--log-level"),
    flag(
        "IMAGE_UPDATER_LOGFORMAT",
        Some("log.format"),
        "--log-format",
    ),
    flag(
        "ARGOCD_NAMESPACE",
        Some("argocd.namespace"),
        "--argocd-namespace",
    ),
    flag(
        "IMAGE_UPDATER_WATCH_NAMESPACES",
        Some("watch.namespaces"),
        "--application-namespaces",
    ),
    flag(
        "MAX_CONCURRENT_APPS",
        Some("max_concurrent_apps"),
        "--concurrency",
    ),
    nothing(
        "MAX_CONCURRENT_RECONCILES",
        Some("max_concurrent_reconciles"),
        "there is one limit for all: --concurrency",
    ),
    nothing(
        "MAX_CONCURRENT_UPDATERS",
        None,
        "there is one limit for all: --concurrency",
    ),
    nothing(
        "IMAGE_UPDATER_KUBE_EVENTS",
        Some("kube.events"),
        "events are always sent",
    ),
    flag("GIT_COMMIT_USER", Some("git.user"), "--git-commit-user"),
    flag("GIT_COMMIT_EMAIL", Some("git.email"), "--git-commit-email"),
    nothing(
        "GIT_COMMIT_SIGNING_KEY",
        Some("git.commit-signing-key"),
        KEY_IS_A_SECRET,
    ),
    nothing(
        "GIT_COMMIT_SIGNING_METHOD",
        Some("git.commit-signing-method"),
        "the key itself tells whether it is OpenPGP's or SSH's",
    ),
    flag(
        "GIT_COMMIT_SIGN_OFF",
        Some("git.commit-sign-off"),
        "--git-commit-sign-off",
    ),
    nothing(
        "GIT_COMMIT_METHOD",
        None,
        "commits are pushed by git; no API of a server makes them",
    ),
    flag(
        "GIT_COMMIT_MESSAGE_TEMPLATE",
        Some("git.commit-message-template"),
        "--git-commit-message",
    ),
    nothing(
        "REGISTRIES_CONF",
        Some("registries.conf"),
        "it is a file: mount it, and give --registries-conf-path",
    ),
    nothing("ENABLE_WEBHOOK", Some("webhook.enable"), WEBHOOKS),
    nothing("WEBHOOK_PORT", Some("webhook.port"), WEBHOOKS),
    nothing(
        "WEBHOOK_REQUIRE_SECRET",
        Some("webhook.require-secret"),
        WEBHOOKS,
    ),
    nothing(
        "WEBHOOK_RATELIMIT_ALLOWED",
        Some("webhook.ratelimit-allowed"),
        WEBHOOKS,
    ),
    nothing("DISABLE_TLS", Some("disable-tls"), NO_TLS),
    nothing("TLS_MIN_VERSION", Some("tls.min-version"), NO_TLS),
    nothing("TLS_MAX_VERSION", Some("tls.max-version"), NO_TLS),
    nothing("TLS_CIPHERS", Some("tls.ciphers"), NO_TLS),
    nothing(
        "ARGOCD_EXEC_TIMEOUT",
        None,
        "ext: credentials have ten seconds, and git needs no program",
    ),
    nothing(
        "ARGOCD_EXEC_FATAL_TIMEOUT",
        None,
        "ext: credentials have ten seconds, and git needs no program",
    ),
    nothing("ARGOCD_GIT_REQUEST_TIMEOUT", None, GIT_RETRIES),
    nothing("ARGOCD_GIT_ATTEMPTS_COUNT", None, GIT_RETRIES),
    nothing("ARGOCD_GIT_RETRY_MAX_DURATION", None, GIT_RETRIES),
    nothing("ARGOCD_GIT_RETRY_DURATION", None, GIT_RETRIES),
    nothing("ARGOCD_GIT_RETRY_FACTOR", None, GIT_RETRIES),
    nothing(
        "ARGOCD_GITHUB_APP_CREDS_EXPIRATION_DURATION",
        None,
        "a token of a GitHub App is kept for as long as GitHub says",
    ),
    nothing(
        "ENABLE_LOG_COLORS",
        None,
        "a log has colours on a terminal alone",
    ),
    nothing(
        "APPLICATIONS_API",
        Some("applications_api"),
        "Applications are read from the cluster, not from Argo CD's API",
    ),
    nothing(
        "ARGOCD_SERVER",
        Some("argocd.server_addr"),
        "Applications are read from the cluster, not from Argo CD's API",
    ),
    nothing(
        "ARGOCD_TOKEN",
        None,
        "Applications are read from the cluster, not from Argo CD's API",
    ),
];

const fn flag(variable: &'static str, key: Option<&'static str>, flag: &'static str) -> OldSetting {
    let becomes = Becomes::Flag(flag);
    OldSetting {
        variable,
        key,
        becomes,
    }
}

const fn nothing(
    variable: &'static str,
    key: Option<&'static str>,
    reason: &'static str,
) -> OldSetting {
    let becomes = Becomes::Nothing(reason);
    OldSetting {
        variable,
        key,
        becomes,
    }
}

/// What the surroundings say, and the arguments that say the same to the command. `check` tells
/// whether the command line is valid with one more argument.
pub(super) fn read<T: AsRef<str>>(
    matches: &ArgMatches,
    surroundings: &Surroundings<'_, impl Fn(&str) -> Option<T>>,
    check: impl Fn(&OsString) -> Result<(), clap::Error>,
) -> (Vec<Found>, Vec<OsString>) {
    let command = matches.subcommand();
    let Some((command, matches)) = command.filter(|(name, _)| COMMANDS.contains(name)) else {
        return (Vec::new(), Vec::new());
    };
    let is_run = command == "run";
    let mut found = Vec::new();
    let mut arguments = Vec::new();
    let mut take = |flag: &'static str, value: &str| {
        if is_given(matches, flag) {
            return Taken::Behind(flag);
        }
        let argument = OsString::from(format!("{flag}={value}"));
        match check(&argument) {
            Ok(()) => {
                arguments.push(argument);
                Taken::As(flag)
            }
            Err(error) => Taken::Refused(flag, why(&error)),
        }
    };
    for setting in &TABLE {
        let names = [Some(setting.variable), setting.key];
        let mut names = names.into_iter().flatten();
        let value = names.find_map(|name| Some((name, (surroundings.variable)(name)?)));
        let Some((name, value)) = value else {
            continue;
        };
        let outcome = match setting.becomes {
            Becomes::Nothing(reason) if is_run => Taken::Ignored(reason),
            Becomes::Flag(flag) if has(matches, flag) => take(flag, value.as_ref()),
            Becomes::Nothing(_) | Becomes::Flag(_) => continue,
        };
        found.push(Found { name, outcome });
    }
    let files = FILES.iter().filter(|_| is_run);
    for OldFile { name, flag, sign } in files {
        let path = surroundings.folder.join(name);
        // A variable has the same text, from the same ConfigMap.
        let is_said = found.iter().any(|it| it.outcome == Taken::As(flag));
        if path.is_file() && !is_said {
            let outcome = take(flag, &format!("{sign}{}", path.display()));
            found.push(Found { name, outcome });
        }
    }
    (found, arguments)
}

fn id(flag: &str) -> String {
    flag.trim_start_matches('-').replace('-', "_")
}

/// Whether the command has the flag.
fn has(matches: &ArgMatches, flag: &str) -> bool {
    matches.try_contains_id(&id(flag)).is_ok()
}

/// Whether somebody set the flag, or its variable.
fn is_given(matches: &ArgMatches, flag: &str) -> bool {
    let source = matches.value_source(&id(flag));
    matches!(
        source,
        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
    )
}

/// What is wrong with a value, on one line; nothing where clap knows only that it is.
fn why(error: &clap::Error) -> String {
    let text = error.source().map(ToString::to_string);
    let text = text.map(|text| format!(": {}", text.lines().collect::<Vec<_>>().join("; ")));
    text.unwrap_or_default()
}

/// Says of each that is there whether it has an effect.
pub(super) fn report(found: &[Found]) {
    for Found { name, outcome } in found {
        match outcome {
            Taken::As(flag) => info!(
                setting = name,
                "A setting of argocd-image-updater is taken as {flag}"
            ),
            Taken::Behind(flag) => info!(
                setting = name,
                "A setting of argocd-image-updater is ignored: {flag} is set"
            ),
            Taken::Refused(flag, why) => warn!(
                setting = name,
                "A setting of argocd-image-updater is ignored: {flag} takes no such value{why}"
            ),
            Taken::Ignored(reason) => warn!(
                setting = name,
                "A setting of argocd-image-updater is ignored: {reason}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of settings for a command line; arguments without the folder of files.
    #[track_caller]
    fn check(
        line: &[&str],
        variables: &[(&'static str, &str)],
        files: &[(&str, &str)],
        expected: &[(&'static str, Taken)],
        arguments: &[&str],
    ) {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        let command = crate::cli::command();
        let parse = |more: Option<&OsString>| {
            let line = ["image-update-operator"].iter().chain(line);
            let line = line.map(OsString::from).chain(more.cloned());
            command.clone().try_get_matches_from(line)
        };
        let matches = parse(None).expect("the row is a command line");
        let surroundings = Surroundings {
            variable: |name: &str| {
                let mut variables = variables.iter();
                variables.find(|it| it.0 == name).map(|it| it.1.to_owned())
            },
            folder: folder.path(),
        };
        let (found, more) = read(&matches, &surroundings, |argument| {
            parse(Some(argument)).map(drop)
        });
        let found: Vec<_> = found.into_iter().map(|it| (it.name, it.outcome)).collect();
        assert_eq!(found, expected, "{line:?}");
        let folder = format!("{}/", folder.path().display());
        let more: Vec<String> = more
            .iter()
            .map(|it| it.to_string_lossy().replace(&folder, ""))
            .collect();
        assert_eq!(more, arguments, "{line:?}");
    }

    const CONVERT: [&str; 3] = ["convert", "-f", "-"];
    const USER: &str = "--git-commit-user";
    const MESSAGE: &str = "--git-commit-message";

    #[test]
    fn who_commits_is_what_the_old_settings_say() {
        let said = [
            ("GIT_COMMIT_USER", "Robot"),
            ("git.email", "robot@example.org"),
            ("GIT_COMMIT_SIGN_OFF", "TRUE"),
        ];
        let expected = [
            ("GIT_COMMIT_USER", Taken::As(USER)),
            ("git.email", Taken::As("--git-commit-email")),
            ("GIT_COMMIT_SIGN_OFF", Taken::As("--git-commit-sign-off")),
        ];
        let arguments = [
            "--git-commit-user=Robot",
            "--git-commit-email=robot@example.org",
            "--git-commit-sign-off=TRUE",
        ];
        check(&["run"], &said, &[], &expected, &arguments);
        check(&CONVERT, &said, &[], &expected, &arguments);
        check(&["plan", "-f", "-"], &said, &[], &expected, &arguments);
        check(&["apply", "-f", "-"], &said, &[], &expected, &arguments);
        check(&["version"], &said, &[], &[], &[]);
    }

    #[test]
    fn flags_of_ours_go_before() {
        check(
            &["run", "--git-commit-user=Own"],
            &[("GIT_COMMIT_USER", "Robot")],
            &[("commit.template", "fix: {{.AppName}}")],
            &[
                ("GIT_COMMIT_USER", Taken::Behind(USER)),
                ("commit.template", Taken::As(MESSAGE)),
            ],
            &["--git-commit-message=@commit.template"],
        );
        check(
            &["run", "--git-commit-message=own"],
            &[],
            &[("commit.template", "fix: {{.AppName}}")],
            &[("commit.template", Taken::Behind(MESSAGE))],
            &[],
        );
    }

    #[test]
    fn a_template_that_can_not_be_carried_over_is_told_with_its_place() {
        let fields = "there are .AppName, .AppNamespace, .SHA256, .TargetKey, .AppChanges (each with \
                      .Image .OldTag .NewTag) and .Images (each with .Name .Alias .OldTag .NewTag)";
        let why = format!(": line 2, column 24: no field `Labels`; hint: {fields}");
        let template = "fix\n{{range .AppChanges}}{{.Labels}}{{end}}";
        let refused = Taken::Refused(MESSAGE, why);
        check(
            &["run"],
            &[],
            &[("commit.template", template)],
            &[("commit.template", refused)],
            &[],
        );
    }

    #[test]
    fn files_are_those_of_a_pod() {
        let files = [("registries.conf", ""), ("commit.template", "x")];
        check(&CONVERT, &[], &files, &[], &[]);
        check(
            &["run"],
            &[("git.commit-message-template", "x")],
            &files,
            &[
                ("git.commit-message-template", Taken::As(MESSAGE)),
                ("registries.conf", Taken::As("--registries-conf-path")),
            ],
            &[
                "--git-commit-message=x",
                "--registries-conf-path=registries.conf",
            ],
        );
    }

    #[test]
    fn what_has_no_equal_is_told_by_run_alone() {
        let said = [("GIT_COMMIT_SIGNING_KEY", "/app/key")];
        let expected = [("GIT_COMMIT_SIGNING_KEY", Taken::Ignored(KEY_IS_A_SECRET))];
        check(&["run"], &said, &[], &expected, &[]);
        check(&CONVERT, &said, &[], &[], &[]);
    }
}
