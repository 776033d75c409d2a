//! When the images in use were built: newest build must not go below one that its registry has
//! lost since, and nobody can be asked any more. Pure.
//!
//! They are facts of images, so neither a change of the spec nor a release forgets them.

use std::collections::BTreeMap;

use image_update_core::image::{Candidate, Repository};
use image_update_core::plan::{Placement, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Attempt, Outcome, Write, Written};
use crate::api::v1alpha1::{ImageStatus, ImageUpdatePolicyStatus, LastBuild};
use crate::controller::error::Error;

/// What was in use last, by alias: the repository, and the tag with the time of its build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Builds(BTreeMap<String, (Repository, Candidate)>);

impl Builds {
    /// What a status has written down.
    pub(super) fn written_down(status: &ImageUpdatePolicyStatus) -> Self {
        let known = status.images.iter().filter_map(|image| {
            let last = image.last_build.as_ref()?;
            let tag = Candidate::new(last.tag.parse().ok()?);
            let built = (last.image.parse().ok()?, tag.created_at(last.time.0));
            Some((image.alias.clone(), built))
        });
        Self(known.collect())
    }

    /// What was in use last of an image, if it is of this repository.
    pub(super) fn last(&self, alias: &str, repository: &Repository) -> Option<&Candidate> {
        let (of, last) = self.0.get(alias)?;
        (of == repository).then_some(last)
    }

    /// Writes down what is in use after an outcome; what was known stays where that is not.
    pub(super) fn note(&self, images: &mut [ImageStatus], outcome: &Result<Outcome, Error>) {
        for image in images {
            let now = match outcome {
                Ok(Outcome::Decided(attempt)) => in_use(&image.alias, attempt),
                Ok(Outcome::Suspended) | Err(_) => None,
            };
            let known = self.0.get(&image.alias);
            let known = known.filter(|_| !is_by_other_rules(&image.alias, outcome));
            let now = now.as_ref().or(known);
            image.last_build = now.and_then(|(repository, last)| {
                Some(LastBuild {
                    image: repository.to_string(),
                    tag: last.tag.to_string(),
                    time: Time(last.created?),
                })
            });
        }
    }
}

/// Whether another strategy than newest build decides on an image.
fn is_by_other_rules(alias: &str, outcome: &Result<Outcome, Error>) -> bool {
    let Ok(Outcome::Decided(attempt)) = outcome else {
        return false;
    };
    let mut images = attempt.model.images.iter();
    images.any(|it| it.alias == alias && !it.policy.strategy.name().needs_build_time())
}

/// The newest image of `alias` that is in use in some place, if newest build decides.
fn in_use(alias: &str, attempt: &Attempt) -> Option<(Repository, Candidate)> {
    let mut images = attempt.images.iter();
    let image = images.find(|image| image.alias == alias)?;
    let repository = &image.tags.as_ref().ok()?.tags.repository;
    let is_dry = attempt.model.dry_run;
    let built = attempt.writes.iter().flat_map(|write| {
        let placements = write.plan.iter().flat_map(|plan| &plan.placements);
        let own = placements.filter(|placement| placement.alias == alias);
        own.filter_map(move |placement| stands(placement, write, is_dry))
    });
    let newest = built.max_by_key(|it| it.created)?;
    Some((repository.clone(), newest))
}

/// What stands in a place after it was written, or was not.
fn stands(placement: &Placement, write: &Write, is_dry: bool) -> Option<Candidate> {
    let is_written = matches!(
        write.written,
        Ok(Written::Pushed { .. } | Written::Patched { .. })
    );
    let has_selected = match &placement.state {
        State::UpToDate => true,
        State::Change(_) => is_written && !is_dry,
        State::NotLive
        | State::TakenBack(_)
        | State::Refused(_)
        | State::AwaitingDigest
        | State::AwaitingLook
        | State::AwaitingPast(_)
        | State::Broken(_) => false,
    };
    let (tag, built) = if has_selected {
        let selected = placement.decision.as_ref()?.selected.clone();
        (selected?, placement.selected_built?)
    } else {
        let current = placement.current.as_ref()?.parse().ok();
        (current?, placement.current_built?)
    };
    Some(Candidate::new(tag).created_at(built))
}
