//! What the operator is told when it starts: the only reader of flags and environment.

mod commit;
mod leader;
mod log;
mod selector;
mod shards;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use image_update_core::duration::{self, DurationError};
use zeroize::Zeroizing;

pub use commit::CommitConfig;
pub use leader::{LeaderConfig, pod_name};
pub use log::{DEFAULT_LOG_LEVEL, LogConfig, LogFormat};
pub use shards::{ShardConfig, ShardIndex};

/// 32 MiB.
pub const DEFAULT_GIT_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Where a pod serves metrics and probes, as its Deployment says.
const POD_METRICS_ADDRESS: &str = "0.0.0.0:8081";

/// Settings of `run`. Each flag has an environment variable; the flag wins.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, and no state of another"
)]
pub struct RunConfig {
    /// Namespaces whose objects are looked at, separated by commas. Unset: all.
    #[arg(
        long,
        env = "IMAGE_UPDATE_WATCH_NAMESPACES",
        value_name = "NAMESPACE,…",
        value_delimiter = ',',
        value_parser = namespace
    )]
    pub watch_namespaces: Vec<String>,

    /// Hosts (`host`, `host:port` or `*.domain`) that registries, git remotes and receivers of
    /// notifications may have, separated by commas. Unset: all but link-local addresses, which are
    /// always refused.
    #[arg(
        long,
        env = "IMAGE_UPDATE_ALLOWED_HOSTS",
        value_name = "HOST,…",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,

    /// A file about registries, as argocd-image-updater has it: where their APIs are, how fast they
    /// may be asked, and credentials for objects that name none, in all namespaces that are looked
    /// at. It is read again when it changes.
    #[arg(long, env = "IMAGE_UPDATE_REGISTRIES_CONF_PATH", value_name = "FILE")]
    pub registries_conf_path: Option<PathBuf>,

    /// Runs the programs that `ext:` credentials of that file name. They have the operator's rights.
    #[arg(long, env = "IMAGE_UPDATE_ALLOW_EXT_CREDENTIALS")]
    pub allow_ext_credentials: bool,

    /// The namespace of Argo CD: Applications of others have another name for their override file.
    /// Its repository credentials are read there.
    #[arg(
        long,
        env = "IMAGE_UPDATE_ARGOCD_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "argocd"
    )]
    pub argocd_namespace: String,

    /// Which policies may use Argo CD's own repository credentials (`credentials.argocd`): those of
    /// Argo CD's namespace, or all. With `all`, whoever may make policies and Applications can have
    /// commits made as Argo CD, where the Application's project permits its namespace and the
    /// repository.
    #[arg(
        long,
        env = "IMAGE_UPDATE_ARGOCD_CREDENTIALS",
        value_enum,
        default_value_t = ArgocdCredentials::Own
    )]
    pub argocd_credentials: ArgocdCredentials,

    /// Makes policies of the annotations that argocd-image-updater reads on Applications of Argo CD's
    /// namespace. With `false`, annotations have no effect; policies that were made of them stay.
    #[arg(
        long,
        env = "IMAGE_UPDATE_LEGACY_ANNOTATIONS",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    pub legacy_annotations: bool,

    /// Other namespaces that hold Applications of Argo CD, separated by commas; `*` is all. Their
    /// annotations are converted, and policies in Argo CD's namespace may select their Applications.
    #[arg(
        long,
        env = "IMAGE_UPDATE_APPLICATION_NAMESPACES",
        value_name = "NAMESPACE,…",
        value_delimiter = ','
    )]
    pub application_namespaces: Vec<String>,

    /// How often the tags of converted Applications' images are listed, from `10s` to `168h`.
    #[arg(
        long,
        env = "IMAGE_UPDATE_INTERVAL",
        value_name = "DURATION",
        default_value = "2m",
        value_parser = interval
    )]
    pub interval: String,

    /// What the commits of converted Applications' policies are like.
    #[command(flatten)]
    pub commit: CommitConfig,

    /// Converts annotations even while argocd-image-updater runs: the two then take turns.
    #[arg(long, env = "IMAGE_UPDATE_CONVERT_BESIDE_OLD_UPDATER")]
    pub convert_beside_old_updater: bool,

    /// Whether Argo CD is asked to look at git again at once for each Application whose files were
    /// pushed, by the annotation `argocd.argoproj.io/refresh`; else it does so in its own time.
    #[arg(
        long,
        env = "IMAGE_UPDATE_REFRESH_APPLICATIONS",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub refresh_applications: bool,

    /// How many objects of each kind are looked at at once, from 1 to 1024; waiting for a registry or
    /// a push does not count.
    #[arg(
        long,
        env = "IMAGE_UPDATE_CONCURRENCY",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub concurrency: u16,

    /// A folder for what is known of images (when and for which platforms they were built), so
    /// that a restart need not fetch it again; at most half a GiB. It is made if it is not there,
    /// and holds nothing secret. Unset: it is kept in memory only.
    #[arg(long, env = "IMAGE_UPDATE_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,

    /// How many bytes of a git remote's folders and files stay in memory between two looks, for each
    /// remote and credential, so that only what has changed is fetched. 10,000 applications have
    /// about 3 MB of folders. `0` keeps nothing; then every look fetches all that it needs.
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_CACHE_BYTES",
        value_name = "BYTES",
        default_value_t = DEFAULT_GIT_CACHE_BYTES
    )]
    pub git_cache_bytes: usize,

    /// Where metrics and probes are served: `/metrics`, `/healthz` and `/readyz`, over plain HTTP.
    /// Nowhere, if it is `0` or empty. Unset: `0.0.0.0:8081` inside of a cluster, nowhere outside.
    #[arg(long, env = "IMAGE_UPDATE_METRICS_ADDRESS", value_name = "HOST:PORT")]
    pub metrics_address: Option<String>,

    /// Where `/debug/state` is served: what is queued, known and kept, as JSON; and
    /// `/debug/log-level`, which shows what is logged, and sets it. It names objects, registries and
    /// git remotes of all namespaces and holds nothing secret; the address has to be one of this
    /// machine's own, such as `127.0.0.1:8083`, for `kubectl port-forward`. Unset: nowhere.
    #[arg(long, env = "IMAGE_UPDATE_DEBUG_ADDRESS", value_name = "HOST:PORT")]
    pub debug_address: Option<String>,

    /// Who of several replicas works.
    #[command(flatten)]
    pub leader: LeaderConfig,

    /// Webhooks of registries.
    #[command(flatten)]
    pub webhook: WebhookConfig,

    /// What part of the work this operator does.
    #[command(flatten)]
    pub shard: ShardConfig,

    /// Who is told of all policies.
    #[command(flatten)]
    pub notify: NotifyConfig,

    /// Where traces go, and how many of them.
    #[command(flatten)]
    pub trace: TraceConfig,

    /// How long a write that is under way may still take after SIGTERM, in seconds, from 1 to
    /// 600.
    #[arg(
        long,
        env = "IMAGE_UPDATE_SHUTDOWN_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 25,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub shutdown_timeout: u64,
}

