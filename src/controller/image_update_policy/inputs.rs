//! What a policy decides by at one destination, and what follows from that. Pure but for the count
//! of decisions.

use std::sync::Arc;

use image_update_core::image::Candidate;
use image_update_core::plan::{self, Files, ImageInput, Known, Past, Plan};
use image_update_core::plan::{Part, Settled as Before, Target};
use image_update_core::remote::{BranchName, RemoteUrl};
use image_update_core::template::ImageChange;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::info_span;

use super::destinations::overrides_path;
use super::gather::Gathered;
use super::lookups::Lookups;
use super::past::PastFiles;
use super::settled::{Settled, names_each_file};
use crate::api::v1alpha1::Granularity;
use crate::api::validate::{ImageModel, PolicyModel};
use crate::git::update::Snapshot;
use crate::metrics::Metrics;
use crate::write_back::job::{Decided, Edit};

/// The candidates of each image, in the order of the spec.
pub(super) type Candidates = Vec<Vec<Candidate>>;

/// What a policy decides by. Shared with the queue that asks for the decision.
pub(super) struct Inputs {
    pub(super) model: Arc<PolicyModel>,
    pub(super) images: Arc<Vec<Gathered>>,
    pub(super) targets: Vec<Target>,
    pub(super) settled: Settled,
    pub(super) past: PastFiles,
    pub(super) lookups: Lookups,
    pub(super) now: Timestamp,
    pub(super) metrics: Metrics,
    /// Whether somebody wants to know why every other tag lost.
    pub(super) keeps_rejected: bool,
}

/// The candidates of each image.
pub(super) fn candidates(images: &[Gathered]) -> Candidates {
    let of_image = |image: &Gathered| match &image.tags {
        Ok(known) => known.tags.candidates(),
        Err(_) => Vec::new(),
    };
    images.iter().map(of_image).collect()
}

impl Inputs {
    /// Decides on the files of a branch.
    pub(super) fn decide_files(&self, remote: &RemoteUrl, snapshot: &Snapshot) -> Plan {
        let files = snapshot.files.iter();
        let files = files.map(|(path, content)| (path.clone(), content.as_deref()));
        // Made for each decision: while a push is waited for they would take much memory.
        let candidates = candidates(&self.images);
        let branch = &snapshot.branch;
        let past = self.past.of(branch);
        let settled = |alias: &str| self.settled_on(remote, branch, snapshot, alias);
        self.decide(&candidates, &files.collect(), &past, settled)
    }

