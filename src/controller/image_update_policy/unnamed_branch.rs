//! Which branch a policy means that names none: the remote's default, as far as it is known. Pure.
//!
//! Nobody is asked. A policy that has written, or found all up to date, has the branch in its status.

use std::collections::BTreeSet;

use image_update_core::remote::RemoteUrl;

use super::destinations::{Destination, Selection};
use super::settled;
use crate::api::v1alpha1::ImageUpdatePolicy;

/// What a default branch is called nearly everywhere. Taken for it until it is known, so that the
/// first write of a policy that names no branch meets those that name theirs.
const USUAL: [&str; 2] = ["main", "master"];

/// The branches that may be the one that `policy`, which selects `selection`, means at `remote`.
pub(super) fn candidates(
    policy: &ImageUpdatePolicy,
    selection: &Selection,
    remote: &RemoteUrl,
) -> BTreeSet<String> {
    let known = known(policy, selection, remote);
    if known.is_empty() {
        USUAL.map(str::to_owned).into()
    } else {
        known
    }
}

fn known(
    policy: &ImageUpdatePolicy,
    selection: &Selection,
    remote: &RemoteUrl,
) -> BTreeSet<String> {
    let status = policy.status.as_ref();
    let status = status.filter(|it| it.observed_generation == policy.metadata.generation);
    let Some(status) = status else {
        return BTreeSet::new();
    };
    let values = status.images.iter().filter_map(|it| it.settled.as_ref());
    let of_files = values.filter_map(|it| it.branch.as_ref());
    let repository = settled::digest(remote);
    let of_applications = status
        .settled_branches
        .iter()
        .filter(|it| it.repository == repository)
        .map(|it| &it.branch);
    let named: BTreeSet<&str> = selection
        .destinations
        .iter()
        .filter_map(|destination| match destination {
            Destination::Git(git) if git.url == *remote => Some(git.branch.as_ref()?.as_str()),
            Destination::Git(_) | Destination::Application { .. } => None,
        })
        .collect();
    of_files
        .chain(of_applications)
        .filter(|branch| !named.contains(branch.as_str()))
        .cloned()
        .collect()
}