impl RunConfig {
    /// Where metrics and probes are served.
    pub fn metrics_address(&self) -> &str {
        let unset = if is_in_cluster() {
            POD_METRICS_ADDRESS
        } else {
            ""
        };
        self.metrics_address.as_deref().unwrap_or(unset)
    }
}

/// What a flag names can't be used: a file that is not there, an address that is taken.
#[derive(Debug, thiserror::Error)]
#[error("{0} can't be used")]
pub struct UnusableFlag(pub &'static str);

/// Settings of the receiver of registries' webhooks.
#[derive(Args, Clone, Debug)]
pub struct WebhookConfig {
    /// Where webhooks of registries are received, over plain HTTP: `/webhook/<type>` and
    /// `/webhook?type=<type>`. Nowhere, if it is `0` or empty.
    #[arg(
        long,
        env = "IMAGE_UPDATE_WEBHOOK_ADDRESS",
        value_name = "HOST:PORT",
        default_value = "0"
    )]
    pub webhook_address: String,

    /// A folder with the secrets of webhooks, each in a file with the name of its type, or that of
    /// its key in argocd-image-updater's Secret (`webhook.ghcr-secret`). They are read for each
    /// request. Else a secret is taken from argocd-image-updater's variable
    /// (`GHCR_WEBHOOK_SECRET`). A type without a secret is not served.
    #[arg(long, env = "IMAGE_UPDATE_WEBHOOK_SECRET_DIR", value_name = "FOLDER")]
    pub webhook_secret_dir: Option<PathBuf>,
}

/// Settings of notifications about all policies; a policy's own are in its spec.
#[derive(Args, Clone, Debug)]
pub struct NotifyConfig {
    /// A folder with a file `address`, the URL that is told of what happens to any policy, and perhaps
    /// `token`, `headers` and `ca.crt`, as the Secret of `spec.notify` has them. They are read each
    /// time. Unset: nobody is told but whom policies name.
    #[arg(long, env = "IMAGE_UPDATE_NOTIFY_SECRET_DIR", value_name = "FOLDER")]
    pub notify_secret_dir: Option<PathBuf>,

