//! Decides against the files of the remote and pushes what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image_update_core::image::{Digest, Tag};
use image_update_core::message::{ChangeLine, default_message};
use image_update_core::plan::{self, Files, ImageInput, Plan};

use super::Attempt;
use super::gather::{Gathered, Known};
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::api::validate::PolicyModel;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::status::names;
use crate::git::error::UpdateError;
use crate::git::options::RemoteOptions;
use crate::git::update::{CommitDraft, Signature, Snapshot};

/// Digests that are known, by alias and tag.
type Digests = BTreeMap<(String, Tag), Digest>;

/// Why nothing is committed yet.
#[derive(Debug, thiserror::Error)]
enum Pause {
    /// The plan can't be carried out before the digests that it asks for are known.
    #[error("digests have to be looked up first")]
    DigestsMissing,
}

/// Decides and writes. Digests are looked up once the files tell which tags need one.
pub(super) async fn apply(
    policy: &ImageUpdatePolicy,
    model: PolicyModel,
    images: Vec<Gathered>,
    options: &RemoteOptions,
    author: &Signature,
    context: &Context,
) -> Attempt {
    let mut digests = Digests::new();
    let mut failed: Vec<(String, Error)> = Vec::new();
    loop {
        let mut last_plan = None;
        let inputs = inputs(&model, &images, &failed);
        let decide = |snapshot: &Snapshot| {
            let plan = decide(&model, &inputs, &digests, snapshot);
            let missing = !plan.missing_digests.is_empty();
            let draft = draft(policy, &model, &plan, author);
            last_plan = Some(plan);
            if missing {
                Err(Pause::DigestsMissing)
            } else {
                Ok(draft)
            }
        };
        let git = &model.git;
        let written = context
            .remotes
            .update(&git.url, options, git.branch.clone(), model.paths(), decide)
            .await;
        let written = match written {
            Ok(receipt) => Ok(Some(receipt)),
            Err(UpdateError::Git(source)) => Err(Error::Git(source)),
            Err(UpdateError::Decide(Pause::DigestsMissing)) => {
                let wanted = last_plan.as_ref().map(|plan| plan.missing_digests.clone());
                let wanted = wanted.unwrap_or_default();
                if resolve(&wanted, &images, context, &mut digests, &mut failed).await {
                    continue;
                }
                Ok(None)
            }
        };
        return Attempt {
            plan: last_plan,
            digest_errors: failed,
            written,
            model,
            images,
        };
    }
}

/// What is decided: the images that have tags, without those whose digest can't be had.
fn inputs<'a>(
    model: &'a PolicyModel,
    images: &'a [Gathered],
    failed: &[(String, Error)],
) -> Vec<ImageInput<'a>> {
    model
        .images
        .iter()
        .zip(images)
        .filter(|(image, _)| !failed.iter().any(|(alias, _)| *alias == image.alias))
        .filter_map(|(image, gathered)| {
            let tags = &gathered.tags.as_ref().ok()?.tags;
            Some(ImageInput {
                alias: &image.alias,
                repository: &tags.repository,
                kustomize_name: image.kustomize_name.as_deref(),
                helm: image.helm.as_ref(),
                plugin: None,
                only_live: false,
                policy: &image.policy,
                digest: image.digest,
                candidates: &tags.candidates,
            })
        })
        .collect()
}

fn decide(
    model: &PolicyModel,
    inputs: &[ImageInput<'_>],
    digests: &Digests,
    snapshot: &Snapshot,
) -> Plan {
    let files: Files<'_> = snapshot
        .files
        .iter()
        .map(|(path, content)| (path.clone(), content.as_deref()))
        .collect();
    plan::decide(inputs, &model.git.targets, &files, digests)
}

/// The commit of a plan; none for a dry run, or if nothing changes.
fn draft(
    policy: &ImageUpdatePolicy,
    model: &PolicyModel,
    plan: &Plan,
    author: &Signature,
) -> Option<CommitDraft> {
    if model.dry_run || plan.files.is_empty() {
        return None;
    }
    let changes: Vec<ChangeLine<'_>> = plan
        .changes()
        .map(|(_, change)| ChangeLine {
            image: &change.image,
            old: change.old.as_deref(),
            new: &change.new,
        })
        .collect();
    Some(CommitDraft {
        files: plan.files.clone(),
        message: default_message(names(&policy.metadata).1, &changes),
        author: author.clone(),
    })
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
