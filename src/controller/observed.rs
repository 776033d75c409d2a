//! What the objects say at the time of a scrape, and whether the operator is ready.
//!
//! Counted anew each time from the stores, which have the statuses as the API server has them: so
//! the numbers of two operators agree, and none is left behind by an object that is gone.

use std::sync::Arc;
use std::time::Duration;

use image_update_core::causes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DeserializeGuard;
use serde_json::{Value, json};
use tracing::error;

use super::context::Context;
use crate::api::v1alpha1::{ImageState, Reason};
use crate::metrics::Inventory;
use crate::server::Pages;
use crate::telemetry::LogLevel;

/// The pages about a running operator.
pub(super) struct Observed {
    context: Arc<Context>,
    log_level: LogLevel,
}

impl Observed {
    /// About the operator of this context, which logs to this level.
    pub(super) fn new(context: Arc<Context>, log_level: LogLevel) -> Self {
        Self { context, log_level }
    }
}

impl Pages for Observed {
    fn metrics(&self) -> String {
        self.context.metrics.text(&inventory(&self.context))
    }

    fn ready(&self) -> Result<&'static str, &'static str> {
        let context = &self.context;
        if context.stop.is_cancelled() {
            return Err("stopping: writes that are under way end\n");
        }
        if !context.watches_are_known.is_cancelled() || !context.policies_are_known.is_cancelled() {
            return Err("starting: the objects are not all known yet\n");
        }
        if context.leads.is_cancelled() {
            Ok("ok\n")
        } else {
            Ok("ok: standing by, another replica leads\n")
        }
    }

