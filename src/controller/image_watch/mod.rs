//! Reconciles [`ImageWatch`]: gather → scan → report.

mod gather;
mod report;

use std::sync::Arc;

use image_update_core::image::{Repository, Sightings, Tag};
use jiff::Timestamp;
use kube::Resource as _;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{Span, info, instrument, warn};

use super::conditions::Health;
use super::context::{Context, GuardedWatch};
use super::error::Error;
use super::registries;
use super::shards::Part;
use super::status::{ReportError, names};
use super::tags::{Scan, WatchedTags};
use super::undecodable;
use crate::api::v1alpha1::{ImageWatch, annotations};
use crate::api::validate::{self, WatchModel};
pub(super) use gather::access;
use report::{Report, Scanned};

/// What is reconciled, as metrics have it.
const KIND: &str = "ImageWatch";

/// How one reconciliation of a watch ended, when it did not fail.
enum Outcome {
    /// The spec says `suspend`.
    Suspended,
    /// The tags are known.
    Scanned(Box<Scanned>),
}

/// Lists the tags of one watch if that is due, and says on the object how it went.
#[instrument(skip_all, fields(object.kind = KIND, object.namespace = names(kube::Resource::meta(&*object)).0, object.name = names(kube::Resource::meta(&*object)).1, outcome = tracing::field::Empty))]
pub(super) async fn reconcile(
    object: Arc<GuardedWatch>,
    context: Arc<Context>,
) -> Result<Action, ReportError> {
    let part = context.shards.part_of(kube::Resource::meta(&*object));
    if part == Part::Nothing {
        return Ok(Action::await_change());
    }
    let started = Instant::now();
    let now = context.clock.now();
    let watch = match &object.0 {
        Ok(watch) => watch,
        Err(_) if part == Part::Scans => return Ok(Action::await_change()),
        Err(invalid) => {
            context
                .metrics
                .reconciled(KIND, Health::Stalled.as_str(), started.elapsed());
            return undecodable::report(
                &context.watch_statuses,
                &invalid.metadata,
                &invalid.error,
                now,
            )
            .await;
        }
    };
    let previous = context
        .watch_statuses
        .latest(&watch.metadata, watch.status.as_ref());
    let outcome = if annotations::is_suspended(&watch.metadata, watch.spec.suspend) {
        Ok(Outcome::Suspended)
    } else {
        run(watch, &context).await
    };
    let _permit = context.watch_permit().await;
    let failures = context.backoff.record(&watch.metadata, outcome.is_ok());
    let report = Report::new(watch, previous.as_ref(), &outcome, failures, now);
    log(&outcome, &report);

    let told = match part {
        Part::Reports => {
            let statuses = &context.watch_statuses;
            let written = statuses.write(&watch.metadata, previous.as_ref(), &report.status);
            written.await
        }
        Part::Scans | Part::Nothing => Ok(()),
    };
    // New tags are found once, so policies hear of them even if the status could not be written.
    if report.has_new_tags || (told.is_ok() && report.concerns_policies) {
        let (namespace, name) = names(&watch.metadata);
        context.trigger_policies_of(namespace, name);
    }
    told?;
    if part == Part::Reports {
        let (object, now) = (watch.object_ref(&()), context.clock.now());
        super::events::publish(&context.kube, &object, report.notices, now).await;
    }
    Span::current().record("outcome", report.health.as_str());
    context
        .metrics
        .reconciled(KIND, report.health.as_str(), started.elapsed());
    Ok(report.action)
}

/// Scans a watch for a person, and returns it with the status that the operator would write.
pub(super) async fn look_once(watch: &ImageWatch, context: &Context) -> ImageWatch {
    let now = context.clock.now();
    let outcome = if annotations::is_suspended(&watch.metadata, watch.spec.suspend) {
        Ok(Outcome::Suspended)
    } else {
        run(watch, context).await
    };
    let report = Report::new(watch, watch.status.as_ref(), &outcome, 0, now);
    ImageWatch {
        status: Some(report.status),
        ..watch.clone()
    }
}

