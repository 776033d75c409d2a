//! `image-update.dev/v1alpha1`. The Rust types are the source of truth: `crds/` is generated from
//! them, and their doc comments are what `kubectl explain` prints.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column is an attribute of its own with the same keys"
)]

pub mod annotations;
mod applications;
mod common;
mod image_update_policy;
mod image_watch;
mod notify;
mod reason;
mod status;
mod write_back;

pub use applications::{ApplicationSelector, LabelSelector, SourceReference};
pub use common::{LocalObjectReference, NamespaceSelector, SecretKeyReference};
pub(super) use image_update_policy::default_interval as default_policy_interval;
pub use image_update_policy::{
    AlphabeticalStrategy, DigestPolicy, DigestStrategy, HelmImage, ImageSpec, ImageUpdatePolicy,
    ImageUpdatePolicySpec, KustomizeImage, NewestBuildStrategy, NumericalStrategy, PluginImage,
    SemverStrategy, SortOrder, StrategySpec, TagExtract, TagRules, WatchReference,
};
pub(super) use image_watch::default_exclude_tags;
pub use image_watch::{AccessFrom, ImageWatch, ImageWatchSpec};
pub use notify::{NotificationEvent, NotificationFormat, NotificationSpec};
pub use reason::Reason;
pub use status::{
    ApplicationCounts, Attention, ImageState, ImageStatus, ImageUpdatePolicyStatus,
    ImageWatchStatus, LastBuild, LastScan, LastWrite, PolicySummary, SettledBranch, SettledValue,
    WatchSummary, WriteRecord,
};
pub use write_back::{
    ArgocdCredentialsSpec, ArgocdSourceTarget, ArgocdWriteBack, CommitAuthor, CommitSpec,
    CredentialsSpec, GitWriteBack, Granularity, HelmValuesTarget, KustomizationTarget,
    ManifestImages, ManifestsTarget, PushSpec, SigningSpec, TargetSpec, WriteBackSpec,
};

/// The API group of both kinds.
pub const GROUP: &str = "image-update.dev";

/// The label of objects that the operator makes.
pub const ORIGIN_LABEL: &str = "image-update.dev/origin";

/// Its value on policies and watches that were made from annotations of the predecessor. Without it
/// an object belongs to whoever made it, and is never changed or deleted.
pub const ORIGIN_ANNOTATIONS: &str = "annotations";
