//! The kind `ImageWatch`: one registry repository to look at.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{LocalObjectReference, NamespaceSelector, SecretKeyReference};
use super::status::ImageWatchStatus;

/// One repository of a registry whose tags are listed at an interval.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[kube(
    group = "image-update.dev",
    version = "v1alpha1",
    kind = "ImageWatch",
    plural = "imagewatches",
    namespaced,
    status = "ImageWatchStatus",
    shortname = "iw",
    category = "image-update",
    derive = "PartialEq",
    doc = "Looks at one repository of a container registry and keeps the list of its tags for the policies that refer to it.",
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image"),
    printcolumn(
        name = "Latest",
        type_ = "string",
        json_path = ".status.summary.latest"
    ),
    printcolumn(name = "Tags", type_ = "integer", json_path = ".status.lastScan.tags"),
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
        name = "Last Scan",
        type_ = "date",
        json_path = ".status.lastScan.time"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(validation = Rule::new("!(has(self.secretRef) && has(self.serviceAccountName))").message("set secretRef or serviceAccountName, not both: each says as whom the registry is asked"))]
#[serde(rename_all = "camelCase")]
pub struct ImageWatchSpec {
    /// The repository, without a tag and without a scheme. Names of Docker Hub may be short:
    /// `nginx` is `docker.io/library/nginx`. Example: `ghcr.io/stefanprodan/podinfo`.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("!self.contains('://')").message("image is a repository without a scheme: write ghcr.io/org/app, not https://ghcr.io/org/app"))]
    #[x_kube(validation = Rule::new("!self.contains('@')").message("image is a repository without a digest: remove the part from @ on"))]
    #[x_kube(validation = Rule::new("!self.matches('/[^/]*:[^/]*$') && !self.matches('^[^/]*:[^/]*$')").message("image is a repository without a tag: remove the part from : on; which tag runs is what an ImageUpdatePolicy chooses"))]
    pub image: String,

    /// How often the tags are listed. Default `2m`, at least `10s`; up to a tenth is added, so
    /// that many watches spread out. Example: `5m`.
    #[serde(default = "default_interval")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s')").message("interval is at least 10s, so that registries are not asked too often"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('168h')").message("interval is at most 168h; suspend the watch if it is not to be scanned"))]
    pub interval: String,

    /// How long one scan may take, all pages together. Default `30s`, from `1s` to `10m`.
    #[serde(default = "default_timeout")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('10m')").message("timeout is between 1s and 10m"))]
    pub timeout: String,

    /// A Secret of this namespace with the registry's credential: type
    /// `kubernetes.io/dockerconfigjson`, or keys `username` and `password`, or one `key` that
    /// holds `user:password`. Unset: anonymous, unless `serviceAccountName` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyReference>,

    /// A ServiceAccount of this namespace whose `imagePullSecrets` are used. Unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,

    /// A Secret of this namespace with `ca.crt` (added to the system's roots), and `tls.crt`
    /// with `tls.key` for mutual TLS. Unset: the system's roots alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,

    /// Allows plain HTTP and certificates that nobody vouches for. Default `false`. Whoever sits
    /// between the operator and the registry can then read the credential and change the answer.
    #[serde(default)]
    pub insecure: bool,

    /// Regular expressions (RE2, found anywhere in a tag); tags that match one are left out of
    /// the list. Default: the tags under which cosign stores signatures, attestations and SBOMs.
    #[serde(default = "default_exclude_tags")]
    #[schemars(length(max = 25), inner(length(min = 1, max = 512)))]
    pub exclude_tags: Vec<String>,

    /// Which other namespaces may refer to this watch. Unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,

    /// Stops scanning while `true`. Policies go on with the last tag list until the operator starts
    /// anew, since it is kept in memory. Default `false`.
    #[serde(default)]
    pub suspend: bool,
}

impl ImageWatchSpec {
    /// A watch of a repository, with every default.
    pub fn new(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            interval: default_interval(),
            timeout: default_timeout(),
            secret_ref: None,
            service_account_name: None,
            cert_secret_ref: None,
            insecure: false,
            exclude_tags: default_exclude_tags(),
            access_from: None,
            suspend: false,
        }
    }
}

/// Who else may refer to an ImageWatch.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessFrom {
    /// Namespaces that match one of these may refer to the watch. Empty: none.
    #[schemars(length(max = 16))]
    pub namespace_selectors: Vec<NamespaceSelector>,
}

fn default_interval() -> String {
    "2m".to_owned()
}

fn default_timeout() -> String {
    "30s".to_owned()
}

/// cosign's tag scheme `sha256-<hex>.sig|.att|.sbom`:
/// <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>
/// The default of `excludeTags`: what cosign stores beside images.
pub(in crate::api) fn default_exclude_tags() -> Vec<String> {
    vec![r"\.(sig|att|sbom)$".to_owned()]
}
