//! What to write: images, their candidates and the files as they are become edits.
//!
//! The current value of an image is what the write target says, never what happens to run, so an
//! updated tree yields an empty plan. Images and targets are independent of each other: one that
//! can't be decided does not keep the others from being written.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::{Candidate, Digest, Repository, Tag};
use crate::policy::{Decision, Policy, Reason, select};
use crate::remote::RepoPath;
use crate::target::EditError;
use crate::target::kustomization::{self, Entry, ImageEdit};

/// The files that a plan looks at: `None` where there is no such file.
pub type Files<'a> = BTreeMap<RepoPath, Option<&'a [u8]>>;

/// One image of a policy, with what is known of its tags.
#[derive(Clone, Debug)]
pub struct ImageInput<'a> {
    /// The image's alias in the policy.
    pub alias: &'a str,
    /// The image that is written.
    pub repository: &'a Repository,
    /// The name under which a kustomization knows it, if that is another one.
    pub kustomize_name: Option<&'a str>,
    /// How its tag is chosen.
    pub policy: &'a Policy,
    /// Whether its digest is written.
    pub digest: DigestRule,
    /// The tags to choose from.
    pub candidates: &'a [Candidate],
}

/// Whether a digest is written beside the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestRule {
    /// Never.
    Never,
    /// Resolved once per selected tag, then kept.
    IfNotPresent,
    /// Looked up each time.
    Always,
}

/// Where a kustomization stands: the files it may be, in the order they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KustomizationTarget {
    /// The folder or file as the user wrote it, for messages.
    pub path: String,
    /// The files it may be.
    pub files: Vec<RepoPath>,
}

/// What a policy wants of its target files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One entry per image and target.
    pub placements: Vec<Placement>,
    /// The new content of each file that changes.
    pub files: BTreeMap<RepoPath, Vec<u8>>,
    /// Digests that must be known before the plan can be carried out, by alias.
    pub missing_digests: BTreeSet<(String, Tag)>,
}

impl Plan {
    /// The values that the plan changes, in the order of the spec.
    pub fn changes(&self) -> impl Iterator<Item = (&Placement, &Change)> {
        self.placements
            .iter()
            .filter_map(|placement| match &placement.state {
                State::Change(change) => Some((placement, change)),
                State::UpToDate | State::Refused(_) | State::AwaitingDigest | State::Broken(_) => {
                    None
                }
            })
    }
}

/// One image in one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The image's alias in the policy.
    pub alias: String,
    /// The target's path as the user wrote it.
    pub target: String,
    /// The tag or digest that the target says now.
    pub current: Option<String>,
    /// The tag that should run, and why; `None` if the target can't be read.
    pub decision: Option<Decision>,
    /// The digest that should run, where one is written.
    pub digest: Option<Digest>,
    /// What follows from it.
    pub state: State,
}

/// What follows for one image in one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The target says what was selected.
    UpToDate,
    /// The target will say something else.
    Change(Change),
    /// Nothing was selected.
    Refused(Reason),
    /// The digest of the selected tag has to be looked up first.
    AwaitingDigest,
    /// The target can't be read or edited.
    Broken(TargetProblem),
}

/// A value before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The image that is written, as in the target.
    pub image: String,
    /// The old tag or digest; `None` if the target had no entry.
    pub old: Option<String>,
    /// The new tag, with its digest where one is written.
    pub new: String,
}

/// Why a target can't be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetProblem {
    /// None of the files is there.
    #[error("{path} holds no kustomization: looked for {}", .tried.join(", "))]
    NotFound {
        /// The target's path.
        path: String,
        /// The files looked for.
        tried: Vec<String>,
    },
    /// Several of the files are there; kustomize itself refuses such a folder.
    #[error("{path} holds more than one kustomization: {}; remove all but one", .found.join(", "))]
    Ambiguous {
        /// The target's path.
        path: String,
        /// The files found.
        found: Vec<String>,
    },
    /// The file can't be read as a kustomization, or can't be edited safely.
    #[error("{file} was left as it is: {problem}")]
    Edit {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: EditError,
    },
}

/// Decides what should stand in the `targets` and how the `files` must change for that.
///
/// `digests` holds what is known of the digests of selected tags, by alias; a digest that is
/// needed and not there is asked for in [`Plan::missing_digests`], and its image waits.
pub fn decide(
    images: &[ImageInput<'_>],
    targets: &[KustomizationTarget],
    files: &Files<'_>,
    digests: &BTreeMap<(String, Tag), Digest>,
) -> Plan {
    let mut plan = Plan {
        placements: Vec::new(),
        files: BTreeMap::new(),
        missing_digests: BTreeSet::new(),
    };
    for target in targets {
        match locate(target, files) {
            Ok((path, content)) => place_all(images, target, path, content, digests, &mut plan),
            Err(problem) => {
                plan.placements
                    .extend(images.iter().map(|image| broken(image, target, &problem)));
            }
        }
    }
    plan
}

fn locate<'f>(
    target: &KustomizationTarget,
    files: &Files<'f>,
) -> Result<(RepoPath, &'f [u8]), TargetProblem> {
    let found: Vec<_> = target
        .files
        .iter()
        .filter_map(|path| {
            files
                .get(path)
                .copied()
                .flatten()
                .map(|content| (path, content))
        })
        .collect();
    match found.as_slice() {
        [(path, content)] => Ok(((*path).clone(), content)),
        [] => Err(TargetProblem::NotFound {
            path: target.path.clone(),
            tried: target.files.iter().map(ToString::to_string).collect(),
        }),
        several => Err(TargetProblem::Ambiguous {
            path: target.path.clone(),
            found: several.iter().map(|(path, _)| path.to_string()).collect(),
        }),
    }
}

