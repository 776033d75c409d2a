//! Objects that the API server has and this program can't read: said on the object itself.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::ObjectMeta;
use kube::runtime::controller::Action;
use tracing::warn;

use super::conditions::{self, Health, Verdict};
use super::status::{ReportError, Status, StatusWriter};
use crate::api::v1alpha1::{ImageUpdatePolicyStatus, ImageWatchStatus, Reason};

/// A status that can hold nothing but conditions.
pub(super) trait ConditionsOnly: Status + Default {
    /// The conditions of a status.
    fn conditions(&self) -> &[Condition];

    /// A status of these conditions alone.
    fn of(generation: Option<i64>, conditions: Vec<Condition>) -> Self;
}

impl ConditionsOnly for ImageWatchStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn of(observed_generation: Option<i64>, conditions: Vec<Condition>) -> Self {
        Self {
            observed_generation,
            conditions,
            ..Self::default()
        }
    }
}

impl ConditionsOnly for ImageUpdatePolicyStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn of(observed_generation: Option<i64>, conditions: Vec<Condition>) -> Self {
        Self {
            observed_generation,
            conditions,
            ..Self::default()
        }
    }
}

/// How long until an object is looked at again: if its status was at fault, it can be read once that
/// is overwritten, and a change of a status wakes nobody. A look that finds nothing new costs nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Says on the object `meta` that it can't be read.
pub(super) async fn report<S: ConditionsOnly>(
    statuses: &StatusWriter<S>,
    meta: &ObjectMeta,
    error: &str,
    now: Timestamp,
) -> Result<Action, ReportError> {
    let previous = statuses.last_written(meta);
    let verdict = Verdict {
        health: Health::Stalled,
        reason: Reason::Undecodable,
        message: format!("the object can't be read: {error}"),
    };
    let before = previous
        .as_ref()
        .map_or(&[][..], |status| status.conditions());
    let conditions = conditions::merge(before, &verdict, meta.generation, now);
    let status = S::of(meta.generation, conditions);
    if previous.as_ref() != Some(&status) {
        warn!(error, "The object can't be read");
    }
    statuses.write(meta, previous.as_ref(), &status).await?;
    Ok(Action::requeue(LOOK_AGAIN))
}
