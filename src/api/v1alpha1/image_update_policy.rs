//! The kind `ImageUpdatePolicy`: which tag should run, and where that is written.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::applications::ApplicationSelector;
use super::notify::NotificationSpec;
use super::status::ImageUpdatePolicyStatus;
use super::write_back::WriteBackSpec;

/// Which tags of which images should run, and where that is written.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[kube(
    group = "image-update.dev",
    version = "v1alpha1",
    kind = "ImageUpdatePolicy",
    plural = "imageupdatepolicies",
    namespaced,
    status = "ImageUpdatePolicyStatus",
    shortname = "iup",
    category = "image-update",
    derive = "PartialEq",
    doc = "Chooses which tag of an image should run and writes it where the deployment reads it: git.",
    printcolumn(
        name = "Images",
        type_ = "string",
        json_path = ".status.summary.images"
    ),
    printcolumn(
        name = "Apps",
        type_ = "string",
        json_path = ".status.summary.applications"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message"
    ),
    printcolumn(
        name = "Last Write",
        type_ = "date",
        json_path = ".status.lastWrite.time"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(validation = Rule::new("has(self.applications) && self.applications.size() > 0 || has(self.writeBack.git) && has(self.writeBack.git.repository)").message("without applications, writeBack.git.repository has to be set"))]
#[x_kube(validation = Rule::new("has(self.applications) && self.applications.size() > 0 || !has(self.writeBack.git) || !self.writeBack.git.targets.exists(target, has(target.argocdSource))").message("an argocdSource target needs applications: it is the override file of one"))]
#[x_kube(validation = Rule::new("!has(self.writeBack.git) || !self.writeBack.git.targets.exists(target, has(target.helmValues)) || self.images.all(image, has(image.helm))").message("a helmValues target needs helm on each image: set helm.tag, or helm.spec, to its key in the values"))]
#[x_kube(validation = Rule::new("has(self.writeBack.argocd) || has(self.writeBack.git) && self.writeBack.git.targets.exists(target, has(target.argocdSource)) || !self.images.exists(image, has(image.plugin))").message("plugin has an effect with writeBack.argocd or an argocdSource target only: use one of them, or leave it out"))]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdatePolicySpec {
    /// Stops the policy while `true`: nothing is compared or written. Default `false`.
    #[serde(default)]
    pub suspend: bool,

    /// How often the write target is compared when nothing else changed. Default `5m`, at least
    /// `30s`. New tags of a watch are acted on at once, whatever stands here.
    #[serde(default = "default_interval")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('30s')").message("interval is at least 30s; new tags are acted on at once whatever it is"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('168h')").message("interval is at most 168h; suspend the policy if it is not to act"))]
    pub interval: String,

    /// Decides and reports, and writes nothing. Default `false`.
    #[serde(default)]
    pub dry_run: bool,

    /// The images, each with an alias of its own.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["alias"]))]
    pub images: Vec<ImageSpec>,

    /// The Argo CD Applications whose sources are written. Unset: none; `writeBack.git` then names
    /// repository and paths itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub applications: Vec<ApplicationSelector>,

    /// Where the chosen tags are written.
    pub write_back: WriteBackSpec,

    /// Who is told of updates, of images that are held, and of failures. Each is told once, and
    /// again only when something else happened meanwhile. Default: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub notify: Vec<NotificationSpec>,
}