    fn state(&self) -> String {
        let context = &self.context;
        let queues = context.remotes.queues();
        let queues = queues.iter().map(|queue| {
            json!({
                "remote": queue.remote,
                "branch": queue.branch,
                "waitingJobs": queue.waiting,
            })
        });
        let registries = context.registry.hosts();
        let registries = registries.iter().map(|host| {
            json!({
                "host": host.host,
                "underWay": host.under_way,
                "waiting": host.waiting,
                "nextRequestInMilliseconds": millis(host.next_in),
                "leftAloneForMilliseconds": millis(host.rests_for),
                "credentialsThatRest": host.resting,
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "leads": context.leads.is_cancelled(),
            "stopping": context.stop.is_cancelled(),
            "shard": context.shards.own(),
            "ownPolicies": context.shards.policies(context),
            "leases": leases(context),
            "watches": context.watches.state().len(),
            "watchesWithTags": context.tags.len(),
            "policies": context.policies.state().len(),
            "applications": context.applications.all().len(),
            "sharedScans": context.scans.len(),
            "gitRemotes": context.remotes.len(),
            "gitQueues": queues.collect::<Vec<_>>(),
            "registries": registries.collect::<Vec<_>>(),
            "freeConcurrency": context.permits.available_permits(),
            "freeWatchConcurrency": context.watch_permits.available_permits(),
            "notifications": context.notifications.len(),
        })
        .to_string()
    }

    fn log_level(&self) -> String {
        self.log_level.get()
    }

    fn set_log_level(&self, directives: &str) -> Result<(), String> {
        let set = self.log_level.set(directives);
        set.map_err(|error| causes::in_one_line(&error))?;
        // At the level of what is never left out.
        error!(directives, "What is logged was changed");
        Ok(())
    }
}

/// Each Lease with who holds it, and how long ago this replica renewed it if that is the one.
fn leases(context: &Context) -> Vec<Value> {
    let holders = context.holders.get();
    let holders = holders.map(|it| it.borrow().clone()).unwrap_or_default();
    let shown = holders.into_iter().map(|(lease, holder)| {
        let age = holder.renewed.map(|renewed| millis(renewed.elapsed()));
        json!({
            "name": lease,
            "holder": holder.identity,
            "renewedMillisecondsAgo": age,
        })
    });
    shown.collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn inventory(context: &Context) -> Inventory {
    let mut inventory = Inventory {
        // There even without objects: an alert is silent then because nothing is stalled.
        stalled: [("ImageWatch", 0), ("ImageUpdatePolicy", 0)].into(),
        ..Inventory::default()
    };
    for watch in context.watches.state() {
        let DeserializeGuard(Ok(watch)) = &*watch else {
            undecodable("ImageWatch", &mut inventory);
            continue;
        };
        let status = watch.status.as_ref();
        note(
            "ImageWatch",
            status.map(|it| it.conditions.as_slice()),
            &mut inventory,
        );
        let scan = status.and_then(|status| status.last_scan.as_ref());
        inventory.tags += scan.map_or(0, |scan| i64::from(scan.tags));
    }
    for policy in context.policies.state() {
        let DeserializeGuard(Ok(policy)) = &*policy else {
            undecodable("ImageUpdatePolicy", &mut inventory);
            continue;
        };
        let status = policy.status.as_ref();
        note(
            "ImageUpdatePolicy",
            status.map(|it| it.conditions.as_slice()),
            &mut inventory,
        );
        let Some(status) = status else {
            continue;
        };
        for image in &status.images {
            *inventory.images.entry(state(image.state)).or_default() += 1;
        }
        let applications = status.applications.as_ref();
        inventory.applications += applications.map_or(0, |counts| i64::from(counts.matched));
    }
    inventory
}

/// Counts an object by its condition `Ready`, which is `Unknown` before the first one, and by whether
/// it is stalled.
fn note(kind: &'static str, conditions: Option<&[Condition]>, inventory: &mut Inventory) {
    let conditions = conditions.unwrap_or_default();
    let ready = conditions.iter().find(|it| it.type_ == "Ready");
    let is_stalled = |it: &Condition| it.type_ == "Stalled" && it.status == "True";
    if conditions.iter().any(is_stalled) {
        *inventory.stalled.entry(kind).or_default() += 1;
    }
    let (status, reason) = match ready {
        Some(ready) => (status(&ready.status), reason(&ready.reason)),
        None => ("Unknown", Reason::Progressing.as_str()),
    };
    *inventory.objects.entry((kind, status, reason)).or_default() += 1;
}

/// An object that can't be read; what its status says can't be either.
fn undecodable(kind: &'static str, inventory: &mut Inventory) {
    let label = (kind, "False", Reason::Undecodable.as_str());
    *inventory.objects.entry(label).or_default() += 1;
    *inventory.stalled.entry(kind).or_default() += 1;
}

/// Whoever may write statuses could write any text.
fn status(text: &str) -> &'static str {
    match text {
        "True" => "True",
        "False" => "False",
        _ => "Unknown",
    }
}

fn reason(text: &str) -> &'static str {
    let known = serde_json::from_value::<Reason>(text.into());
    known.map_or("Unknown", Reason::as_str)
}

fn state(state: ImageState) -> &'static str {
    match state {
        ImageState::UpToDate => "UpToDate",
        ImageState::Pending => "Pending",
        ImageState::Held => "Held",
        ImageState::Failed => "Failed",
        ImageState::NotLive => "NotLive",
        ImageState::NoCandidate => "NoCandidate",
        ImageState::Suspended => "Suspended",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[track_caller]
    fn check(condition: Option<(&str, &str, &str)>, expected: (&'static str, &'static str)) {
        let condition = condition.map(|(type_, status, reason)| Condition {
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            message: String::new(),
            observed_generation: None,
            reason: reason.to_owned(),
            status: status.to_owned(),
            type_: type_.to_owned(),
        });
        let mut inventory = Inventory::default();
        note("ImageWatch", Some(condition.as_slice()), &mut inventory);
        let (status, reason) = expected;
        assert_eq!(
            inventory.objects.into_iter().collect::<Vec<_>>(),
            [(("ImageWatch", status, reason), 1)]
        );
        let is_stalled = condition.is_some_and(|it| it.type_ == "Stalled");
        assert_eq!(inventory.stalled.contains_key("ImageWatch"), is_stalled);
    }

    #[test]
    fn objects_are_counted_by_words_of_ours() {
        check(Some(("Ready", "True", "Succeeded")), ("True", "Succeeded"));
        check(
            Some(("Ready", "False", "RegistryRateLimited")),
            ("False", "RegistryRateLimited"),
        );
        check(
            Some(("Ready", "maybe", "SomebodyElses")),
            ("Unknown", "Unknown"),
        );
        check(
            Some(("Stalled", "True", "InvalidSpec")),
            ("Unknown", "Progressing"),
        );
        check(None, ("Unknown", "Progressing"));
    }
}
