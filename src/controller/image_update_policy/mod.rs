//! Reconciles [`ImageUpdatePolicy`]: gather → decide → apply → report.
//!
//! Every path ends in exactly one status write, so the object itself says why something happened
//! or did not. Only a failure to *report* leaves through the error policy.
//!
//! What goes on before or after the write is boxed where it is large, as in [`apply`].

mod all_well;
mod application_events;
mod applications;
mod apply;
mod conflict;
mod destinations;
mod gather;
mod git_access;
mod images;
mod inputs;
mod lookups;
mod measure;
mod news;
mod old_event;
mod once;
mod past;
mod report;
mod secret_scope;
mod settled;
mod unnamed_branch;
mod untold;

use std::sync::{Arc, OnceLock};

use gix::ObjectId;
use image_update_core::plan::Plan;
use image_update_core::remote::{BranchName, RemoteUrl};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info, info_span, warn};

use super::applications::Known;
use super::conditions::Health;
use super::context::{Context, GuardedPolicy, key};
use super::error::Error;
use super::status::ReportError;
use super::undecodable;
use crate::api::v1alpha1::{Granularity, ImageUpdatePolicy, annotations};
use crate::api::validate::{self, GitModel, PolicyModel, Reach};
use crate::git::update::Signature;
use crate::write_back::job::CommitStyle;
pub(super) use destinations::targets;
use gather::Gathered;
use lookups::Lookups;
pub use once::Decided;
pub(super) use once::{Looked, look_once};
use report::Report;
use settled::Settled;
pub(super) use untold::Untold;
use untold::{Kept, Tidings};

/// What is reconciled, as metrics have it.
const KIND: &str = "ImageUpdatePolicy";

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
    /// One entry per destination.
    writes: Vec<Write>,
    /// Digests and images that could not be looked up, by alias.
    lookup_errors: Vec<(String, Arc<Error>)>,
    /// Applications that can't be written, as `namespace/name`, and why.
    refused: Vec<(String, Error)>,
    /// Applications that were not looked at because the tags of no image are known.
    skipped: Vec<String>,
    /// How many Applications are selected; `None` for a policy that writes git directly.
    matched: Option<usize>,
}

/// How one destination was decided and written.
struct Write {
    /// The remote; `None` for an Application.
    remote: Option<RemoteUrl>,
    /// The Applications whose files are there, as `namespace/name`.
    applications: Vec<String>,
    /// What should stand there; `None` if it could not be read.
    plan: Option<Plan>,
    /// What was written; why not, if that failed.
    written: Result<Written, Error>,
}

/// A commit on a branch.
struct Commit {
    /// The branch.
    branch: BranchName,
    /// The commit's id.
    id: ObjectId,
}

/// What was written.
enum Written {
    /// Nothing had to be, or may be.
    Nothing {
        /// What was read, if it was decided by a branch.
        read: Option<Commit>,
    },
    /// Nothing, because it is a rehearsal.
    Rehearsed,
    /// A commit.
    Pushed {
        /// The commit.
        commit: Commit,
        /// How many times the push was tried.
        attempts: u32,
    },
    /// An Application.
    Patched {
        /// `namespace/name`.
        application: String,
    },
}

/// Compares what should run with what the target says, and writes the difference.
///
/// It goes on with the trace of the scan that asked for it.
pub(super) async fn reconcile(
    object: Arc<GuardedPolicy>,
    context: Arc<Context>,
) -> Result<Action, ReportError> {
    let key = key(kube::Resource::meta(&*object));
    let span = info_span!(
        "reconcile",
        object.kind = KIND,
        object.namespace = key.0,
        object.name = key.1,
        outcome = Empty
    );
    context.traces.take_up(&key, &span);
    look(object, context).instrument(span).await
}