    /// Decides on the overrides of an Application on which `wrote` is noted, by alias.
    pub(super) fn decide_overrides<'a>(
        &'a self,
        candidates: &'a Candidates,
        overrides: &[u8],
        wrote: impl Fn(&str) -> Option<&'a str>,
    ) -> Plan {
        let files = Files::from([(overrides_path(), Some(overrides))]);
        let settled = |alias: &str| {
            let value = self.settled.somewhere(alias)?;
            (wrote(alias) == Some(value)).then_some(Before::Everywhere(value))
        };
        self.decide(candidates, &files, &Past::new(), settled)
    }

    /// What stood on a branch. What one Application or manifest has says nothing about another that
    /// comes later, so for them the past of the files tells, if there is one.
    fn settled_on(
        &self,
        remote: &RemoteUrl,
        branch: &BranchName,
        snapshot: &Snapshot,
        alias: &str,
    ) -> Option<Before<'_>> {
        if names_each_file(&self.model) {
            return self.settled.on(branch, alias).map(Before::Everywhere);
        }
        let mut commits = self.settled.commits(remote, branch).iter();
        let has_past = commits.any(|commit| *commit != snapshot.commit_id);
        let value = self.settled.somewhere(alias)?;
        has_past.then_some(Before::Somewhere(value))
    }

    /// Whether somebody has pinned the image since it was written last: so it is wanted, even if it
    /// was taken back before.
    fn is_pinned_anew(&self, image: &ImageModel) -> bool {
        image.policy.pin.is_some() && !self.settled.was_pinned(&image.alias)
    }

    fn decide<'a>(
        &'a self,
        candidates: &'a Candidates,
        files: &Files<'_>,
        past: &Past<'_>,
        settled: impl Fn(&str) -> Option<Before<'a>>,
    ) -> Plan {
        let _span = info_span!("decide").entered();
        let started = Instant::now();
        let images = self.images(candidates, settled);
        let mut plan = plan::decide(&images, &self.targets, files, &self.lookups.digests, past);
        // Nobody asks the operator for all of them, and they would take the memory of the tags
        // until a push is through.
        if !self.keeps_rejected {
            plan.forget_rejected();
        }
        self.metrics.selected(started.elapsed());
        plan
    }

    /// The images that have tags, without those of which something can't be had.
    fn images<'a>(
        &'a self,
        candidates: &'a Candidates,
        settled: impl Fn(&str) -> Option<Before<'a>>,
    ) -> Vec<ImageInput<'a>> {
        self.model
            .images
            .iter()
            .zip(self.images.iter())
            .zip(candidates)
            .filter(|((image, _), _)| !self.lookups.has_failed(&image.alias))
            .filter_map(|((image, gathered), candidates)| {
                let tags = &gathered.tags.as_ref().ok()?.tags;
                Some(ImageInput {
                    alias: &image.alias,
                    repository: &tags.repository,
                    kustomize_name: image.kustomize_name.as_deref(),
                    helm: image.helm.as_ref(),
                    plugin: image.plugin.as_ref(),
                    markers: &gathered.markers,
                    only_live: image.only_live,
                    policy: &image.policy,
                    digest: image.digest,
                    candidates,
                    settled: settled(&image.alias).filter(|_| !self.is_pinned_anew(image)),
                    known: Known {
                        looks: self.lookups.looks(&image.alias),
                        sightings: &tags.sightings,
                        now: self.now,
                        last: self.settled.last_build(&image.alias, &tags.repository),
                    },
                })
            })
            .collect()
    }

    /// What follows from a plan; nothing for a dry run.
    pub(super) fn decided(&self, plan: &Plan) -> Decided {
        if !plan.is_decided() {
            return Decided::Undecided;
        }
        if self.model.dry_run || plan.files.is_empty() {
            return Decided::Nothing;
        }
        let commit = self.model.write_back.git().map(|git| &git.commit);
        let edits = match commit.map(|commit| commit.granularity) {
            Some(Granularity::PerApplication) => {
                let parts = plan.by_application();
                parts.iter().map(|it| self.edit_of_one(it)).collect()
            }
            Some(Granularity::PerPolicy | Granularity::Batch) | None => {
                let whole = plan.whole();
                whole.iter().map(|it| self.edit(it)).collect()
            }
        };
        Decided::Write(edits)
    }

    fn edit(&self, part: &Part<'_>) -> Edit {
        let changes = part.changes.iter().map(|(placement, change)| ImageChange {
            image: change.image.clone(),
            name: self.repository_path(&placement.alias),
            alias: placement.alias.clone(),
            old: change.old.as_deref().map(digest_or_tag),
            new: digest_or_tag(&change.new),
        });
        let files = part.files.iter();
        Edit {
            application: None,
            changes: changes.collect(),
            files: files
                .map(|(path, content)| ((*path).clone(), content.to_vec()))
                .collect(),
        }
    }

    /// The edit of one Application, which its commit names.
    fn edit_of_one(&self, part: &Part<'_>) -> Edit {
        let application = part.changes.first().and_then(|(placement, _)| {
            let (namespace, name) = placement.application.as_deref()?.split_once('/')?;
            Some((namespace.to_owned(), name.to_owned()))
        });
        Edit {
            application,
            ..self.edit(part)
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

/// What messages and names of branches say of `tag`, `tag@digest` or a digest: as in those of the
/// predecessor the digest alone, where there is one.
pub(super) fn digest_or_tag(text: &str) -> String {
    let digest = text.rsplit_once('@').map(|(_, digest)| digest);
    digest.unwrap_or(text).to_owned()
}