/// One image and how its tag is chosen.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.watchRef) != has(self.image)").message("set exactly one of watchRef (an ImageWatch) and image (scanned without an object of its own)"))]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// A short name for the image, used in status, events and commit messages. Example: `web`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._/-]+$"))]
    pub alias: String,

    /// The ImageWatch whose tags are considered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_ref: Option<WatchReference>,

    /// A repository to scan every two minutes without an ImageWatch of its own: anonymously, or
    /// with the credential that the operator's `registries.conf` has for it. Example: `ghcr.io/stefanprodan/podinfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("!self.contains('://') && !self.contains('@') && !self.matches('/[^/]*:[^/]*$') && !self.matches('^[^/]*:[^/]*$')").message("image is a repository without scheme, tag and digest, such as ghcr.io/org/app"))]
    pub image: Option<String>,

    /// How the tags are ordered; the best one is chosen.
    pub strategy: StrategySpec,

    /// Which tags are considered. Unset: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagRules>,

    /// Only images for all of these platforms, each `os/architecture` or
    /// `os/architecture/variant`; without a variant any will do. The image of the best tag is looked
    /// at, then that of the next one if it is refused. Default: none is asked for. Example:
    /// `[linux/amd64, linux/arm64]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 98)))]
    #[x_kube(validation = Rule::new("self.all(platform, platform.matches('^[a-z0-9._-]{1,32}/[a-z0-9._-]{1,32}(/[a-z0-9._-]{1,32})?$'))").message("a platform is os/architecture or os/architecture/variant, such as linux/amd64 or linux/arm/v7"))]
    pub platforms: Vec<String>,

    /// How old an image must be before its tag is written, by the time in its config. One that
    /// gives no time, or a constant as reproducible builds do, is as old as the first sighting of
    /// its tag: `status.firstSeen` of the ImageWatch; without a watch it is not kept over restarts
    /// of the operator. Until then the next best tag that is old enough is written. A `pin` does not
    /// wait. Default: unset, no wait. Example: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('8760h')").message("minimumAge is at most 8760h, a year"))]
    pub minimum_age: Option<String>,

    /// Whether the digest is written beside the tag. Default `Never`.
    #[serde(default)]
    pub digest_policy: DigestPolicy,

    /// Lets a lower tag replace a higher one. Default `false`: a tag that vanished from the
    /// registry or a list that was cut short never takes a deployment back.
    #[serde(default)]
    pub allow_downgrade: bool,

    /// An exact tag: nothing else is considered while this is set. Default: unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub pin: Option<String>,

    /// Tags never to use, spelled exactly. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub skip: Vec<String>,

    /// How the image stands in a kustomization. Unset: under its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<KustomizeImage>,

    /// How the image stands in Helm values. Needed on each image if a target is `helmValues`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm: Option<HelmImage>,

    /// How the image stands in the environment of a config management plugin. Needed where an
    /// Application's source is one, and only for `writeBack.argocd` and `argocdSource` targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginImage>,

    /// Writes the image only where the Application runs it, under its own name or the one that
    /// `kustomize` replaces. Default `false`.
    #[serde(default)]
    pub only_live: bool,
}

/// An ImageWatch of this namespace, or of another one that grants access.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchReference {
    /// Name of the ImageWatch.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its namespace, whose `accessFrom` must select this policy's. Default: this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// How tags are ordered: exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.semver), has(self.newestBuild), has(self.alphabetical), has(self.numerical), has(self.digest)].filter(set, set).size() == 1").message("set exactly one strategy: semver, newestBuild, alphabetical, numerical or digest"))]
#[serde(rename_all = "camelCase")]
pub struct StrategySpec {
    /// The highest version that satisfies a constraint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<SemverStrategy>,

    /// The latest build, by the time in the image's config. The first look costs a few requests
    /// for each tag that passes `tags`, at most 5,000 of them; later ones only for new tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_build: Option<NewestBuildStrategy>,

    /// The last tag in byte order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabetical: Option<AlphabeticalStrategy>,

    /// The highest number, exact for any count of digits; tags that are no number are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerical: Option<NumericalStrategy>,

    /// One tag that is moved; its digest is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestStrategy>,
}

/// The highest version that satisfies a constraint.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SemverStrategy {
    /// A range in the grammar of Masterminds/semver, as Helm and Flux use it. Default `*`: every
    /// version but pre-releases. Examples: `>=6.0.0 <7.0.0`, `~1.2`, `^2 || 3.x`, `*-0`.
    #[serde(default = "default_constraint")]
    #[schemars(length(min = 1, max = 512))]
    pub constraint: String,
}

/// The latest build, by the time in the image's config; of several platforms, the latest of those
/// that are asked for. Images that give no time, or a constant as reproducible builds do, are
/// passed over. A tag that is moved is noticed within six hours.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub struct NewestBuildStrategy {}

/// Byte order.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlphabeticalStrategy {
    /// `Ascending` chooses the last tag, `Descending` the first. Default `Ascending`.
    #[serde(default)]
    pub order: SortOrder,
}

/// Order of numbers.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NumericalStrategy {
    /// `Ascending` chooses the highest number, `Descending` the lowest. Default `Ascending`.
    #[serde(default)]
    pub order: SortOrder,
}