async fn look(object: Arc<GuardedPolicy>, context: Arc<Context>) -> Result<Action, ReportError> {
    context.stores_are_filled().await;
    if !context.shards.has_policy(kube::Resource::meta(&*object)) {
        // Whoever has it now writes its status.
        context.untold.forget(kube::Resource::meta(&*object));
        return Ok(Action::await_change());
    }
    let started = Instant::now();
    let now = context.clock.now();
    let policy = match &object.0 {
        Ok(policy) => policy,
        Err(invalid) => {
            let time = started.elapsed();
            let (metrics, statuses) = (&context.metrics, &context.policy_statuses);
            metrics.reconciled(KIND, Health::Stalled.as_str(), time);
            let report = undecodable::report(statuses, &invalid.metadata, &invalid.error, now);
            return Box::pin(report).await;
        }
    };
    let _place = context.in_flight.begin(policy).await;
    let now = context.clock.now();
    let Kept {
        status: unwritten,
        mut tidings,
    } = context.untold.take(&policy.metadata);
    let is_written = unwritten.is_none();
    let statuses = &context.policy_statuses;
    let written = statuses.latest(&policy.metadata, policy.status.as_ref());
    let previous = unwritten.or(written);
    let settled = Settled::before(policy, previous.as_ref());
    let outcome = if annotations::is_suspended(&policy.metadata, policy.spec.suspend) {
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

    measure::outcome(&context.metrics, policy, &outcome, context.clock.now());
    let now = context.clock.now();
    tidings.extend(Tidings {
        news: news::of(policy, previous.as_ref(), &outcome, &report, now),
        notices: report.notices,
        old_events: old_event::of(&context, policy, &outcome),
        of_applications: application_events::of(
            policy,
            (previous.as_ref(), &report.status),
            &outcome,
        ),
    });

    let _permit = context.report_permit().await;
    let known = previous.as_ref().filter(|_| is_written);
    let told = Box::pin(statuses.write(&policy.metadata, known, &report.status)).await;
    if let Err(error) = told {
        // One that is gone by now is forgotten already.
        if context.policy(&key(&policy.metadata)).is_some() {
            let status = Some(report.status);
            let kept = Kept { status, tidings };
            context.untold.keep(&policy.metadata, kept);
        }
        return Err(error);
    }
    Box::pin(tidings.tell(&context, policy)).await;
    Span::current().record("outcome", report.health.as_str());
    context
        .metrics
        .reconciled(KIND, report.health.as_str(), started.elapsed());
    Ok(report.action)
}

/// The fallible part. Owns no status, no events, no requeue.
async fn run(
    policy: &ImageUpdatePolicy,
    settled: Settled,
    context: &Context,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let mut model = validate::image_update_policy(&policy.spec).map_err(Error::InvalidSpec)?;
    let pins = annotations::annotation(&policy.metadata, annotations::PINS);
    validate::pin(&mut model, pins).map_err(Error::InvalidSpec)?;
    let scope = &context.application_scope;
    let reach = scope.reach(&policy.metadata);
    let applications = candidates(&model, reach, context).await?;
    let selection = destinations::select(&model, reach, &applications, &scope.argocd)?;
    if selection.matched == Some(0) {
        return Err(Error::NoApplication);
    }
    let rivals = conflict::rivals(&selection, context);
    let repository_of =
        |namespace: &str, watch: &str| conflict::repository(namespace, watch, context);
    conflict::check(
        policy,
        &selection,
        (&applications, scope),
        &rivals,
        &repository_of,
    )?;

    if let Some(git) = model.write_back.git()
        && let Some(url) = &git.url
        && !context.allowed_hosts.allows(url.host(), url.port())
    {
        return Err(Error::HostNotAllowed {
            host: url.host().to_owned(),
        });
    }

    let images = gather::images(policy, &model, context)
        .instrument(info_span!("gather"))
        .await;
    let permit = context.permit().await;
    let (destinations, skipped) = if images.iter().all(|image| image.tags.is_err()) {
        (Vec::new(), selection.applications())
    } else {
        (selection.destinations, Vec::new())
    };
    let git = match model.write_back.git() {
        Some(git) if !destinations.is_empty() => Some((
            Box::pin(git_access::of_policy(policy, git, &destinations, context)).await?,
            Box::pin(commit_style(policy, git, context, now)).await?,
        )),
        Some(_) | None => None,
    };
    drop(permit);
    let lookups = Box::pin(Lookups::known(&model, &images, context)).await;
    let task = apply::Task {
        policy,
        model: Arc::new(model),
        lookups: AsyncMutex::new(lookups),
        candidates: OnceLock::new(),
        images: Arc::new(images),
        settled,
        git,
        context,
    };
    let writes = apply::apply(&task, destinations).await;
    Ok(Outcome::Decided(Box::new(Attempt {
        model: task.model,
        images: task.images,
        writes,
        lookup_errors: task.lookups.into_inner().into_errors(),
        refused: selection.refused,
        skipped,
        matched: selection.matched,
    })))
}

/// The Applications that the policy may select, once they are known.
async fn candidates(
    model: &PolicyModel,
    reach: Reach<'_>,
    context: &Context,
) -> Result<Vec<Arc<Known>>, Error> {
    if !model.applications.is_empty() {
        context.applications.wait().await?;
    }
    destinations::reached(model, reach, context)
}

async fn commit_style(
    policy: &ImageUpdatePolicy,
    git: &GitModel,
    context: &Context,
    now: Timestamp,
) -> Result<CommitStyle, Error> {
    let commit = &git.commit;
    let author = Signature::new(&commit.author.name, &commit.author.email, now)
        .map_err(Error::InvalidAuthor)?;
    Ok(CommitStyle {
        message: commit.message.clone(),
        author,
        sign_off: commit.sign_off,
        signing: gather::signing_key(policy, git, context, now).await?,
        is_shared: commit.granularity == Granularity::Batch,
    })
}

fn log(outcome: &Result<Outcome, Error>, report: &Report) {
    if let Ok(Outcome::Decided(attempt)) = outcome {
        for write in &attempt.writes {
            log_write(write);
        }
    }
    if report.is_news && report.health != Health::Ready {
        warn!(
            reason = report.reason.as_str(),
            ready.message = report.message,
            "The policy is not ready"
        );
    }
}

fn log_write(write: &Write) {
    match (&write.remote, &write.written) {
        (Some(remote), Ok(Written::Pushed { commit, attempts })) => info!(
            git.remote = %remote,
            git.branch = %commit.branch,
            commit.id = %commit.id,
            attempts,
            "Pushed a commit"
        ),
        (_, Ok(Written::Patched { application })) => {
            info!(argocd.application = application, "Patched an Application");
        }
        (_, Ok(Written::Nothing { .. } | Written::Rehearsed | Written::Pushed { .. }) | Err(_)) => {
        }
    }
}
