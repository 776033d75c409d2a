//! What stood in the targets before: how a human's revert is told from an update that is due. Pure.
//!
//! Whenever an image is up to date, its value is kept in the status with the branch it stood on.
//! If the policy later wants to write that very value there, somebody has taken it back since: by
//! `git revert`, by hand, or by moving the branch to before our commit. No history is needed for
//! that, and it survives restarts, also one between a push and the report on it.

use std::collections::BTreeMap;

use image_update_core::remote::BranchName;

use super::{Outcome, Written};
use crate::api::v1alpha1::{
    ImageState, ImageStatus, ImageUpdatePolicy, ImageUpdatePolicyStatus, SettledValue, annotations,
};
use crate::controller::error::Error;

/// What is known of a policy's images, by alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled(BTreeMap<String, SettledValue>);

impl Settled {
    /// What the last status knew; nothing after a change of the spec or a release.
    pub(super) fn before(
        policy: &ImageUpdatePolicy,
        status: Option<&ImageUpdatePolicyStatus>,
    ) -> Self {
        let Some(status) = status else {
            return Self::default();
        };
        if status.observed_generation != policy.metadata.generation
            || status.last_handled_release.as_deref() != annotations::released(&policy.metadata)
        {
            return Self::default();
        }
        let values = status.images.iter().filter_map(|image| {
            let settled = image.settled.clone()?;
            Some((image.alias.clone(), settled))
        });
        Self(values.collect())
    }

    /// The value of an image, if it stood on this branch.
    pub(super) fn on(&self, branch: &BranchName, alias: &str) -> Option<&str> {
        let settled = self.0.get(alias)?;
        (settled.branch == branch.as_str()).then_some(settled.value.as_str())
    }

    /// Notes what stands in the targets now; what is not up to date keeps what was known.
    pub(super) fn note(&self, images: &mut [ImageStatus], outcome: &Result<Outcome, Error>) {
        let branch = branch(outcome);
        for image in images {
            let now = match (image.state, &image.selected, branch) {
                (ImageState::UpToDate, Some(tag), Some(branch)) => Some(SettledValue {
                    value: match &image.digest {
                        Some(digest) => format!("{tag}@{digest}"),
                        None => tag.clone(),
                    },
                    branch: branch.to_string(),
                }),
                _ => None,
            };
            image.settled = now.or_else(|| self.0.get(&image.alias).cloned());
        }
    }
}

/// The branch that the targets were read from or written to; of several Applications, none.
fn branch(outcome: &Result<Outcome, Error>) -> Option<&BranchName> {
    let Ok(Outcome::Decided(attempt)) = outcome else {
        return None;
    };
    if attempt.matched.is_some() {
        return None;
    }
    match &attempt.writes.first()?.written {
        Ok(Written::Pushed { branch, .. }) => Some(branch),
        Ok(Written::Nothing { branch }) => branch.as_ref(),
        Ok(Written::Patched { .. } | Written::Rehearsed) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;

    use super::*;
    use crate::api::v1alpha1::{Reason, WriteBackSpec};

    #[test]
    fn value_is_known_on_its_branch_only() {
        check(1, None, "main", Some("1.1.0"));
        check(1, None, "other", None);
    }

    #[test]
    fn change_of_the_spec_or_a_release_forgets_it() {
        check(2, None, "main", None);
        check(1, Some("now"), "main", None);
    }

    #[track_caller]
    fn check(generation: i64, release: Option<&str>, branch: &str, expected: Option<&str>) {
        let annotation = |value: &str| (annotations::RELEASE.to_owned(), value.to_owned());
        let policy = ImageUpdatePolicy {
            metadata: ObjectMeta {
                generation: Some(generation),
                annotations: Some(release.map(annotation).into_iter().collect()),
                ..ObjectMeta::default()
            },
            spec: spec(),
            status: None,
        };
        let status = ImageUpdatePolicyStatus {
            observed_generation: Some(1),
            images: vec![ImageStatus {
                alias: "web".to_owned(),
                selected: None,
                digest: None,
                current: None,
                state: ImageState::UpToDate,
                reason: Reason::Succeeded,
                message: String::new(),
                held_until: None,
                settled: Some(SettledValue {
                    value: "1.1.0".to_owned(),
                    branch: "main".to_owned(),
                }),
            }],
            ..ImageUpdatePolicyStatus::default()
        };
        let settled = Settled::before(&policy, Some(&status));
        let branch: BranchName = branch.parse().expect("the row's branch is one");
        assert_eq!(settled.on(&branch, "web"), expected);
        assert_eq!(settled.on(&branch, "other"), None);
    }

    fn spec() -> crate::api::v1alpha1::ImageUpdatePolicySpec {
        let git = serde_json::json!({"repository": "https://git.example/env.git", "targets": []});
        let git = serde_json::from_value(git).expect("it has what a spec must have");
        crate::api::v1alpha1::ImageUpdatePolicySpec {
            applications: Vec::new(),
            suspend: false,
            interval: "5m".to_owned(),
            dry_run: false,
            images: Vec::new(),
            write_back: WriteBackSpec {
                git: Some(git),
                argocd: None,
            },
        }
    }
}