/// One tag that is moved.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DigestStrategy {
    /// The tag whose digest is followed. Example: `latest`.
    #[schemars(length(min = 1, max = 128))]
    pub tag: String,
}

/// The order in which the last one wins.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum SortOrder {
    /// The highest wins.
    #[default]
    Ascending,
    /// The lowest wins.
    Descending,
}

/// Whether digests are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum DigestPolicy {
    /// No digest is written.
    #[default]
    Never,
    /// The digest is resolved once per selected tag and then kept.
    IfNotPresent,
    /// The digest is looked up every time, so that a tag that was moved is followed.
    Always,
}

/// Which tags are considered.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagRules {
    /// A regular expression (RE2, found anywhere in a tag) that a tag must match. Unset: all.
    /// Example: `^v?\d+\.\d+\.\d+$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub allow: Option<String>,

    /// Globs (`*`, `?`, `[a-z]`, `[^a]`) or `regexp:<regular expression>`; a tag that matches one
    /// is ignored. Default: none. Example: `["*-rc*"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub ignore: Vec<String>,

    /// Takes a part of the tag for the strategy to order by. Unset: the whole tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<TagExtract>,
}

/// The part of a tag that a strategy orders by.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagExtract {
    /// A regular expression with groups; tags that it does not match are dropped.
    /// Example: `^main-[0-9a-f]+-(?P<ts>\d+)$`.
    #[schemars(length(min = 1, max = 512))]
    pub pattern: String,

    /// What to order by, made of the groups. Examples: `$ts`, `${1}.${2}`.
    #[schemars(length(min = 1, max = 512))]
    pub value: String,
}

/// How an image stands in a kustomization.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizeImage {
    /// The `name` of its entry in `images`, which is its name in the manifests. Where that is
    /// another image, `newName` is written too. Example: `podinfo`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
}

/// How an image stands in Helm values: as `tag`, perhaps with `name`, or as `spec`.
///
/// Keys are joined by dots; a dot inside a key is written `\\.`, an index of a list `[0]`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.tag) != has(self.spec)").message("set exactly one of tag (the image's tag alone) and spec (the whole reference)"))]
#[x_kube(validation = Rule::new("!has(self.name) || has(self.tag)").message("name goes with tag; spec holds the name already"))]
#[serde(rename_all = "camelCase")]
pub struct HelmImage {
    /// The key of the repository. It is written only where another repository stands there.
    /// Unset: never. Example: `image.repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub name: Option<String>,

    /// The key of the tag, with the digest behind it where one is written. It is made if it is
    /// missing. Example: `image.tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub tag: Option<String>,

    /// The key of the whole reference, `repository:tag[@digest]`. Example: `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub spec: Option<String>,
}

/// How an image stands in a plugin's environment: as `tag`, perhaps with `name`, or as `spec`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.tag) != has(self.spec)").message("set exactly one of tag (the image's tag alone) and spec (the whole reference)"))]
#[x_kube(validation = Rule::new("!has(self.name) || has(self.tag)").message("name goes with tag; spec holds the name already"))]
#[serde(rename_all = "camelCase")]
pub struct PluginImage {
    /// The variable of the repository. Unset: none. Example: `IMAGE_NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// The variable of the tag, with the digest behind it where one is written. Example:
    /// `IMAGE_TAG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tag: Option<String>,

    /// The variable of the whole reference, `repository:tag[@digest]`. Example: `IMAGE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub spec: Option<String>,
}

impl ImageUpdatePolicy {
    /// Whether an image of the policy takes its tags from the ImageWatch `name` of `namespace`.
    pub fn refers_to(&self, namespace: &str, name: &str) -> bool {
        self.watches().any(|watch| watch == (namespace, name))
    }

    /// The watches that it refers to, by namespace and name.
    pub fn watches(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.metadata.namespace.as_deref().unwrap_or_default();
        let references = self.spec.images.iter();
        references
            .filter_map(|image| image.watch_ref.as_ref())
            .map(move |watch| (watch.namespace.as_deref().unwrap_or(own), &*watch.name))
    }
}

pub(in crate::api) fn default_interval() -> String {
    "5m".to_owned()
}

fn default_constraint() -> String {
    "*".to_owned()
}
