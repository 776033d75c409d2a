//! What a plan has to know of tags beyond their names: digests, and the images behind them.
//!
//! The plan says what it needs ([`Wanted`]), this asks the registry, and the plan is made again.
//! An image of which something can't be had is left out, with its error; the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image_update_core::image::{Digest, Tag};
use image_update_core::plan::{self, Digests, Plan};
use image_update_core::policy::{Look, Policy};

use super::gather::{Gathered, Known};
use crate::api::validate::{ImageModel, PolicyModel};
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::registry::{MAX_QUESTION, Question};

/// The looks of an image that has none.
static NO_LOOKS: BTreeMap<Tag, Look> = BTreeMap::new();

/// What is known, by alias.
#[derive(Clone, Default)]
pub(super) struct Lookups {
    /// Digests of tags.
    pub(super) digests: Digests,
    looks: BTreeMap<String, Arc<BTreeMap<Tag, Look>>>,
    failed: Vec<(String, Arc<Error>)>,
    round: u32,
}

impl Lookups {
    /// What is known already of images that need more than their tags' names. It asks no registry.
    pub(super) async fn known(model: &PolicyModel, images: &[Gathered], context: &Context) -> Self {
        let mut lookups = Self::default();
        for (image, gathered) in model.images.iter().zip(images) {
            let Ok(known) = &gathered.tags else { continue };
            if !plan::needs_looks(&image.policy) {
                continue;
            }
            // What is wrong with the access shows when the registry is asked.
            let Ok(access) = known.access(context).await else {
                continue;
            };
            let question = Question {
                repository: &known.tags.repository,
                access: &access,
                platforms: &image.policy.checks.platforms,
                needs_time: needs_time(&image.policy),
            };
            let looks = context.builds.known(&question, &known.tags.tags).await;
            lookups.looks.insert(image.alias.clone(), Arc::new(looks));
        }
        lookups
    }

    /// What is known of the images behind the tags of `alias`.
    pub(super) fn looks(&self, alias: &str) -> &BTreeMap<Tag, Look> {
        self.looks.get(alias).map_or(&NO_LOOKS, AsRef::as_ref)
    }

    /// Whether something of `alias` can't be had, so that nothing is decided about it.
    pub(super) fn has_failed(&self, alias: &str) -> bool {
        self.failed.iter().any(|(of, _)| of == alias)
    }

    /// How many times registries have been asked.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// What could not be had, by alias.
    pub(super) fn into_errors(self) -> Vec<(String, Arc<Error>)> {
        self.failed
    }

    /// Asks the registries for what `plan` waits for.
    pub(super) async fn learn(
        &mut self,
        plan: &Plan,
        model: &PolicyModel,
        images: &[Gathered],
        context: &Context,
    ) {
        self.round += 1;
        for (image, gathered) in model.images.iter().zip(images) {
            let Ok(known) = &gathered.tags else { continue };
            if let Err(error) = self.learn_one(plan, image, known, context).await {
                self.failed.push((image.alias.clone(), Arc::new(error)));
            }
        }
    }

    async fn learn_one(
        &mut self,
        plan: &Plan,
        image: &ImageModel,
        known: &Known,
        context: &Context,
    ) -> Result<(), Error> {
        let of_image = |set: &BTreeSet<(String, Tag)>| -> Vec<Tag> {
            let own = set.iter().filter(|(alias, _)| *alias == image.alias);
            own.map(|(_, tag)| tag.clone()).collect()
        };
        let (digests, looks) = (
            of_image(&plan.missing_digests),
            of_image(&plan.missing_looks),
        );
        // What is known counts, too, or it would depend on the last restart. A tag that is in use
        // and not listed comes on top.
        let listed = looks.iter().filter(|tag| known.tags.tags.contains(tag));
        let count = listed.count() + self.looks(&image.alias).len();
        if image.policy.strategy.name().needs_build_time() && count > MAX_QUESTION {
            return Err(Error::TooManyBuilds {
                repository: known.tags.repository.clone(),
                count,
            });
        }
        if digests.is_empty() && looks.is_empty() {
            return Ok(());
        }
        let access = known.access(context).await?;
        let repository = &known.tags.repository;
        let registry_error = |source| Error::Registry(Arc::new(source));
        for tag in digests {
            let resolved = context.registry.resolve_digest(repository, &tag, &access);
            let digest = resolved.await.map_err(registry_error)?;
            self.digests.insert((image.alias.clone(), tag), digest);
        }
        if looks.is_empty() {
            return Ok(());
        }
        let question = Question {
            repository,
            access: &access,
            platforms: &image.policy.checks.platforms,
            needs_time: needs_time(&image.policy),
        };
        let tags: Vec<(Tag, Option<Digest>)> = looks
            .into_iter()
            .map(|tag| {
                let key = (image.alias.clone(), tag);
                let digest = self.digests.get(&key).cloned();
                (key.1, digest)
            })
            .collect();
        let looked = context.builds.look(&question, &tags).await;
        let looked = looked.map_err(registry_error)?;
        let looks = self.looks.entry(image.alias.clone()).or_default();
        Arc::make_mut(looks).extend(looked);
        Ok(())
    }
}

/// Whether a policy compares times, or ages.
fn needs_time(policy: &Policy) -> bool {
    policy.strategy.name().needs_build_time() || !policy.checks.minimum_age.is_zero()
}
