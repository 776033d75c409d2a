//! What the predecessor was told by its environment and its ConfigMap. What means the same here is
//! taken as if it were a flag; of the rest `run` says once why it has no effect.
//!
//! A flag, or a variable of our own, goes before. Values are never logged: some are secret.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;
use tracing::{info, warn};

use crate::config::variable;

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
    /// The flag of `run`, if that takes the value.
    Flag(&'static str),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// A setting that is there.
pub(super) struct Found {
    name: &'static str,
    outcome: Taken,
}

/// Whether a setting has an effect.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// It does what this flag would.
    As(&'static str),
    /// The flag is given.
    Behind(&'static str),
    /// The flag does not take such a value.
    Refused(&'static str),
    /// It has no equal.
    Ignored(&'static str),
}

const WEBHOOKS: &str = "webhooks are received at --webhook-address, and never without a secret";
const PER_POLICY: &str = "policies say it: spec.writeBack.git.commit";
const NO_TLS: &str = "no server of this program has TLS";
const GIT_RETRIES: &str = "git is spoken by the program itself, with limits of its own";

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
    nothing("GIT_COMMIT_USER", Some("git.user"), PER_POLICY),
    nothing("GIT_COMMIT_EMAIL", Some("git.email"), PER_POLICY),
    nothing(
        "GIT_COMMIT_SIGNING_KEY",
        Some("git.commit-signing-key"),
        PER_POLICY,
    ),
    nothing(
        "GIT_COMMIT_SIGNING_METHOD",
        Some("git.commit-signing-method"),
        PER_POLICY,
    ),
    nothing(
        "GIT_COMMIT_SIGN_OFF",
        Some("git.commit-sign-off"),
        PER_POLICY,
    ),
    nothing(
        "GIT_COMMIT_METHOD",
        None,
        "commits are pushed by git; no API of a server makes them",
    ),
    nothing(
        "GIT_COMMIT_MESSAGE_TEMPLATE",
        Some("git.commit-message-template"),
        PER_POLICY,
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

/// What the environment says, and the arguments that say the same to `run`. `is_taken` tells whether
/// the command line is valid with one more argument.
pub(super) fn read(
    matches: &ArgMatches,
    is_taken: impl Fn(&OsString) -> bool,
) -> (Vec<Found>, Vec<OsString>) {
    let Some(run) = matches.subcommand_matches("run") else {
        return (Vec::new(), Vec::new());
    };
    let mut found = Vec::new();
    let mut arguments = Vec::new();
    for setting in &TABLE {
        let names = [Some(setting.variable), setting.key];
        let mut names = names.into_iter().flatten();
        let Some((name, value)) = names.find_map(|name| Some((name, variable(name)?))) else {
            continue;
        };
        let outcome = match setting.becomes {
            Becomes::Nothing(reason) => Taken::Ignored(reason),
            Becomes::Flag(flag) if is_given(run, flag) => Taken::Behind(flag),
            Becomes::Flag(flag) => {
                let argument = OsString::from(format!("{flag}={}", value.as_str()));
                if is_taken(&argument) {
                    arguments.push(argument);
                    Taken::As(flag)
                } else {
                    Taken::Refused(flag)
                }
            }
        };
        found.push(Found { name, outcome });
    }
    (found, arguments)
}

/// Whether somebody set the flag, or its variable.
fn is_given(run: &ArgMatches, flag: &str) -> bool {
    let id = flag.trim_start_matches('-').replace('-', "_");
    let source = run.value_source(&id);
    matches!(
        source,
        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
    )
}

/// Says of each that is there whether it has an effect.
pub(super) fn report(found: &[Found]) {
    for Found { name, outcome } in found {
        match outcome {
            Taken::As(flag) => info!(
                variable = name,
                "A setting of argocd-image-updater is taken as {flag}"
            ),
            Taken::Behind(flag) => info!(
                variable = name,
                "A setting of argocd-image-updater is ignored: {flag} is set"
            ),
            Taken::Refused(flag) => warn!(
                variable = name,
                "A setting of argocd-image-updater is ignored: {flag} takes no such value"
            ),
            Taken::Ignored(reason) => warn!(
                variable = name,
                "A setting of argocd-image-updater is ignored: {reason}"
            ),
        }
    }
}
