//! Decides against the files of the remote and pushes what differs.

use std::sync::{Arc, Mutex, PoisonError};

use image_update_core::plan::{self, Files, ImageInput, Known, Plan};
use image_update_core::template::{ImageChange, target_key};
use jiff::Timestamp;

use super::Attempt;
use super::gather::Gathered;
use super::lookups::{Lookups, Wanted};
use super::settled::Settled;
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::api::validate::PolicyModel;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::status::names;
use crate::git::options::RemoteOptions;
use crate::git::update::Snapshot;
use crate::write_back::job::{CommitStyle, Decided, Job, Outcome};

/// What a policy decides by. Shared with the queue that asks for the decision.
struct Inputs {
    model: Arc<PolicyModel>,
    images: Arc<Vec<Gathered>>,
    settled: Settled,
    lookups: Lookups,
    now: Timestamp,
}

/// Decides and writes. Digests and images are looked up once the files tell which are needed.
pub(super) async fn apply(
    policy: &ImageUpdatePolicy,
    model: PolicyModel,
    images: Vec<Gathered>,
    settled: Settled,
    options: &RemoteOptions,
    style: &CommitStyle,
    context: &Context,
) -> Attempt {
    let (model, images) = (Arc::new(model), Arc::new(images));
    let mut lookups = Lookups::known(&model, &images, context).await;
    let mut failed: Vec<(String, Error)> = Vec::new();
    loop {
        let inputs = Inputs {
            model: Arc::clone(&model),
            images: Arc::clone(&images),
            settled: settled.clone(),
            lookups: lookups.clone(),
            now: context.clock.now(),
        };
        let plan = Arc::new(Mutex::new(None));
        let job = job(policy, inputs, style, Arc::clone(&plan));
        let git = &model.git;
        let outcome = context
            .remotes
            .submit(&git.url, options, git.branch.clone(), job)
            .await;
        let plan: Option<Plan> = plan.lock().unwrap_or_else(PoisonError::into_inner).take();
        let written = match outcome {
            Ok(Outcome::Undecided) => {
                let wanted = plan.as_ref().map(Wanted::of).unwrap_or_default();
                let errors = lookups.learn(&wanted, &model, &images, context).await;
                failed.extend(errors);
                if !wanted.is_empty() {
                    continue;
                }
                Ok(None)
            }
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) => Err(Error::WriteBack(error)),
        };
        return Attempt {
            plan,
            lookup_errors: failed,
            written,
            model,
            images,
        };
    }
}

/// The policy's part of a push. `last_plan` is where its last decision is found afterwards.
fn job(
    policy: &ImageUpdatePolicy,
    inputs: Inputs,
    style: &CommitStyle,
    last_plan: Arc<Mutex<Option<Plan>>>,
) -> Job {
    let (namespace, name) = names(&policy.metadata);
    let git = &inputs.model.git;
    let targets: Vec<&str> = git.targets.iter().map(|it| it.path.as_str()).collect();
    let branch = git.branch.as_ref().map_or("", |branch| branch.as_str());
    Job {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        target_key: target_key(&git.url.to_string(), branch, &targets.join(",")),
        paths: inputs.model.paths(),
        push: git.push.clone(),
        style: style.clone(),
        decide: Box::new(move |snapshot| {
            let plan = inputs.decide(snapshot);
            let decided = inputs.decided(&plan);
            *last_plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
            decided
        }),
    }
}

impl Inputs {
    fn decide(&self, snapshot: &Snapshot) -> Plan {
        let files: Files<'_> = snapshot
            .files
            .iter()
            .map(|(path, content)| (path.clone(), content.as_deref()))
            .collect();
        let targets = &self.model.git.targets;
        plan::decide(
            &self.images(snapshot),
            targets,
            &files,
            &self.lookups.digests,
        )
    }

    /// The images that have tags, without those of which something can't be had.
    fn images(&self, snapshot: &Snapshot) -> Vec<ImageInput<'_>> {
        self.model
            .images
            .iter()
            .zip(self.images.iter())
            .filter(|(image, _)| !self.lookups.has_failed(&image.alias))
            .filter_map(|(image, gathered)| {
                let tags = &gathered.tags.as_ref().ok()?.tags;
                Some(ImageInput {
                    alias: &image.alias,
                    repository: &tags.repository,
                    kustomize_name: image.kustomize_name.as_deref(),
                    helm: image.helm.as_ref(),
                    policy: &image.policy,
                    digest: image.digest,
                    candidates: &tags.candidates,
                    settled: self.settled.on(&snapshot.branch, &image.alias),
                    known: Known {
                        looks: self.lookups.looks(&image.alias),
                        sightings: &tags.sightings,
                        now: self.now,
                    },
                })
            })
            .collect()
    }

    /// What follows from a plan; nothing for a dry run.
    fn decided(&self, plan: &Plan) -> Decided {
        if !Wanted::of(plan).is_empty() {
            return Decided::Undecided;
        }
        if self.model.dry_run || plan.files.is_empty() {
            return Decided::Nothing;
        }
        let changes = plan.changes().map(|(placement, change)| ImageChange {
            image: change.image.clone(),
            name: self.repository_path(&placement.alias),
            alias: placement.alias.clone(),
            old: change.old.clone(),
            new: change.new.clone(),
        });
        Decided::Write {
            changes: changes.collect(),
            files: plan.files.clone(),
        }
    }

    fn repository_path(&self, alias: &str) -> String {
        let image = self.images.iter().find(|image| image.alias == alias);
        image
            .and_then(|image| image.tags.as_ref().ok())
            .map(|known| known.tags.repository.path().to_owned())
            .unwrap_or_default()
    }
}
