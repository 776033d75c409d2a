//! Decides against what stands at each destination, and writes what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt as _;
use image_update_core::image::{Digest, Tag};
use image_update_core::message::{ChangeLine, default_message};
use image_update_core::plan::{self, Files, ImageInput, Plan, Target};
use image_update_core::remote::{BranchName, RemoteUrl};

use super::destinations::{Destination, overrides_path};
use super::gather::{Gathered, Known};
use super::{Write, Written};
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::api::validate::PolicyModel;
use crate::argocd::patch;
use crate::controller::applications;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::status::{FIELD_MANAGER, names};
use crate::git::error::UpdateError;
use crate::git::options::RemoteOptions;
use crate::git::update::{CommitDraft, Receipt, Signature, Snapshot};

/// How many destinations of one policy are written at once.
const AT_ONCE: usize = 8;

/// Digests that are known, by alias and tag.
type Digests = BTreeMap<(String, Tag), Digest>;

/// Why nothing is committed yet.
#[derive(Debug, thiserror::Error)]
enum Pause {
    /// The plan can't be carried out before the digests that it asks for are known.
    #[error("digests have to be looked up first")]
    DigestsMissing,
}

/// What goes for every destination of a policy.
pub(super) struct Job<'a> {
    pub(super) policy: &'a ImageUpdatePolicy,
    pub(super) model: &'a PolicyModel,
    pub(super) images: &'a [Gathered],
    pub(super) options: &'a RemoteOptions,
    /// Who commits; `None` where nothing is.
    pub(super) author: Option<&'a Signature>,
    pub(super) context: &'a Context,
}

/// Decides and writes every destination, each for itself.
pub(super) async fn apply(job: Job<'_>, destinations: Vec<Destination>) -> Vec<Write> {
    futures::stream::iter(destinations)
        .map(|destination| job.write(destination))
        .buffered(AT_ONCE)
        .collect()
        .await
}

