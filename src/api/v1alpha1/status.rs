//! What the operator reports on the objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::de::value::Error as ValueError;
use serde::de::{Deserializer, IntoDeserializer as _};
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

    /// The Applications that are selected, counted by how they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applications: Option<ApplicationCounts>,

    /// Applications that are not up to date: fifty at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<Attention>,

    /// How many more there are that are not up to date.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attention_omitted: u32,

    /// Where values of Applications and of manifests stood in git, so that it is seen if somebody
    /// takes them back: a hundred branches at most. In others, what is taken back is written again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled_branches: Vec<SettledBranch>,

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
    #[serde(deserialize_with = "state")]
    pub state: ImageState,
    /// Why it stands there.
    #[serde(deserialize_with = "reason")]
    pub reason: Reason,
    /// The same in a sentence.
    pub message: String,
    /// When a better tag may be written that `minimumAge` holds back; the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Time>,
    /// What stood in the targets when the image was up to date last. Where it is taken back, it is
    /// not written again until there is a newer tag, the spec changes, it is pinned or the annotation
    /// `image-update.dev/release` gets a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<SettledValue>,
    /// With `newestBuild`, what was in use last and when it was built: nothing older is written
    /// even after the registry has lost it, unless `allowDowngrade` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_build: Option<LastBuild>,
}

/// An image in use, and when it was built.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastBuild {
    /// The image with its registry spelled out. Example: `docker.io/library/nginx`.
    pub image: String,
    /// The tag.
    pub tag: String,
    /// When the image was built, by its config.
    pub time: Time,
}

/// What stood in the targets of an image.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettledValue {
    /// The tag, with its digest where one is written.
    pub value: String,
    /// The branch on which it stood; unset for a policy that selects Applications or has
    /// `manifests`, whose branches are in `settledBranches`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether it was pinned. A pin that comes later writes what was taken back before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// A branch on which settled values stood.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettledBranch {
    /// Digits that stand for the repository's address.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// Commits that show them: the last one that was written or seen, and before it those that show
    /// what was taken back since. Four at most.
    pub commits: Vec<String>,
}

/// Applications, counted. Each counts once, by the worst of its images.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationCounts {
    /// How many the policy selects.
    pub matched: u32,
    /// How many say what was selected.
    pub up_to_date: u32,
    /// How many run none of the images, and the policy says `onlyLive`.
    #[serde(default)]
    pub not_live: u32,
    /// How many will be written.
    pub pending: u32,
    /// How many would be written, but something says no.
    pub held: u32,
    /// How many could not be decided or written.
    pub failed: u32,
}

/// An Application that is not up to date.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attention {
    /// The Application, as `namespace/name`.
    pub application: String,
    /// The image; unset if it is about the Application as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Where it stands.
    #[serde(deserialize_with = "state")]
    pub state: ImageState,
    /// The tag that should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Why it stands there.
    #[serde(deserialize_with = "reason")]
    pub reason: Reason,
    /// The same in a sentence.
    pub message: String,
    /// Since when it stands there for that reason, as far as it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
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
    /// No Application runs it, and the policy says `onlyLive`.
    NotLive,
    /// No tag passes the filters.
    NoCandidate,
    /// The policy is suspended.
    Suspended,
}

/// Reads a state. One of a version that was newer counts as not decided: were it an error, the
/// object could not be read, and all else that its status remembers would be lost.
fn state<'de, D: Deserializer<'de>>(text: D) -> Result<ImageState, D::Error> {
    known_or(text, ImageState::Pending)
}

/// Reads a reason, as [`state`] does.
fn reason<'de, D: Deserializer<'de>>(text: D) -> Result<Reason, D::Error> {
    known_or(text, Reason::Progressing)
}

fn known_or<'de, D, T>(text: D, otherwise: T) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: for<'text> Deserialize<'text>,
{
    let text = String::deserialize(text)?;
    let known: Result<T, ValueError> = T::deserialize(text.as_str().into_deserializer());
    Ok(known.unwrap_or(otherwise))
}

impl ImageState {
    /// The state as it stands in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::Pending => "Pending",
            Self::Held => "Held",
            Self::Failed => "Failed",
            Self::NotLive => "NotLive",
            Self::NoCandidate => "NoCandidate",
            Self::Suspended => "Suspended",
        }
    }
}

/// What the printer columns of an ImageUpdatePolicy show.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// Images that are up to date, of all. Example: `1/2`.
    pub images: String,

    /// Applications that are up to date, of all that are selected. Example: `11/12`; `-` for a
    /// policy that selects none.
    #[serde(default)]
    pub applications: String,
}

/// A commit that was pushed, or an Application that was patched.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastWrite {
    /// When the remote had accepted it.
    pub time: Time,
    /// The commit's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch it was pushed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The repository's address, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The Application, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// How many values it changed.
    pub changes: u32,
}

/// One line of a policy's history.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WriteRecord {
    /// When the remote had accepted it.
    pub time: Time,
    /// The commit's id; unset for an Application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The Application, as `namespace/name`; unset for a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// What changed, one line. Example: `web: 6.7.0 -> 6.7.1`.
    pub message: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How an image's state and reason are read.
    #[track_caller]
    fn check(state: &str, reason: &str, expected: (ImageState, Reason)) {
        let image = serde_json::json!({
            "alias": "web", "state": state, "reason": reason, "message": "",
            "settled": {"value": "1.0.0"},
        });
        let image: ImageStatus = serde_json::from_value(image).expect("it can be read");
        assert_eq!((image.state, image.reason), expected);
        assert!(image.settled.is_some(), "the rest is there");
    }

    #[test]
    fn what_only_a_newer_version_knows_keeps_nothing_else_from_being_read() {
        check("Held", "TooYoung", (ImageState::Held, Reason::TooYoung));
        let unknown = (ImageState::Pending, Reason::Progressing);
        check("Levitating", "OfTheFuture", unknown);
        let attention = serde_json::json!({
            "application": "argocd/shop", "state": "Levitating", "reason": "OfTheFuture", "message": "",
        });
        let attention: Attention = serde_json::from_value(attention).expect("it can be read");
        assert_eq!((attention.state, attention.reason), unknown);
    }
}
