//! Which Argo CD Applications a policy selects, and which of their sources.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function"
)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Selects Applications.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.name) || has(self.selector)").message("set name (a glob), selector (labels), or both; name '*' selects all"))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSelector {
    /// A glob of namespaces. Unset: this policy's own. Only a policy in Argo CD's namespace may name
    /// others, and only those that the operator was started for (`--application-namespaces`).
    /// Example: `team-*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// A glob of names. Unset: all that `selector` selects. Example: `shop-*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Labels that an Application must have. Unset: all that `name` selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,

    /// Which source of a multi-source Application. Unset: the one of the type that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceReference>,
}

/// Labels, all of which an object must have.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// The labels. Example: `{team: a}`.
    #[schemars(extend("maxProperties" = 16))]
    pub match_labels: BTreeMap<String, String>,
}

/// A source of a multi-source Application: exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.name), has(self.index), has(self.ref)].filter(set, set).size() == 1").message("set exactly one of name, index and ref"))]
#[serde(rename_all = "camelCase")]
pub struct SourceReference {
    /// The source's `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Its place in `spec.sources`, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 99))]
    pub index: Option<u32>,

    /// The source's `ref`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub reference: Option<String>,
}