/// The fallible part. Owns no status, no events, no requeue.
async fn run(watch: &ImageWatch, context: &Context) -> Result<Outcome, Error> {
    let model = validate::image_watch(&watch.spec).map_err(Error::InvalidSpec)?;
    if !context
        .allowed_hosts
        .allows_registry(model.repository.registry())
    {
        return Err(Error::HostNotAllowed {
            host: model.repository.registry().to_owned(),
        });
    }
    let (namespace, name) = names(&watch.metadata);
    let permit = context.watch_permit().await;
    let access = access(namespace, &watch.spec, &model, context).await?;
    drop(permit);
    let handled = watch.status.as_ref();
    let handled = handled.and_then(|status| status.last_handled_reconcile_at.as_deref());
    let max_age = if annotations::is_requested(&watch.metadata, handled) {
        std::time::Duration::ZERO
    } else {
        model.interval
    };
    let scan = context
        .scans
        .get(&context.registry, &model.repository, &access, max_age)
        .await;
    if let Err(error) = &scan.outcome {
        registries::note_refusal(&access, error, context);
    }
    let tags = scanned_tags(watch, &model, &scan)?;
    let changed = context.tags.put(namespace, name, tags.clone());
    Ok(Outcome::Scanned(Box::new(Scanned {
        model,
        age: scan.ended.elapsed(),
        scan,
        tags,
        changed,
    })))
}

/// The tags of a scan without those that the watch excludes. When they were first seen is taken
/// from the status, too: it outlives the operator.
fn scanned_tags(watch: &ImageWatch, model: &WatchModel, scan: &Scan) -> Result<WatchedTags, Error> {
    let list = scan
        .outcome
        .as_ref()
        .map_err(|source| Error::Registry(Arc::clone(source)))?;
    let sightings = Sightings::clone(&scan.sightings).with(written_down(watch, &model.repository));
    let repository = model.repository.clone();
    Ok(WatchedTags::new(
        repository,
        list,
        Arc::new(sightings),
        |tag| model.excludes(tag),
    ))
}

/// When tags of `repository` were first seen, as the status has it. What was written down of
/// another repository says nothing of this one's tags.
fn written_down(
    watch: &ImageWatch,
    repository: &Repository,
) -> impl Iterator<Item = (Tag, Timestamp)> {
    let image = repository.to_string();
    let status = watch.status.iter();
    let status = status.filter(move |status| status.canonical_image.as_ref() == Some(&image));
    let written = status.flat_map(|status| &status.first_seen);
    written.filter_map(|(tag, time)| Some((tag.parse().ok()?, time.0)))
}

fn log(outcome: &Result<Outcome, Error>, report: &Report) {
    match outcome {
        Ok(Outcome::Scanned(scanned)) if scanned.changed => info!(
            image.repository = %scanned.model.repository,
            tags = scanned.tags.tags.len(),
            requests = scanned.requests(),
            "The list of tags changed"
        ),
        Err(error) if report.is_news => warn!(
            reason = error.reason().as_str(),
            error = error.chain(),
            "Could not scan"
        ),
        Ok(Outcome::Scanned(_) | Outcome::Suspended) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::v1alpha1::ImageWatchStatus;

    /// How many sightings count for `image` of those that were written down of `before`.
    #[track_caller]
    fn check(before: Option<&str>, image: &str, expected: usize) {
        let spec = serde_json::json!({"image": image});
        let spec = serde_json::from_value(spec).expect("it has what a spec must have");
        let mut watch = ImageWatch::new("app", spec);
        watch.status = Some(ImageWatchStatus {
            canonical_image: before.map(str::to_owned),
            first_seen: BTreeMap::from([("1.0.0".to_owned(), Time(Timestamp::UNIX_EPOCH))]),
            ..ImageWatchStatus::default()
        });
        let repository = image.parse().expect("the row's image is one");
        assert_eq!(written_down(&watch, &repository).count(), expected);
    }

    #[test]
    fn sightings_of_another_repository_do_not_count() {
        check(Some("docker.io/library/nginx"), "nginx", 1);
        check(Some("docker.io/library/nginx"), "ghcr.io/acme/nginx", 0);
        check(None, "nginx", 0);
    }
}
