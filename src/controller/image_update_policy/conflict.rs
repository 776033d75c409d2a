//! Two policies that write the same field of the same file: the older one goes on. Pure.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::v1alpha1::{ImageSpec, ImageUpdatePolicy, TargetSpec};
use crate::controller::context::GuardedPolicy;
use crate::controller::error::Error;
use crate::controller::status::names;

/// Fails if an older policy writes a field that `policy` writes too.
pub(super) fn check(policy: &ImageUpdatePolicy, all: &[Arc<GuardedPolicy>]) -> Result<(), Error> {
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
        let targets = theirs.targets.iter().filter_map(target_path);
        for (kind, path) in targets {
            let is_ours = |target| target_path(target) == Some((kind, path));
            if !ours.targets.iter().any(is_ours) {
                continue;
            }
            if let Some(field) = shared_field(kind, &policy.spec.images, &other.spec.images) {
                return Err(Error::Conflict {
                    holder: describe(other, policy),
                    image: field,
                    path: path.to_owned(),
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

/// What a target is: it says which fields of the file an image takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kustomization,
    HelmValues,
}

/// The kind of a target and its path, in one spelling.
fn target_path(target: &TargetSpec) -> Option<(Kind, &str)> {
    let (kind, path) = match (&target.kustomization, &target.helm_values) {
        (Some(target), None) => (Kind::Kustomization, &target.path),
        (None, Some(target)) => (Kind::HelmValues, &target.path),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let path = path.trim_end_matches('/').trim_start_matches("./");
    Some((kind, path))
}

/// A field of such a file that both lists of images write.
fn shared_field(kind: Kind, ours: &[ImageSpec], theirs: &[ImageSpec]) -> Option<String> {
    let fields = |image: &ImageSpec| match kind {
        Kind::Kustomization => entry_name(image).into_iter().collect(),
        Kind::HelmValues => keys(image),
    };
    let theirs: Vec<String> = theirs.iter().flat_map(fields).collect();
    ours.iter()
        .flat_map(fields)
        .find(|field| theirs.contains(field))
}

/// The name of the image's entry in a kustomization.
fn entry_name(image: &ImageSpec) -> Option<String> {
    match (&image.kustomize, &image.image, &image.watch_ref) {
        (Some(kustomize), _, _) => Some(kustomize.name.clone()),
        (None, Some(image), _) => Some(image.clone()),
        // The same watch is the same image; watches of other names are told apart by theirs.
        (None, None, Some(watch)) => Some(format!("watch {}", watch.name)),
        (None, None, None) => None,
    }
}

/// The keys of Helm values that the image takes.
fn keys(image: &ImageSpec) -> Vec<String> {
    let helm = image.helm.iter();
    helm.flat_map(|helm| [&helm.name, &helm.tag, &helm.spec])
        .flatten()
        .cloned()
        .collect()
}
