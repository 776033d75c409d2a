//! What the operator counts of itself, in the text format of Prometheus.
//!
//! Whoever does something tells it here, in its own words; this module knows neither registries
//! nor git, and reads no clock. What can be read off the objects is not counted but taken from
//! them at each scrape, so that it can't drift.

pub mod kubernetes;
mod labels;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use self::labels::{Registries, status};
pub use self::table::{Definition, Kind, MAX_REGISTRIES, TABLE};

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Counts what happens. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    /// Held while gauges are set and read, so that no scrape sees half of them.
    scrape: Mutex<()>,
    registries: Registries,
    reconcile_seconds: HistogramVec,
    objects: IntGaugeVec,
    stalled: IntGaugeVec,
    images: IntGaugeVec,
    tags: IntGaugeVec,
    leader: IntGaugeVec,
    shards: IntGaugeVec,
    registry_requests: IntCounterVec,
    registry_seconds: HistogramVec,
    registry_limited: IntCounterVec,
    scan_seconds: HistogramVec,
    last_scan: IntGaugeVec,
    selection_seconds: HistogramVec,
    git_operations: IntCounterVec,
    git_seconds: HistogramVec,
    git_bytes: IntCounterVec,
    git_races: IntCounterVec,
    batch: HistogramVec,
    tag_to_commit: HistogramVec,
    webhook_requests: IntCounterVec,
    webhook_scans: IntCounterVec,
    notifications: IntCounterVec,
    legacy_applications: IntGaugeVec,
    legacy_images: IntGaugeVec,
    legacy_checked: IntCounterVec,
    legacy_updated: IntCounterVec,
    legacy_errors: IntCounterVec,
    legacy_update_errors: IntCounterVec,
    legacy_requests: IntCounterVec,
    legacy_requests_failed: IntCounterVec,
    legacy_kubernetes: IntCounterVec,
    legacy_kubernetes_errors: IntCounterVec,
}

impl Shared {
    /// Series of labels that are known beforehand are there from the start, so that their first
    /// increase is seen as one: an alert on a single refused push depends on it.
    fn begin(&self) {
        for outcome in GitOutcome::ALL {
            let labels = [GitOperation::Update.as_str(), outcome.as_str()];
            self.git_operations.with_label_values(&labels).reset();
        }
        for outcome in ["success", "error"] {
            drop(self.scan_seconds.with_label_values(&[outcome]));
        }
    }
}

/// What the objects say at the time of a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// How many objects there are of a kind, status and reason of `Ready`.
    pub objects: BTreeMap<(&'static str, &'static str, &'static str), i64>,
    /// How many objects there are of a kind whose `Stalled` is true.
    pub stalled: BTreeMap<&'static str, i64>,
    /// How many images there are in a state.
    pub images: BTreeMap<&'static str, i64>,
    /// Tags of all watches.
    pub tags: i64,
    /// Applications that policies select.
    pub applications: i64,
}

/// What became of the images of one policy in one reconciliation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageCounts {
    /// That were decided on.
    pub checked: usize,
    /// That were changed.
    pub updated: usize,
    /// That could not be decided on or written.
    pub failed: usize,
    /// That were to be changed and could not be written.
    pub unwritten: usize,
}

/// What an operation on a git remote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitOperation {
    /// Files are read.
    Read,
    /// Files are read, and commits pushed if they are to change.
    Update,
}

/// What came of an operation on a git remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitOutcome {
    /// Files were read.
    Read,
    /// Nothing was to be written.
    Unchanged,
    /// Commits are on the branch.
    Pushed,
    /// The remote did not let us in, or refused the push.
    Refused,
    /// Others kept moving the branch.
    LostRace,
    /// The remote did not answer, or not sensibly.
    Unreachable,
    /// What is asked for can't be done with what is there: no such branch, a link for a file.
    Invalid,
}

