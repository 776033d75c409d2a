//! Who is told what happens to a policy.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LocalObjectReference;

/// An address that is told of what happens to the policy.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSpec {
    /// A Secret with the key `address`, the URL that it is sent to, and perhaps `token` (sent as a
    /// bearer token), `headers` (a YAML mapping) and `ca.crt`.
    pub secret_ref: LocalObjectReference,

    /// What is sent. Default `Generic`.
    #[serde(default)]
    pub format: NotificationFormat,

    /// What is told. Default: all of it.
    #[serde(default = "all_events")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub events: Vec<NotificationEvent>,
}

/// How a notification is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum NotificationFormat {
    /// JSON with everything there is.
    #[default]
    Generic,
    /// The text that Slack and Mattermost take at an incoming webhook.
    Slack,
    /// A CloudEvent 1.0 in structured mode, with the JSON of `Generic` as its data.
    CloudEvents,
}

/// What happens to a policy.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum NotificationEvent {
    /// A commit was pushed, or an Application was patched.
    Updated,
    /// An image would be written, but something says no.
    Held,
    /// Something could not be decided or written.
    Failed,
}

fn all_events() -> Vec<NotificationEvent> {
    vec![
        NotificationEvent::Updated,
        NotificationEvent::Held,
        NotificationEvent::Failed,
    ]
}