impl Job<'_> {
    async fn write(&self, destination: Destination) -> Write {
        let mut known = Digests::new();
        let mut failed: Vec<(String, Error)> = Vec::new();
        // Digests are looked up once the files tell which tags need one.
        loop {
            let (plan, written) = match &destination {
                Destination::Git {
                    url,
                    branch,
                    targets,
                } => {
                    let branch = branch.clone();
                    self.write_git(url, branch, targets, &known, &failed).await
                }
                Destination::Application {
                    known: application,
                    index,
                    target,
                } => {
                    let target = std::slice::from_ref(target);
                    self.write_application(application, *index, target, &known, &failed)
                        .await
                }
            };
            let wanted = plan.as_ref().map(|plan| plan.missing_digests.clone());
            let wanted = wanted.unwrap_or_default();
            if written.is_ok() && self.resolve(&wanted, &mut known, &mut failed).await {
                continue;
            }
            let applications = destination.applications();
            return Write {
                remote: match destination {
                    Destination::Git { url, .. } => Some(url),
                    Destination::Application { .. } => None,
                },
                applications,
                plan,
                digest_errors: failed,
                written,
            };
        }
    }

    /// Nothing is written while digests are missing.
    async fn write_git(
        &self,
        url: &RemoteUrl,
        branch: Option<BranchName>,
        targets: &[Target],
        digests: &Digests,
        failed: &[(String, Error)],
    ) -> (Option<Plan>, Result<Written, Error>) {
        let host = (url.host(), url.port());
        if !self.context.allowed_hosts.allows(host.0, host.1) {
            let host = host.0.to_owned();
            return (None, Err(Error::HostNotAllowed { host }));
        }
        let mut last_plan = None;
        let inputs = self.inputs(failed);
        let decide = |snapshot: &Snapshot| {
            let files = snapshot.files.iter();
            let files = files.map(|(path, content)| (path.clone(), content.as_deref()));
            let plan = plan::decide(&inputs, targets, &files.collect(), digests);
            let missing = !plan.missing_digests.is_empty();
            let draft = self.draft(&plan);
            last_plan = Some(plan);
            if missing {
                Err(Pause::DigestsMissing)
            } else {
                Ok(draft)
            }
        };
        let paths = targets
            .iter()
            .flat_map(|target| target.files.iter().cloned());
        let written = self
            .context
            .remotes
            .update(url, self.options, branch, paths.collect(), decide)
            .await;
        let written = match written {
            Ok(Receipt::Pushed {
                commit_id, branch, ..
            }) => Ok(Written::Pushed {
                commit_id: commit_id.to_string(),
                branch,
            }),
            Ok(Receipt::UpToDate { .. }) | Err(UpdateError::Decide(Pause::DigestsMissing)) => {
                Ok(Written::Nothing)
            }
            Err(UpdateError::Git(source)) => Err(Error::Git(source)),
        };
        (last_plan, written)
    }

    /// Decides on what is known of the Application; it is read anew only to be written.
    async fn write_application(
        &self,
        application: &applications::Known,
        index: usize,
        target: &[Target],
        digests: &Digests,
        failed: &[(String, Error)],
    ) -> (Option<Plan>, Result<Written, Error>) {
        let inputs = self.inputs(failed);
        let path = overrides_path();
        let decide = |overrides: &[u8]| {
            let files = Files::from([(path.clone(), Some(overrides))]);
            plan::decide(&inputs, target, &files, digests)
        };
        let overrides = application.overrides.get(index);
        let plan = decide(overrides.map_or(b"{}", Vec::as_slice));
        if plan.files.is_empty() || !plan.missing_digests.is_empty() || self.model.dry_run {
            return (Some(plan), Ok(Written::Nothing));
        }
        let mut last_plan = None;
        let (namespace, name) = (&application.facts.namespace, &application.facts.name);
        let kube = &self.context.kube;
        let outcome = patch::update(
            kube,
            namespace,
            name,
            index,
            FIELD_MANAGER,
            |_, overrides| {
                let mut plan = decide(overrides);
                let edited = plan.files.get(&path).cloned();
                if !plan.missing_digests.is_empty() {
                    plan.files.clear();
                }
                last_plan = Some(plan);
                edited
            },
        );
        let written = match outcome.await {
            Ok(patch::Outcome::Patched) => Ok(Written::Patched {
                application: format!("{namespace}/{name}"),
            }),
            Ok(patch::Outcome::Unchanged) => Ok(Written::Nothing),
            Err(source) => Err(Error::Application(source)),
        };
        (last_plan.or(Some(plan)), written)
    }

    /// What is decided: the images that have tags, without those whose digest can't be had.
    fn inputs(&self, failed: &[(String, Error)]) -> Vec<ImageInput<'_>> {
        let images = self.model.images.iter().zip(self.images);
        images
            .filter(|(image, _)| !failed.iter().any(|(alias, _)| *alias == image.alias))
            .filter_map(|(image, gathered)| {
                let tags = &gathered.tags.as_ref().ok()?.tags;
                Some(ImageInput {
                    alias: &image.alias,
                    repository: &tags.repository,
                    kustomize_name: image.kustomize_name.as_deref(),
                    helm: image.helm.as_ref(),
                    plugin: image.plugin.as_ref(),
                    only_live: image.only_live,
                    policy: &image.policy,
                    digest: image.digest,
                    candidates: &tags.candidates,
                })
            })
            .collect()
    }

    /// The commit of a plan; none for a dry run, or if nothing changes.
    fn draft(&self, plan: &Plan) -> Option<CommitDraft> {
        let author = self.author?;
        if self.model.dry_run || plan.files.is_empty() {
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
            message: default_message(names(&self.policy.metadata).1, &changes),
            author: author.clone(),
        })
    }

    /// Looks up the digests that a plan waits for, and notes which can't be had. Returns whether
    /// anything was learnt.
    async fn resolve(
        &self,
        wanted: &BTreeSet<(String, Tag)>,
        digests: &mut Digests,
        failed: &mut Vec<(String, Error)>,
    ) -> bool {
        let mut learnt = false;
        for image in self.images {
            let Ok(known) = &image.tags else { continue };
            for (alias, tag) in wanted.iter().filter(|(alias, _)| *alias == image.alias) {
                learnt = true;
                match self.resolve_one(known, tag).await {
                    Ok(digest) => drop(digests.insert((alias.clone(), tag.clone()), digest)),
                    Err(error) => failed.push((alias.clone(), error)),
                }
            }
        }
        learnt
    }

    async fn resolve_one(&self, known: &Known, tag: &Tag) -> Result<Digest, Error> {
        let access = known.access(self.context).await?;
        let resolved = self
            .context
            .registry
            .resolve_digest(&known.tags.repository, tag, &access)
            .await;
        resolved.map_err(|source| Error::Registry(Arc::new(source)))
    }
}