impl Metrics {
    /// Counts from zero.
    ///
    /// # Panics
    ///
    /// Never: the table's names are valid and each is there once, which a test shows.
    pub fn new() -> Self {
        let registry = Registry::new();
        let shared = Shared {
            scrape: Mutex::default(),
            registries: Registries::default(),
            reconcile_seconds: histogram(&registry, &table::RECONCILE_SECONDS),
            objects: gauge(&registry, &table::OBJECTS),
            stalled: gauge(&registry, &table::STALLED),
            images: gauge(&registry, &table::IMAGES),
            tags: gauge(&registry, &table::TAGS),
            leader: gauge(&registry, &table::LEADER),
            shards: gauge(&registry, &table::SHARDS),
            registry_requests: counter(&registry, &table::REGISTRY_REQUESTS),
            registry_seconds: histogram(&registry, &table::REGISTRY_SECONDS),
            registry_limited: counter(&registry, &table::REGISTRY_LIMITED),
            scan_seconds: histogram(&registry, &table::SCAN_SECONDS),
            last_scan: gauge(&registry, &table::LAST_SCAN),
            selection_seconds: histogram(&registry, &table::SELECTION_SECONDS),
            git_operations: counter(&registry, &table::GIT_OPERATIONS),
            git_seconds: histogram(&registry, &table::GIT_SECONDS),
            git_bytes: counter(&registry, &table::GIT_BYTES),
            git_races: counter(&registry, &table::GIT_RACES),
            batch: histogram(&registry, &table::BATCH),
            tag_to_commit: histogram(&registry, &table::TAG_TO_COMMIT),
            webhook_requests: counter(&registry, &table::WEBHOOK_REQUESTS),
            webhook_scans: counter(&registry, &table::WEBHOOK_SCANS),
            notifications: counter(&registry, &table::NOTIFICATIONS),
            legacy_applications: gauge(&registry, &table::LEGACY_APPLICATIONS),
            legacy_images: gauge(&registry, &table::LEGACY_IMAGES),
            legacy_checked: counter(&registry, &table::LEGACY_CHECKED),
            legacy_updated: counter(&registry, &table::LEGACY_UPDATED),
            legacy_errors: counter(&registry, &table::LEGACY_ERRORS),
            legacy_update_errors: counter(&registry, &table::LEGACY_UPDATE_ERRORS),
            legacy_requests: counter(&registry, &table::LEGACY_REQUESTS),
            legacy_requests_failed: counter(&registry, &table::LEGACY_REQUESTS_FAILED),
            legacy_kubernetes: counter(&registry, &table::LEGACY_KUBERNETES),
            legacy_kubernetes_errors: counter(&registry, &table::LEGACY_KUBERNETES_ERRORS),
            registry,
        };
        bare_gauge(&shared.leader).set(0);
        bare_gauge(&shared.shards).set(1);
        gauge(&shared.registry, &table::BUILD_INFO)
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        shared.begin();
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether this replica works; before this is called, it stands by.
    pub fn leading(&self, leads: bool) {
        bare_gauge(&self.shared.leader).set(i64::from(leads));
    }

    /// How many shards there are; before this is called, it is one.
    pub fn sharded(&self, shards: u32) {
        bare_gauge(&self.shared.shards).set(i64::from(shards));
    }

    /// An object of `kind` was looked at.
    pub fn reconciled(&self, kind: &str, outcome: &str, took: Duration) {
        let shared = &self.shared;
        let seconds = &shared.reconcile_seconds;
        seconds
            .with_label_values(&[kind, outcome])
            .observe(took.as_secs_f64());
    }

    /// A request was sent to `registry`, or to its token server. `status` is the answer's.
    pub fn registry_request(
        &self,
        registry: &str,
        method: &str,
        answer: Option<u16>,
        took: Duration,
    ) {
        let shared = &self.shared;
        let registry = shared.registries.label(registry);
        let registry = registry.as_str();
        shared
            .registry_requests
            .with_label_values(&[registry, method, &status(answer)])
            .inc();
        shared
            .registry_seconds
            .with_label_values(&[registry])
            .observe(took.as_secs_f64());
        shared.legacy_requests.with_label_values(&[registry]).inc();
        // Zero until it is not: an alert on the increase needs a series to begin with.
        let failed = shared.legacy_requests_failed.with_label_values(&[registry]);
        let limited = shared.registry_limited.with_label_values(&[registry]);
        match answer {
            // 401 is how a registry asks for a token.
            Some(..=399 | 401) => {}
            Some(429) => {
                failed.inc();
                limited.inc();
            }
            Some(_) | None => failed.inc(),
        }
    }

    /// All tags of a repository were listed, or could not be. A success ended at `ended`, in
    /// seconds of Unix time.
    pub fn scanned(&self, ended: Option<i64>, took: Duration) {
        let shared = &self.shared;
        let outcome = if ended.is_some() { "success" } else { "error" };
        shared
            .scan_seconds
            .with_label_values(&[outcome])
            .observe(took.as_secs_f64());
        if let Some(ended) = ended {
            bare_gauge(&shared.last_scan).set(ended);
        }
    }

    /// The images of a policy were decided on.
    pub fn selected(&self, took: Duration) {
        bare(&self.shared.selection_seconds).observe(took.as_secs_f64());
    }

    /// A git remote was read or written.
    pub fn git_operation(&self, operation: GitOperation, outcome: GitOutcome, took: Duration) {
        let shared = &self.shared;
        let kind = operation.as_str();
        shared
            .git_operations
            .with_label_values(&[kind, outcome.as_str()])
            .inc();
        shared
            .git_seconds
            .with_label_values(&[kind])
            .observe(took.as_secs_f64());
    }

    /// A request of git's protocol was answered.
    pub fn git_exchange(&self, service: &str, sent: usize, received: usize) {
        for (direction, bytes) in [("sent", sent), ("received", received)] {
            self.shared
                .git_bytes
                .with_label_values(&[service, direction])
                .inc_by(count(bytes));
        }
    }

    /// A push has to be decided and tried again.
    pub fn git_race(&self) {
        bare_counter(&self.shared.git_races).inc();
    }

    /// So many policies shared a push.
    pub fn batch(&self, policies: usize) {
        let policies = u32::try_from(policies).unwrap_or(u32::MAX);
        bare(&self.shared.batch).observe(f64::from(policies));
    }

    /// What uses a new tag was written, so long after the tag was first seen.
    pub fn written(&self, after: Duration) {
        bare(&self.shared.tag_to_commit).observe(after.as_secs_f64());
    }

    /// A request came to the receiver of webhooks; both are words of ours.
    pub fn webhook(&self, vendor: &'static str, outcome: &'static str) {
        let requests = &self.shared.webhook_requests;
        requests.with_label_values(&[vendor, outcome]).inc();
    }

    /// A webhook asked for an object of `kind` to be looked at.
    pub fn webhook_scan(&self, kind: &'static str) {
        let scans = &self.shared.webhook_scans;
        scans.with_label_values(&[kind]).inc();
    }

    /// What became of a notification, in a word of ours.
    pub fn notification(&self, outcome: &'static str) {
        let notifications = &self.shared.notifications;
        notifications.with_label_values(&[outcome]).inc();
    }

    /// What became of the images of a policy.
    pub fn images(&self, counts: ImageCounts) {
        let ImageCounts {
            checked,
            updated,
            failed,
            unwritten,
        } = counts;
        let shared = &self.shared;
        for (counter, by) in [
            (&shared.legacy_checked, checked),
            (&shared.legacy_updated, updated),
            (&shared.legacy_errors, failed),
            (&shared.legacy_update_errors, unwritten),
        ] {
            bare_counter(counter).inc_by(count(by));
        }
    }

    /// The Kubernetes API server was asked.
    pub fn kubernetes_request(&self, answer: Option<u16>) {
        let shared = &self.shared;
        bare_counter(&shared.legacy_kubernetes).inc();
        let errors = bare_counter(&shared.legacy_kubernetes_errors);
        if answer.is_none_or(|status| status >= 400) {
            errors.inc();
        }
    }

    /// Everything in the text format, with what the objects say now.
    pub fn text(&self, inventory: &Inventory) -> String {
        let _scrape = self
            .shared
            .scrape
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.take_stock(inventory);
        // Writing to a String does not fail; what is gathered is named as the table says.
        TextEncoder::new()
            .encode_to_string(&self.shared.registry.gather())
            .unwrap_or_default()
    }

    fn take_stock(&self, inventory: &Inventory) {
        let Inventory {
            objects,
            stalled,
            images,
            tags,
            applications,
        } = inventory;
        let shared = &self.shared;
        shared.objects.reset();
        for ((kind, ready, reason), count) in objects {
            let labels = [*kind, *ready, *reason];
            shared.objects.with_label_values(&labels).set(*count);
        }
        shared.stalled.reset();
        for (kind, count) in stalled {
            shared.stalled.with_label_values(&[*kind]).set(*count);
        }
        shared.images.reset();
        for (state, count) in images {
            shared.images.with_label_values(&[*state]).set(*count);
        }
        bare_gauge(&shared.tags).set(*tags);
        bare_gauge(&shared.legacy_applications).set(*applications);
        bare_gauge(&shared.legacy_images).set(images.values().sum());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl GitOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Update => "update",
        }
    }
}

