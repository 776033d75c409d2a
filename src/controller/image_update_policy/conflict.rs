//! Two policies that write the same field of the same file: the older one goes on. Pure.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::v1alpha1::{ImageSpec, ImageUpdatePolicy};
use crate::api::validate::PolicyModel;
use crate::controller::context::GuardedPolicy;
use crate::controller::error::Error;
use crate::controller::status::names;

/// Fails if an older policy writes a field that `policy` writes too.
pub(super) fn check(
    policy: &ImageUpdatePolicy,
    model: &PolicyModel,
    all: &[Arc<GuardedPolicy>],
) -> Result<(), Error> {
    for other in all.iter().filter_map(|other| other.0.as_ref().ok()) {
        let ours = &policy.spec.write_back.git;
        let theirs = &other.spec.write_back.git;
        // The cheap comparisons come first: this runs over every policy of the cluster.
        if theirs.repository != ours.repository
            || theirs.branch != ours.branch
            || other.spec.suspend
            || !is_older(other, policy)
        {
            continue;
        }
        for target in &theirs.targets {
            let path = normalised(&target.kustomization.path);
            if !model
                .git
                .targets
                .iter()
                .any(|mine| normalised(&mine.path) == path)
            {
                continue;
            }
            if let Some(image) = shared_name(&policy.spec.images, &other.spec.images) {
                return Err(Error::Conflict {
                    holder: describe(other, policy),
                    image,
                    path: target.kustomization.path.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Whether `other` was there before `policy`; of two made in the same second, the first by name.
fn is_older(other: &ImageUpdatePolicy, policy: &ImageUpdatePolicy) -> bool {
    let age = |policy: &ImageUpdatePolicy| policy.creation_timestamp().map(|time| time.0);
    (age(other), names(&other.metadata)) < (age(policy), names(&policy.metadata))
}

/// Only a policy of the same namespace is named: who else is in the cluster is nobody's business.
fn describe(other: &ImageUpdatePolicy, policy: &ImageUpdatePolicy) -> String {
    if other.namespace() == policy.namespace() {
        format!("ImageUpdatePolicy {}", other.name_any())
    } else {
        "an older ImageUpdatePolicy of another namespace".to_owned()
    }
}

fn normalised(path: &str) -> &str {
    path.trim_end_matches('/').trim_start_matches("./")
}

/// A name of a kustomization's entry that both lists of images write.
fn shared_name(ours: &[ImageSpec], theirs: &[ImageSpec]) -> Option<String> {
    let name = |image: &ImageSpec| match (&image.kustomize, &image.image, &image.watch_ref) {
        (Some(kustomize), _, _) => Some(kustomize.name.clone()),
        (None, Some(image), _) => Some(image.clone()),
        // The same watch is the same image; watches of other names are told apart by theirs.
        (None, None, Some(watch)) => Some(format!("watch {}", watch.name)),
        (None, None, None) => None,
    };
    let theirs: Vec<String> = theirs.iter().filter_map(name).collect();
    ours.iter()
        .filter_map(name)
        .find(|name| theirs.contains(name))
}
