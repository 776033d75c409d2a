//! Types that both kinds use.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function"
)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Kubernetes object of the same namespace.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalObjectReference {
    /// Name of the object, in the namespace of this one. Example: `git-credentials`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A Secret of the same namespace, and optionally the one key of it that is meant.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret, in the namespace of this object. Example: `regcred`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key that holds `user:password`. Unset: the Secret is of type
    /// `kubernetes.io/dockerconfigjson`, or has the keys `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// Selects namespaces by their labels.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, all of them. Empty: every namespace.
    /// Example: `{team: a}`.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.size() <= 16").message("at most 16 labels may be named in one selector"))]
    #[schemars(extend("maxProperties" = 16))]
    pub match_labels: BTreeMap<String, String>,
}
