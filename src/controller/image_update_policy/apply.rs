//! Decides against the files of the remote and pushes what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use image_update_core::image::{Digest, Tag};
use image_update_core::plan::{self, Files, ImageInput, Plan};
use image_update_core::template::{ImageChange, target_key};

use super::Attempt;
use super::gather::{Gathered, Known};
use super::settled::Settled;
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::api::validate::PolicyModel;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::status::names;
use crate::git::options::RemoteOptions;
use crate::git::update::Snapshot;
use crate::write_back::job::{CommitStyle, Decided, Job, Outcome};

/// Digests that are known, by alias and tag.
type Digests = BTreeMap<(String, Tag), Digest>;

/// What a policy decides by. Shared with the queue that asks for the decision.
struct Inputs {
    model: Arc<PolicyModel>,
    images: Arc<Vec<Gathered>>,
    settled: Settled,
    digests: Digests,
    /// Images whose digest can't be had: nothing is decided about them.
    left_out: BTreeSet<String>,
}

/// Decides and writes. Digests are looked up once the files tell which tags need one.
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
    let mut digests = Digests::new();
    let mut failed: Vec<(String, Error)> = Vec::new();
    loop {
        let inputs = Inputs {
            model: Arc::clone(&model),
            images: Arc::clone(&images),
            settled: settled.clone(),
            digests: digests.clone(),
            left_out: failed.iter().map(|(alias, _)| alias.clone()).collect(),
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
                let wanted = plan.as_ref().map(|plan| plan.missing_digests.clone());
                let wanted = wanted.unwrap_or_default();
                if resolve(&wanted, &images, context, &mut digests, &mut failed).await {
                    continue;
                }
                Ok(None)
            }
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) => Err(Error::WriteBack(error)),
        };
        return Attempt {
            plan,
            digest_errors: failed,
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
        plan::decide(&self.images(snapshot), targets, &files, &self.digests)
    }

    /// The images that have tags, without those whose digest can't be had.
    fn images(&self, snapshot: &Snapshot) -> Vec<ImageInput<'_>> {
        self.model
            .images
            .iter()
            .zip(self.images.iter())
            .filter(|(image, _)| !self.left_out.contains(&image.alias))
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
                })
            })
            .collect()
    }

    /// What follows from a plan; nothing for a dry run.
    fn decided(&self, plan: &Plan) -> Decided {
        if !plan.missing_digests.is_empty() {
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

/// Looks up the digests that a plan waits for, and notes which can't be had. Returns whether
/// anything was learnt.
async fn resolve(
    wanted: &BTreeSet<(String, Tag)>,
    images: &[Gathered],
    context: &Context,
    digests: &mut Digests,
    failed: &mut Vec<(String, Error)>,
) -> bool {
    let _permit = context.permit().await;
    let mut learnt = false;
    for image in images {
        let Ok(known) = &image.tags else { continue };
        for (alias, tag) in wanted.iter().filter(|(alias, _)| *alias == image.alias) {
            learnt = true;
            match resolve_one(known, tag, context).await {
                Ok(digest) => drop(digests.insert((alias.clone(), tag.clone()), digest)),
                Err(error) => failed.push((alias.clone(), error)),
            }
        }
    }
    learnt
}

async fn resolve_one(known: &Known, tag: &Tag, context: &Context) -> Result<Digest, Error> {
    let access = known.access(context).await?;
    let resolved = context
        .registry
        .resolve_digest(&known.tags.repository, tag, &access)
        .await;
    resolved.map_err(|source| Error::Registry(Arc::new(source)))
}
