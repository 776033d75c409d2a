//! Whether the predecessor runs in the same cluster. While it does, nothing new is converted, unless
//! the operator was told to: two programs that write the same field take turns.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::ListParams;
use kube::core::{NamespaceResourceScope, Resource};
use kube::runtime::events::EventType;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::api::v1alpha1::Reason;
use crate::controller::context::Context;
use crate::controller::events::{self, Notice};
use crate::controller::scope;
use crate::request_error;

/// The Lease by which replicas of the predecessor agree on a leader:
/// <https://github.com/argoproj-labs/argocd-image-updater/blob/master/cmd/run.go>
const LEASE: &str = "c21b75f2.argoproj.io";

/// The label of the predecessor's Deployment.
const LABEL: &str = "app.kubernetes.io/name=argocd-image-updater";

/// A leader renews its Lease every few seconds; one that has not for so long is gone.
const RENEWED: SignedDuration = SignedDuration::from_secs(60);

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(20);

/// Whether Applications may be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not known yet.
    Unknown,
    /// The predecessor runs.
    Held,
    /// It does not, or that does not matter.
    Free,
}

/// Looks for the predecessor again and again, and says what it finds in `Legacy::standing`.
pub(super) async fn follow(context: &Context) {
    let legacy = &context.legacy;
    if !legacy.defers {
        legacy.set_standing(Standing::Free);
        return;
    }
    loop {
        match find(context).await {
            Ok(Some(found)) => {
                if legacy.set_standing(Standing::Held) != Standing::Held {
                    tell(context, &found).await;
                }
            }
            Ok(None) => {
                if legacy.set_standing(Standing::Free) == Standing::Held {
                    info!("argocd-image-updater is gone: converting annotations");
                }
            }
            Err(error) => {
                warn!(
                    error = %request_error::words(&error),
                    "Could not find out whether argocd-image-updater runs"
                );
                // Without the right to look it would never be known. Otherwise what was known
                // holds, and the next look tells.
                if is_forbidden(&error) {
                    legacy.set_standing(Standing::Free);
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(answer) if answer.code == 403)
}

/// A sign of the predecessor.
async fn find(context: &Context) -> Result<Option<ObjectReference>, kube::Error> {
    let now = context.clock.now();
    let leases = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    for lease in list::<Lease>(context, &leases).await? {
        if is_renewed(&lease, now) {
            return Ok(Some(lease.object_ref(&())));
        }
    }
    let deployments = ListParams::default().labels(LABEL);
    let deployments = list::<Deployment>(context, &deployments).await?;
    let ready = deployments.into_iter().find(|deployment| {
        let status = deployment.status.as_ref();
        status.and_then(|it| it.ready_replicas).unwrap_or_default() > 0
    });
    Ok(ready.map(|deployment| deployment.object_ref(&())))
}

/// Those of the namespaces that are looked at: an operator of some has no rights elsewhere.
async fn list<K>(context: &Context, parameters: &ListParams) -> Result<Vec<K>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let mut found = Vec::new();
    for api in scope::apis::<K>(&context.kube, &context.legacy.watched) {
        found.extend(api.list(parameters).await?.items);
    }
    Ok(found)
}

fn is_renewed(lease: &Lease, now: Timestamp) -> bool {
    let Some(spec) = &lease.spec else {
        return false;
    };
    // A leader that stops gives its Lease up by taking its name out.
    let is_held = spec
        .holder_identity
        .as_ref()
        .is_some_and(|it| !it.is_empty());
    let renewed = spec.renew_time.as_ref();
    is_held && renewed.is_some_and(|time| now.duration_since(time.0) < RENEWED)
}

async fn tell(context: &Context, found: &ObjectReference) {
    let kind = found.kind.as_deref().unwrap_or_default();
    let namespace = found.namespace.as_deref().unwrap_or_default();
    let name = found.name.as_deref().unwrap_or_default();
    let note = format!(
        "argocd-image-updater runs ({kind} {namespace}/{name}): annotations of Applications are not \
         converted until it stops. Scale it to 0, or start the operator with \
         --convert-beside-old-updater"
    );
    warn!("{note}");
    let notice = Notice {
        type_: EventType::Warning,
        reason: Reason::OldUpdaterRunning,
        action: "Convert",
        note,
    };
    let now = context.clock.now();
    events::publish(&context.kube, found, vec![notice], now).await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(holder: &str, renewed: &str, expected: bool) {
        let lease = json!({"spec": {"holderIdentity": holder, "renewTime": renewed}});
        let lease = serde_json::from_value(lease).expect("the row is a Lease");
        let now = "2026-01-01T00:01:00Z".parse().expect("it is a time");
        assert_eq!(is_renewed(&lease, now), expected, "{holder} {renewed}");
    }

    #[test]
    fn a_lease_counts_while_somebody_holds_and_renews_it() {
        check("pod", "2026-01-01T00:00:50.000000Z", true);
        check("pod", "2026-01-01T00:00:00.000001Z", true);
        check("pod", "2026-01-01T00:00:00.000000Z", false);
        check("", "2026-01-01T00:00:50.000000Z", false);
        // Clocks differ.
        check("pod", "2026-01-01T00:01:05.000000Z", true);
    }
}
