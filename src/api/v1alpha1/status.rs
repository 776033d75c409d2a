//! What the operator reports on the objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::Reason;

/// What is known of a repository.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageWatchStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, and while true `Reconciling` or `Stalled`, by the kstatus rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// The image with its registry spelled out. Example: `docker.io/library/nginx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical_image: Option<String>,

    /// The last scan that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scan: Option<LastScan>,

    /// The ten newest tags: versions from the highest down, then the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latest_tags: Vec<String>,

    /// When tags were first seen by the operator: the ten newest, and the 64 that appeared last
    /// since it looks. `minimumAge` counts from it where an image does not say when it was built.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_seen: BTreeMap<String, Time>,

    /// What `kubectl get` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<WatchSummary>,

    /// When the next scan is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scan_time: Option<Time>,

    /// The value of the annotation `image-update.dev/requestedAt` that was last honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// The result of one scan.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastScan {
    /// When the list was complete.
    pub time: Time,
    /// How many tags there are, without the excluded ones.
    pub tags: u32,
    /// Digest of the sorted list: equal lists have equal revisions.
    pub revision: String,
    /// Requests that the scan took; 0 if another watch of the same repository had just asked.
    pub requests: u32,
}

/// What the printer columns of an ImageWatch show.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchSummary {
    /// The newest tag.
    pub latest: String,
}

/// What a policy did and what it waits for.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdatePolicyStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, and while true `Reconciling` or `Stalled`, by the kstatus rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// One entry per alias: what was selected, what the target says, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageStatus>,

    /// What `kubectl get` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PolicySummary>,

    /// The last commit that this policy caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_write: Option<LastWrite>,

    /// The last ten writes, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<WriteRecord>,

    /// The value of the annotation `image-update.dev/requestedAt` that was last honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// The value of the annotation `image-update.dev/release` that was last honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_release: Option<String>,
}

/// The state of one image of a policy.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// The image's alias in the spec.
    pub alias: String,
    /// The tag that should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<String>,
    /// The digest that should run, where the policy asks for digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The tag that the write target says now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Where the image stands.
    pub state: ImageState,
    /// Why it stands there.
    pub reason: Reason,
    /// The same in a sentence.
    pub message: String,
    /// When a better tag may be written that `minimumAge` holds back; the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Time>,
    /// What stood in all targets when the image was up to date last. If it is taken back in git,
    /// it is not written again until there is a newer tag, the spec changes or the annotation
    /// `image-update.dev/release` gets a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<SettledValue>,
}

/// What stood in the targets of an image.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettledValue {
    /// The tag, with its digest where one is written.
    pub value: String,
    /// The branch on which it stood.
    pub branch: String,
}

/// Where an image stands.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ImageState {
    /// The target says what was selected.
    UpToDate,
    /// The target will be written.
    Pending,
    /// It would be written, but something says no; the reason tells what.
    Held,
    /// It could not be decided or written; the reason tells why.
    Failed,
    /// No tag passes the filters.
    NoCandidate,
    /// The policy is suspended.
    Suspended,
}

/// What the printer columns of an ImageUpdatePolicy show.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// Images that are up to date, of all. Example: `1/2`.
    pub images: String,
}

/// A commit that was pushed.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastWrite {
    /// When the remote had accepted it.
    pub time: Time,
    /// The commit's id.
    pub commit: String,
    /// The branch it was pushed to.
    pub branch: String,
    /// The repository's address, without credentials.
    pub repository: String,
    /// How many values it changed.
    pub changes: u32,
}

/// One line of a policy's history.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WriteRecord {
    /// When the remote had accepted it.
    pub time: Time,
    /// The commit's id.
    pub commit: String,
    /// What changed, one line. Example: `web: 6.7.0 -> 6.7.1`.
    pub message: String,
}
