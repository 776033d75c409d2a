//! Reconciles [`ImageUpdatePolicy`]: gather → decide → apply → report.
//!
//! Every path ends in exactly one status write, so the object itself says why something happened
//! or did not. Only a failure to *report* leaves through the error policy.

mod apply;
mod conflict;
mod gather;
mod images;
mod lookups;
mod report;
mod settled;

use std::sync::Arc;

use image_update_core::plan::Plan;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use tracing::{info, instrument, warn};

use super::context::{Context, GuardedPolicy};
use super::error::Error;
use super::status::{ReportError, names};
use super::undecodable;
use crate::api::v1alpha1::Granularity;
use crate::api::v1alpha1::{ImageUpdatePolicy, REQUESTED_AT_ANNOTATION};
use crate::api::validate::{self, PolicyModel};
use crate::git::update::Signature;
use crate::write_back::job::{CommitStyle, Outcome as Written};
use gather::Gathered;
use report::Report;
use settled::Settled;

/// How one reconciliation of a policy ended, when its spec could be read.
enum Outcome {
    /// The spec says `suspend`.
    Suspended,
    /// The images were decided, each for itself, and written as far as that went.
    Decided(Box<Attempt>),
}

/// What was decided, and how writing it went.
struct Attempt {
    /// The spec.
    model: Arc<PolicyModel>,
    /// One entry per image, in the order of the spec.
    images: Arc<Vec<Gathered>>,
    /// What should stand in the targets; `None` if they could not be read.
    plan: Option<Plan>,
    /// Digests and images that could not be looked up, by alias.
    lookup_errors: Vec<(String, Error)>,
    /// What came of the write, if it came to one; why not, if that failed.
    written: Result<Option<Written>, Error>,
}

/// Compares what should run with what the target says, and writes the difference.
#[instrument(skip_all, fields(object.kind = "ImageUpdatePolicy", object.namespace = names(kube::Resource::meta(&*object)).0, object.name = names(kube::Resource::meta(&*object)).1))]
pub(super) async fn reconcile(
    object: Arc<GuardedPolicy>,
    context: Arc<Context>,
) -> Result<Action, ReportError> {
    context.stores_are_filled().await;
    let now = context.clock.now();
    let policy = match &object.0 {
        Ok(policy) => policy,
        Err(invalid) => {
            return undecodable::report(
                &context.policy_statuses,
                &invalid.metadata,
                &invalid.error,
                now,
            )
            .await;
        }
    };
    let previous = context
        .policy_statuses
        .latest(&policy.metadata, policy.status.as_ref());
    let settled = Settled::before(policy, previous.as_ref());
    let outcome = if policy.spec.suspend {
        Ok(Outcome::Suspended)
    } else {
        run(policy, settled.clone(), &context, now).await
    };
    let failures = context
        .backoff
        .record(&policy.metadata, !report::is_failure(&outcome));
    let report = Report::new(
        policy,
        previous.as_ref(),
        &settled,
        &outcome,
        failures,
        context.clock.now(),
    );
    log(&outcome, &report);

    context
        .policy_statuses
        .write(&policy.metadata, previous.as_ref(), &report.status)
        .await?;
    super::events::publish(&context.recorder, policy, report.notices).await;
    Ok(report.action)
}

/// The fallible part. Owns no status, no events, no requeue.
async fn run(
    policy: &ImageUpdatePolicy,
    settled: Settled,
    context: &Context,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let model = validate::image_update_policy(&policy.spec).map_err(Error::InvalidSpec)?;
    if !context
        .allowed_hosts
        .allows(model.git.url.host(), model.git.url.port())
    {
        return Err(Error::HostNotAllowed {
            host: model.git.url.host().to_owned(),
        });
    }
    conflict::check(policy, &context.policies.state())?;

    let permit = context.permit().await;
    let images = gather::images(policy, &model, context).await;
    if images.iter().all(|image| image.tags.is_err()) {
        let attempt = Attempt {
            model: Arc::new(model),
            images: Arc::new(images),
            plan: None,
            lookup_errors: Vec::new(),
            written: Ok(None),
        };
        return Ok(Outcome::Decided(Box::new(attempt)));
    }
    let options = gather::remote_options(policy, &model, context).await?;
    let style = commit_style(policy, &model, context, now).await?;
    drop(permit);
    let attempt = apply::apply(policy, model, images, settled, &options, &style, context).await;
    Ok(Outcome::Decided(Box::new(attempt)))
}

async fn commit_style(
    policy: &ImageUpdatePolicy,
    model: &PolicyModel,
    context: &Context,
    now: Timestamp,
) -> Result<CommitStyle, Error> {
    let commit = &model.git.commit;
    let author = Signature::new(&commit.author.name, &commit.author.email, now)
        .map_err(Error::InvalidAuthor)?;
    Ok(CommitStyle {
        message: commit.message.clone(),
        author,
        sign_off: commit.sign_off,
        signing: gather::signing_key(policy, model, context, now).await?,
        is_shared: commit.granularity == Granularity::Batch,
    })
}

fn requested_at(policy: &ImageUpdatePolicy) -> Option<&String> {
    policy
        .metadata
        .annotations
        .as_ref()?
        .get(REQUESTED_AT_ANNOTATION)
}

fn log(outcome: &Result<Outcome, Error>, report: &Report) {
    if let Ok(Outcome::Decided(attempt)) = outcome
        && let Ok(Some(Written::Written {
            commit_id,
            branch,
            attempts,
        })) = &attempt.written
    {
        info!(
            git.remote = %attempt.model.git.url,
            git.branch = %branch,
            commit.id = %commit_id,
            attempts,
            "Pushed a commit"
        );
    }
    if report.is_news && !report.is_ready {
        warn!(
            reason = report.reason.as_str(),
            ready.message = report.message,
            "The policy is not ready"
        );
    }
}
