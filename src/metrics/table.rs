//! Every metric: its name, kind, labels and meaning. The reference page is made of this table.
//!
//! No label is open: each takes one of a few words of ours, a status code, or one of at most
//! [`MAX_REGISTRIES`] hosts.

/// The most registries that have series of their own; those that come later share `other`.
pub const MAX_REGISTRIES: usize = 100;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its whole name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence without the full stop.
    pub help: &'static str,
}

/// For what takes milliseconds in memory.
const SHORT_SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// For what asks servers.
const SECONDS: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// From seeing a tag to its commit: seconds, but hours where a `minimumAge` has to pass.
const LATENCY_SECONDS: &[f64] = &[
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
];

/// Policies in one push, up to the most there can be.
const BATCH_JOBS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Definition {
    Definition {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Definition {
    Definition {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    bounds: &'static [f64],
    labels: &'static [&'static str],
    help: &'static str,
) -> Definition {
    Definition {
        name,
        kind: Kind::Histogram(bounds),
        labels,
        help,
    }
}

pub(super) const BUILD_INFO: Definition = gauge(
    "image_update_build_info",
    &["version"],
    "Always 1, with the version of the operator",
);
pub(super) const RECONCILE_SECONDS: Definition = histogram(
    "image_update_reconcile_duration_seconds",
    SECONDS,
    &["kind", "outcome"],
    "How long looking at an object took, to its status write; outcome is ready, waiting, retrying or stalled",
);
pub(super) const LEADER: Definition = gauge(
    "image_update_leader",
    &[],
    "1 while this replica works, 0 while it stands by for another",
);
pub(super) const SHARDS: Definition = gauge(
    "image_update_shards",
    &[],
    "How many shards the policies are divided into; so many replicas work when all is well",
);
pub(super) const OBJECTS: Definition = gauge(
    "image_update_objects",
    &["kind", "ready", "reason"],
    "Objects by the status and the reason of their condition Ready",
);
pub(super) const STALLED: Definition = gauge(
    "image_update_stalled",
    &["kind"],
    "Objects whose condition Stalled is true: they wait for a change of the object or of what it names",
);
pub(super) const IMAGES: Definition = gauge(
    "image_update_images",
    &["state"],
    "Images of policies by state; held ones would be written, but something says no",
);
pub(super) const TAGS: Definition = gauge(
    "image_update_tags",
    &[],
    "Tags of all watches, by their last scans",
);

pub(super) const REGISTRY_REQUESTS: Definition = counter(
    "image_update_registry_requests_total",
    &["registry", "method", "status"],
    "Requests to registries and their token servers; status is the HTTP status, or error where there was no answer",
);
pub(super) const REGISTRY_SECONDS: Definition = histogram(
    "image_update_registry_request_duration_seconds",
    SECONDS,
    &["registry"],
    "How long a request to a registry took, with its answer's body",
);
pub(super) const REGISTRY_LIMITED: Definition = counter(
    "image_update_registry_rate_limited_total",
    &["registry"],
    "Answers that say to slow down (429)",
);
pub(super) const SCAN_SECONDS: Definition = histogram(
    "image_update_scan_duration_seconds",
    SECONDS,
    &["outcome"],
    "How long listing all tags of a repository took; outcome is success or error",
);
pub(super) const LAST_SCAN: Definition = gauge(
    "image_update_last_successful_scan_timestamp_seconds",
    &[],
    "When the last scan that succeeded ended, in Unix time; 0 before the first one",
);
pub(super) const SELECTION_SECONDS: Definition = histogram(
    "image_update_selection_duration_seconds",
    SHORT_SECONDS,
    &[],
    "How long deciding on all images of a policy at one destination took",
);

pub(super) const GIT_OPERATIONS: Definition = counter(
    "image_update_git_operations_total",
    &["kind", "outcome"],
    "Operations on git remotes; kind is read or update, outcome one of read, unchanged, pushed, refused, lost_race, unreachable and invalid",
);
pub(super) const GIT_SECONDS: Definition = histogram(
    "image_update_git_operation_duration_seconds",
    SECONDS,
    &["kind"],
    "How long an operation on a git remote took, with all its requests",
);
pub(super) const GIT_BYTES: Definition = counter(
    "image_update_git_bytes_total",
    &["service", "direction"],
    "Bytes of git's protocol, before compression by HTTP; service is git-upload-pack or git-receive-pack, direction sent or received",
);
pub(super) const GIT_RACES: Definition = counter(
    "image_update_git_push_races_total",
    &[],
    "Pushes that had to be decided and tried again, because somebody else was faster or the answer was lost",
);
pub(super) const BATCH: Definition = histogram(
    "image_update_git_batch_policies",
    BATCH_JOBS,
    &[],
    "How many policies shared one look at a branch, and its push if there was one",
);
pub(super) const TAG_TO_COMMIT: Definition = histogram(
    "image_update_tag_to_commit_seconds",
    LATENCY_SECONDS,
    &[],
    "From the scan that saw a new tag to the push or patch that uses it; tags that were there at the first scan are not counted",
);

pub(super) const WEBHOOK_REQUESTS: Definition = counter(
    "image_update_webhook_requests_total",
    &["type", "outcome"],
    "Requests to the receiver of webhooks; outcome is accepted, ignored (no push of a tag), repeated, busy, or one of unknown, method, unauthorized, forbidden, too_large, interrupted and malformed",
);
pub(super) const WEBHOOK_SCANS: Definition = counter(
    "image_update_webhook_requested_scans_total",
    &["kind"],
    "Objects that webhooks asked to be looked at, each once for all pushes of a moment",
);

pub(super) const NOTIFICATIONS: Definition = counter(
    "image_update_notifications_total",
    &["outcome"],
    "Notifications by outcome: sent, failed (after all attempts) or dropped (too many waited)",
);

pub(super) const LEGACY_APPLICATIONS: Definition = gauge(
    "argocd_image_updater_applications_watched_total",
    &[],
    "Applications that policies select, once for each policy",
);
pub(super) const LEGACY_IMAGES: Definition = gauge(
    "argocd_image_updater_images_watched_total",
    &[],
    "Images of all policies",
);
pub(super) const LEGACY_CHECKED: Definition = counter(
    "argocd_image_updater_images_checked_total",
    &[],
    "Images that were decided on, in all reconciliations",
);
pub(super) const LEGACY_UPDATED: Definition = counter(
    "argocd_image_updater_images_updated_total",
    &[],
    "Images that were changed by a push or a patch; what was the same before is not counted",
);
pub(super) const LEGACY_ERRORS: Definition = counter(
    "argocd_image_updater_images_errors_total",
    &[],
    "Images that could not be decided on or written, in all reconciliations",
);
pub(super) const LEGACY_UPDATE_ERRORS: Definition = counter(
    "argocd_image_updater_images_updated_errors_total",
    &[],
    "Changes of images that were decided and could not be written",
);
pub(super) const LEGACY_REQUESTS: Definition = counter(
    "argocd_image_updater_registry_requests_total",
    &["registry"],
    "Requests to registries and their token servers",
);
pub(super) const LEGACY_REQUESTS_FAILED: Definition = counter(
    "argocd_image_updater_registry_requests_failed_total",
    &["registry"],
    "Those of them without an answer, or with a status of 400 or more that is not a demand for a token",
);
pub(super) const LEGACY_KUBERNETES: Definition = counter(
    "argocd_image_updater_k8s_api_requests_total",
    &[],
    "Requests to the Kubernetes API server",
);
pub(super) const LEGACY_KUBERNETES_ERRORS: Definition = counter(
    "argocd_image_updater_k8s_api_errors_total",
    &[],
    "Those of them without an answer, or with a status of 400 or more",
);

/// All metrics, in the order of the reference page.
pub const TABLE: &[Definition] = &[
    BUILD_INFO,
    LEADER,
    SHARDS,
    OBJECTS,
    STALLED,
    IMAGES,
    TAGS,
    RECONCILE_SECONDS,
    TAG_TO_COMMIT,
    SELECTION_SECONDS,
    SCAN_SECONDS,
    LAST_SCAN,
    REGISTRY_REQUESTS,
    REGISTRY_SECONDS,
    REGISTRY_LIMITED,
    GIT_OPERATIONS,
    GIT_SECONDS,
    GIT_BYTES,
    GIT_RACES,
    BATCH,
    WEBHOOK_REQUESTS,
    WEBHOOK_SCANS,
    NOTIFICATIONS,
    LEGACY_APPLICATIONS,
    LEGACY_IMAGES,
    LEGACY_CHECKED,
    LEGACY_UPDATED,
    LEGACY_ERRORS,
    LEGACY_UPDATE_ERRORS,
    LEGACY_REQUESTS,
    LEGACY_REQUESTS_FAILED,
    LEGACY_KUBERNETES,
    LEGACY_KUBERNETES_ERRORS,
];
