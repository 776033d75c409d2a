//! Looks at a policy once, for a person: what the operator would do, and why.

use image_update_core::policy::Decision;

use super::{Attempt, Outcome, Write, report, run};
use super::{report::Report, settled::Settled};
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageUpdatePolicyStatus, annotations};
use crate::controller::context::Context;
use crate::controller::error::Error;

/// How a policy was found.
pub(in crate::controller) struct Looked {
    /// The status that the operator would write.
    pub(in crate::controller) status: ImageUpdatePolicyStatus,
    /// What was decided for each image, in each place.
    pub(in crate::controller) decisions: Vec<Decided>,
    /// Everything that went wrong, the gravest first.
    pub(in crate::controller) errors: Vec<String>,
    /// Whether the policy itself can't be carried out, whatever the world is like.
    pub(in crate::controller) is_invalid: bool,
}

/// What was decided for one image in one place.
pub struct Decided {
    /// The image.
    pub alias: String,
    /// The remote, or the Application itself.
    pub place: String,
    /// The Application whose place it is, as `namespace/name`.
    pub application: Option<String>,
    /// What stands there.
    pub current: Option<String>,
    /// Which tag is wanted, and why every other one is not.
    pub decision: Decision,
    /// The tags that a look at their images holds back, each with the reason.
    pub withheld: Vec<(String, String)>,
}

/// Looks at `policy`; a suspended one is looked at only if `wakes` says so.
pub(in crate::controller) async fn look_once(
    policy: &ImageUpdatePolicy,
    wakes: bool,
    context: &Context,
) -> Looked {
    let now = context.clock.now();
    let settled = Settled::before(policy, policy.status.as_ref());
    let is_suspended = annotations::is_suspended(&policy.metadata, policy.spec.suspend);
    let outcome = if is_suspended && !wakes {
        Ok(Outcome::Suspended)
    } else {
        run(policy, settled.clone(), context, now).await
    };
    let previous = policy.status.as_ref();
    let report = Report::new(policy, previous, &settled, &outcome, 0, context.clock.now());
    let decisions = match &outcome {
        Ok(Outcome::Decided(attempt)) => decisions(attempt),
        Ok(Outcome::Suspended) | Err(_) => Vec::new(),
    };
    Looked {
        status: report.status,
        decisions,
        errors: report::errors(&outcome).map(Error::chain).collect(),
        is_invalid: matches!(outcome, Err(Error::InvalidSpec(_))),
    }
}

fn decisions(attempt: &Attempt) -> Vec<Decided> {
    let of_write = |write: &Write| {
        let place = match &write.remote {
            Some(remote) => remote.to_string(),
            None => write.applications.join(", "),
        };
        let placements = write.plan.iter().flat_map(|plan| &plan.placements);
        let decided = placements.filter_map(move |placement| {
            let withheld = placement.withheld.iter();
            Some(Decided {
                alias: placement.alias.clone(),
                place: place.clone(),
                application: placement.application.clone(),
                current: placement.current.clone(),
                decision: placement.decision.clone()?,
                withheld: withheld
                    .map(|it| (it.tag.to_string(), it.refusal.to_string()))
                    .collect(),
            })
        });
        decided.collect::<Vec<_>>()
    };
    attempt.writes.iter().flat_map(of_write).collect()
}