impl GitOutcome {
    const ALL: [Self; 7] = [
        Self::Read,
        Self::Unchanged,
        Self::Pushed,
        Self::Refused,
        Self::LostRace,
        Self::Unreachable,
        Self::Invalid,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Unchanged => "unchanged",
            Self::Pushed => "pushed",
            Self::Refused => "refused",
            Self::LostRace => "lost_race",
            Self::Unreachable => "unreachable",
            Self::Invalid => "invalid",
        }
    }
}

const IN_TABLE: &str = "the table's metrics are valid and each is there once";

fn counter(registry: &Registry, definition: &Definition) -> IntCounterVec {
    let metric = IntCounterVec::new(options(definition), definition.labels).expect(IN_TABLE);
    registry.register(Box::new(metric.clone())).expect(IN_TABLE);
    if definition.labels.is_empty() {
        // From the start, so that its first increase is seen as one.
        bare_counter(&metric).reset();
    }
    metric
}

fn gauge(registry: &Registry, definition: &Definition) -> IntGaugeVec {
    let metric = IntGaugeVec::new(options(definition), definition.labels).expect(IN_TABLE);
    registry.register(Box::new(metric.clone())).expect(IN_TABLE);
    if definition.labels.is_empty() {
        bare_gauge(&metric).set(0);
    }
    metric
}

fn histogram(registry: &Registry, definition: &Definition) -> HistogramVec {
    let bounds = match definition.kind {
        Kind::Histogram(bounds) => bounds,
        Kind::Counter | Kind::Gauge => &[],
    };
    let options = HistogramOpts {
        common_opts: options(definition),
        buckets: bounds.to_vec(),
    };
    let metric = HistogramVec::new(options, definition.labels).expect(IN_TABLE);
    registry.register(Box::new(metric.clone())).expect(IN_TABLE);
    if definition.labels.is_empty() {
        drop(bare(&metric));
    }
    metric
}

fn options(definition: &Definition) -> Opts {
    Opts::new(definition.name, definition.help)
}

fn bare(metric: &HistogramVec) -> prometheus::Histogram {
    metric.with_label_values::<&str>(&[])
}

fn bare_counter(metric: &IntCounterVec) -> prometheus::IntCounter {
    metric.with_label_values::<&str>(&[])
}

fn bare_gauge(metric: &IntGaugeVec) -> prometheus::IntGauge {
    metric.with_label_values::<&str>(&[])
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