    /// What is sent there.
    #[arg(
        long,
        env = "IMAGE_UPDATE_NOTIFY_FORMAT",
        value_enum,
        default_value_t = NotifyFormat::Generic
    )]
    pub notify_format: NotifyFormat,

    /// What is told there, separated by commas.
    #[arg(
        long,
        env = "IMAGE_UPDATE_NOTIFY_ON",
        value_enum,
        value_delimiter = ',',
        default_value = "updated,held,failed"
    )]
    pub notify_on: Vec<NotifyOn>,
}

/// How a notification is written.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum NotifyFormat {
    /// JSON with everything there is.
    Generic,
    /// What Slack and Mattermost take at an incoming webhook.
    Slack,
    /// A CloudEvent 1.0 in structured mode.
    #[value(name = "cloudevents")]
    CloudEvents,
}

/// What is told.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum NotifyOn {
    /// Something was written.
    Updated,
    /// Something would be written, but something says no.
    Held,
    /// Something could not be decided or written.
    Failed,
}

/// Settings of traces.
#[derive(Args, Clone, Debug)]
pub struct TraceConfig {
    /// A collector of traces that speaks OTLP over HTTP, such as `http://collector:4318`; traces go
    /// to `/v1/traces` below it. Headers for it are taken from `OTEL_EXPORTER_OTLP_HEADERS`. Unset:
    /// nothing is traced.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Which part of all traces is sent, from 0 to 1. A trace is sent whole or not at all.
    #[arg(
        long,
        env = "IMAGE_UPDATE_OTLP_SAMPLING_RATIO",
        value_name = "RATIO",
        default_value_t = 1.0,
        value_parser = ratio
    )]
    pub otlp_sampling_ratio: f64,
}

fn ratio(text: &str) -> Result<f64, &'static str> {
    let number: f64 = text.parse().map_err(|_| "write a number from 0 to 1")?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err("write a number from 0 to 1")
    }
}

/// A name that a namespace may have: <https://datatracker.ietf.org/doc/html/rfc1123#section-2>.
fn namespace(text: &str) -> Result<String, &'static str> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_named = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| is_inner(byte) || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_named {
        Ok(text.to_owned())
    } else {
        Err("a namespace has lower-case letters, digits and hyphens, 63 at most")
    }
}

/// Why an interval can't be that of a watch.
#[derive(Debug, thiserror::Error)]
enum IntervalError {
    #[error(transparent)]
    Duration(DurationError),
    #[error("it is at least 10s and at most 168h")]
    Range,
}

/// An interval that an ImageWatch may have.
fn interval(text: &str) -> Result<String, IntervalError> {
    /// What the schema of ImageWatch permits.
    const RANGE: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(168);
    let read = duration::parse(text).map_err(IntervalError::Duration)?;
    if !RANGE.contains(&read) {
        return Err(IntervalError::Range);
    }
    Ok(text.to_owned())
}

/// Which policies may use Argo CD's own repository credentials.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum ArgocdCredentials {
    /// Those of Argo CD's namespace.
    Own,
    /// All.
    All,
}

/// Where docker keeps its configuration: `$DOCKER_CONFIG/config.json`, else
/// `~/.docker/config.json`; `None` without a home. The file need not be there.
pub fn docker_config_file() -> Option<PathBuf> {
    let folder = variable("DOCKER_CONFIG").map(|folder| PathBuf::from(folder.as_str()));
    let folder = folder.or_else(|| Some(std::env::home_dir()?.join(".docker")))?;
    Some(folder.join("config.json"))
}

/// Whether this is a pod that talks to its own cluster.
fn is_in_cluster() -> bool {
    variable("KUBERNETES_SERVICE_HOST").is_some() && variable("KUBECONFIG").is_none()
}

/// The value of an environment variable; `None` if it is not set, empty, or not text. It may be a
/// secret, so its memory is cleared when it is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the one that reads the environment"
)]
pub fn variable(name: &str) -> Option<Zeroizing<String>> {
    let value = std::env::var(name).ok().map(Zeroizing::new);
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<f64>) {
        assert_eq!(ratio(text).ok(), expected, "{text}");
    }

    #[test]
    fn ratios_are_from_zero_to_one() {
        check("0", Some(0.0));
        check("0.25", Some(0.25));
        check("1", Some(1.0));
        check("1.01", None);
        check("-0.5", None);
        check("NaN", None);
        check("half", None);
    }

    #[track_caller]
    fn check_namespace(text: &str, is_one: bool) {
        assert_eq!(namespace(text).is_ok(), is_one, "{text}");
    }

    #[test]
    fn a_namespace_is_a_dns_label() {
        check_namespace("team-a", true);
        check_namespace("1", true);
        check_namespace("", false);
        check_namespace("*", false);
        check_namespace("Team", false);
        check_namespace("team a", false);
        check_namespace("-a", false);
        check_namespace("a-", false);
        check_namespace(&"a".repeat(63), true);
        check_namespace(&"a".repeat(64), false);
    }
}