/// Decides every image of one file, then edits the file once.
fn place_all(
    images: &[ImageInput<'_>],
    target: &KustomizationTarget,
    path: RepoPath,
    content: &[u8],
    digests: &BTreeMap<(String, Tag), Digest>,
    plan: &mut Plan,
) {
    let mut edits = Vec::new();
    let mut placements = Vec::new();
    for image in images {
        let placement = match kustomization::read(content, name_in_target(image)) {
            Ok(entry) => place(image, target, entry.as_ref(), digests, plan, &mut edits),
            Err(problem) => broken(image, target, &edit_problem(&path, problem)),
        };
        placements.push(placement);
    }
    // Two targets may name one file: the second one's edits go on top of the first one's.
    let base = plan.files.get(&path).map_or(content, Vec::as_slice);
    match kustomization::edit(base, &edits) {
        Ok(Some(edited)) => {
            plan.files.insert(path, edited);
        }
        Ok(None) => {}
        Err(problem) => {
            let problem = edit_problem(&path, problem);
            for placement in &mut placements {
                if matches!(placement.state, State::Change(_)) {
                    placement.state = State::Broken(problem.clone());
                }
            }
        }
    }
    plan.placements.append(&mut placements);
}

fn place(
    image: &ImageInput<'_>,
    target: &KustomizationTarget,
    entry: Option<&Entry>,
    digests: &BTreeMap<(String, Tag), Digest>,
    plan: &mut Plan,
    edits: &mut Vec<ImageEdit>,
) -> Placement {
    let current_tag = entry.and_then(|entry| entry.new_tag.as_deref());
    let current_digest = entry.and_then(|entry| entry.digest.as_deref());
    let decision = select(image.policy, current_tag, image.candidates);
    let mut placement = Placement {
        alias: image.alias.to_owned(),
        target: target.path.clone(),
        current: current_tag.or(current_digest).map(ToOwned::to_owned),
        decision: None,
        digest: None,
        state: State::UpToDate,
    };
    let Some(tag) = decision.selected.clone() else {
        placement.state = State::Refused(decision.reason.clone());
        placement.decision = Some(decision);
        return placement;
    };
    placement.decision = Some(decision);
    let kept = current_digest.filter(|_| current_tag == Some(tag.as_str()));
    let digest = match (image.digest, kept) {
        (DigestRule::Never, _) => None,
        (DigestRule::IfNotPresent, Some(kept)) => kept.parse().ok(),
        (DigestRule::IfNotPresent, None) | (DigestRule::Always, _) => {
            let key = (image.alias.to_owned(), tag.clone());
            if let Some(digest) = digests.get(&key) {
                Some(digest.clone())
            } else {
                plan.missing_digests.insert(key);
                placement.state = State::AwaitingDigest;
                return placement;
            }
        }
    };
    placement.digest.clone_from(&digest);
    let edit = ImageEdit {
        name: name_in_target(image).to_owned(),
        new_name: new_name(image, entry),
        new_tag: Some(tag.to_string()),
        digest: digest.as_ref().map(ToString::to_string),
    };
    if differs(entry, &edit) {
        placement.state = State::Change(Change {
            image: edit.name.clone(),
            old: placement.current.clone(),
            new: match &edit.digest {
                Some(digest) => format!("{tag}@{digest}"),
                None => tag.to_string(),
            },
        });
        edits.push(edit);
    }
    placement
}

/// The name of the image's entry: what the manifests call it.
fn name_in_target<'a>(image: &'a ImageInput<'_>) -> &'a str {
    image
        .kustomize_name
        .unwrap_or_else(|| image.repository.familiar())
}

/// `newName` is written only where the entry does not lead to the image already.
fn new_name(image: &ImageInput<'_>, entry: Option<&Entry>) -> Option<String> {
    let name = name_in_target(image);
    let written = entry
        .and_then(|entry| entry.new_name.as_deref())
        .unwrap_or(name);
    let leads_there = written
        .parse::<Repository>()
        .is_ok_and(|written| written == *image.repository);
    (!leads_there).then(|| image.repository.familiar().to_owned())
}

fn differs(entry: Option<&Entry>, edit: &ImageEdit) -> bool {
    let Some(entry) = entry else { return true };
    edit.new_name.is_some() || entry.new_tag != edit.new_tag || entry.digest != edit.digest
}

fn edit_problem(path: &RepoPath, problem: EditError) -> TargetProblem {
    TargetProblem::Edit {
        file: path.to_string(),
        problem,
    }
}

fn broken(
    image: &ImageInput<'_>,
    target: &KustomizationTarget,
    problem: &TargetProblem,
) -> Placement {
    Placement {
        alias: image.alias.to_owned(),
        target: target.path.clone(),
        current: None,
        decision: None,
        digest: None,
        state: State::Broken(problem.clone()),
    }
}
