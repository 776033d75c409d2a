//! What to write: images, their candidates and the files as they are become edits.
//!
//! The current value of an image is what the write target says, never what happens to run, so an
//! updated tree yields an empty plan. Images and targets are independent of each other: one that
//! can't be decided does not keep the others from being written.

mod choice;
mod digest;
mod format;
mod parts;
mod place;
mod settled;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use jiff::Timestamp;

use crate::image::{Candidate, Digest, Repository, Tag};
use crate::policy::{Decision, Policy, Reason};
use crate::remote::RepoPath;
use crate::target::{EditError, ImageKeys};
use crate::yaml::KeyPath;
pub use choice::{Choice, Known, MAX_LOOKS, Withheld, choose_tag, needs_looks};
use format::{Edits, FormatError};
pub use parts::Part;
use place::File;
pub use settled::{Past, Settled};
pub use target::{Format, Overrides, Target};

/// The files that a plan looks at: `None` where there is no such file.
pub type Files<'a> = BTreeMap<RepoPath, Option<&'a [u8]>>;

/// Digests that are known, by alias and tag.
pub type Digests = BTreeMap<(String, Tag), Digest>;

/// One image of a policy, with what is known of its tags.
#[derive(Clone, Debug)]
pub struct ImageInput<'a> {
    /// The image's alias in the policy.
    pub alias: &'a str,
    /// The image that is written.
    pub repository: &'a Repository,
    /// The name under which a kustomization knows it, if that is another one.
    pub kustomize_name: Option<&'a str>,
    /// The keys that hold it in a chart's values, if the policy says so.
    pub helm: Option<&'a ImageKeys<KeyPath>>,
    /// The variables that hold it for a plugin, if the policy says so.
    pub plugin: Option<&'a ImageKeys<String>>,
    /// What values that are marked for it are marked with: `namespace:name`.
    pub markers: &'a [String],
    /// Whether it is written only where the Application runs it.
    pub only_live: bool,
    /// How its tag is chosen.
    pub policy: &'a Policy,
    /// Whether its digest is written.
    pub digest: DigestRule,
    /// The tags to choose from.
    pub candidates: &'a [Candidate],
    /// What stood in targets when the image was up to date last.
    pub settled: Option<Settled<'a>>,
    /// What is known of the images behind the tags.
    pub known: Known<'a>,
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

/// What a policy wants of its target files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One entry per image and target.
    pub placements: Vec<Placement>,
    /// The new content of each file that changes.
    pub files: BTreeMap<RepoPath, Vec<u8>>,
    /// Digests that must be known before the plan can be carried out, by alias.
    pub missing_digests: BTreeSet<(String, Tag)>,
    /// Tags whose image must be looked at before the plan can be carried out, by alias. Where the
    /// digest of a tag is known, it is that image.
    pub missing_looks: BTreeSet<(String, Tag)>,
    /// Files whose past must be known before the plan can be carried out.
    pub missing_past: BTreeSet<RepoPath>,
    /// The looks of the past that show values which were taken back since.
    pub evidence: BTreeSet<usize>,
}

impl Plan {
    /// Whether nothing has to be known before it can be carried out.
    pub fn is_decided(&self) -> bool {
        self.missing_digests.is_empty()
            && self.missing_looks.is_empty()
            && self.missing_past.is_empty()
    }

    /// Drops what is said of each tag that is not selected, for a plan that is kept for a while.
    pub fn forget_rejected(&mut self) {
        for decision in self.placements.iter_mut().flat_map(|it| &mut it.decision) {
            decision.rejected = Vec::new();
        }
    }

    /// The values that the plan changes, in the order of the spec.
    pub fn changes(&self) -> impl Iterator<Item = (&Placement, &Change)> {
        self.placements
            .iter()
            .filter_map(|placement| match &placement.state {
                State::Change(change) => Some((placement, change)),
                State::UpToDate
                | State::NotLive
                | State::TakenBack(_)
                | State::Refused(_)
                | State::AwaitingDigest
                | State::AwaitingLook
                | State::AwaitingPast(_)
                | State::Broken(_) => None,
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
    /// The file that was found there; `None` if none was.
    pub file: Option<RepoPath>,
    /// The Application, as `namespace/name`.
    pub application: Option<String>,
    /// The tag or digest that the target says now.
    pub current: Option<String>,
    /// When the image of the current tag was built, where newest build decides and that is known.
    pub current_built: Option<Timestamp>,
    /// The same of the tag that should run.
    pub selected_built: Option<Timestamp>,
    /// The tag that should run, and why; `None` if the target can't be read.
    pub decision: Option<Decision>,
    /// Better tags than the selected one that the policy's checks refuse, the best first.
    pub withheld: Vec<Withheld>,
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
    /// The Application does not run the image, and the policy asks for that.
    NotLive,
    /// The target will say something else.
    Change(Change),
    /// The target said so before and was changed back: the change is held.
    TakenBack(Change),
    /// Nothing was selected.
    Refused(Reason),
    /// The digest of the selected tag has to be looked up first.
    AwaitingDigest,
    /// The image of a tag has to be looked at first.
    AwaitingLook,
    /// The target will say something else, unless the past of its file shows a revert.
    AwaitingPast(Change),
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

/// A tag with its digest, where one is written: a value as [`Change::new`] has it.
pub fn value(tag: &impl Display, digest: Option<&impl Display>) -> String {
    match digest {
        Some(digest) => format!("{tag}@{digest}"),
        None => tag.to_string(),
    }
}

/// Why a target can't be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetProblem {
    /// None of the files is there.
    #[error("{path} holds no {}: looked for {}", .format.noun(), .tried.join(", "))]
    NotFound {
        /// The target's path.
        path: String,
        /// What was looked for.
        format: Format,
        /// The files looked for.
        tried: Vec<String>,
    },
    /// None of the files of a folder is about the image.
    #[error("{path}: no YAML file there {sought}")]
    NoneConcerned {
        /// The target's path.
        path: String,
        /// What was looked for.
        sought: String,
    },
    /// Several of the files are there; kustomize itself refuses such a folder.
    #[error("{path} holds more than one {}: {}; remove all but one", .format.noun(), .found.join(", "))]
    Ambiguous {
        /// The target's path.
        path: String,
        /// What was looked for.
        format: Format,
        /// The files found.
        found: Vec<String>,
    },
    /// The file can't be read as what it should be, or can't be edited safely.
    #[error("{file} was left as it is: {problem}")]
    Edit {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: EditError,
    },
    /// The policy does not say how the image stands in the file.
    #[error("{file}: {problem}")]
    Key {
        /// The file.
        file: String,
        /// What is missing.
        problem: ImageKeyError,
    },
}

/// What an image of a policy lacks for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageKeyError {
    /// A values file can hold an image anywhere.
    #[error("the image has no `helm`; set helm.tag, or helm.spec, to its key in the values")]
    NoHelm,
    /// So can the environment of a plugin.
    #[error("the image has no `plugin`; set plugin.tag, or plugin.spec, to a variable's name")]
    NoPlugin,
}

/// Decides what should stand in the `targets` and how the `files` must change for that.
///
/// `digests` holds what is known of the digests of selected tags, by alias; a digest that is
/// needed and not there is asked for in [`Plan::missing_digests`], and its image waits. So it is
/// with [`Known::looks`] and [`Plan::missing_looks`], and with `past` and [`Plan::missing_past`].
pub fn decide(
    images: &[ImageInput<'_>],
    targets: &[Target],
    files: &Files<'_>,
    digests: &Digests,
    past: &Past<'_>,
) -> Plan {
    let mut plan = Plan::default();
    for target in targets {
        match target::locate(target, files) {
            Ok(found) => {
                let before = plan.placements.len();
                for (path, content) in found {
                    let file = File {
                        target,
                        past: past.get(&path),
                        path: &path,
                        content,
                    };
                    place_all(images, &file, digests, &mut plan);
                }
                let missing = missing(images, target, &plan.placements[before..]);
                plan.placements.extend(missing);
            }
            Err(problem) => {
                plan.placements
                    .extend(images.iter().map(|image| broken(image, target, &problem)));
            }
        }
    }
    plan
}

/// Decides every image of one file, then edits the file once.
fn place_all(images: &[ImageInput<'_>], file: &File<'_>, digests: &Digests, plan: &mut Plan) {
    let (target, content) = (file.target, file.content);
    let mut edits = Edits::none(target.format);
    let mut beside = Edits::none(target.format);
    let mut placements: Vec<Placement> = images
        .iter()
        .filter(|image| format::concerns(target.format, content, image))
        .map(|image| {
            file.place(image, digests, plan, &mut edits, &mut beside)
                .unwrap_or_else(|problem| Placement {
                    file: Some(file.path.clone()),
                    ..broken(image, target, &problem)
                })
        })
        .collect();
    if placements
        .iter()
        .any(|it| matches!(it.state, State::Change(_)))
    {
        edits.extend(beside);
        edits.extend(format::repeated(target, images));
    }
    // Two targets may name one file: the second one's edits go on top of the first one's.
    let base = plan.files.get(file.path).map_or(content, Vec::as_slice);
    match edits.apply(base) {
        Ok(Some(edited)) => {
            plan.files.insert(file.path.clone(), edited);
        }
        Ok(None) => {}
        Err(problem) => {
            let problem = file.problem(FormatError::Edit(problem));
            for placement in &mut placements {
                if matches!(placement.state, State::Change(_)) {
                    placement.state = State::Broken(problem.clone());
                }
            }
        }
    }
    plan.placements.append(&mut placements);
}

/// The images that no file of a folder has.
fn missing(images: &[ImageInput<'_>], target: &Target, placed: &[Placement]) -> Vec<Placement> {
    let is_placed = |image: &&ImageInput<'_>| placed.iter().any(|it| it.alias == image.alias);
    let missing = images.iter().filter(|image| !is_placed(image));
    missing
        .map(|image| {
            let sought = match target.format {
                Format::Markers => format!("is marked for {}", image.markers.join(" or ")),
                Format::Manifests(_)
                | Format::Kustomization
                | Format::HelmValues
                | Format::ArgocdSource(_) => format!("runs {}", image.repository.familiar()),
            };
            let problem = TargetProblem::NoneConcerned {
                path: target.path.clone(),
                sought,
            };
            broken(image, target, &problem)
        })
        .collect()
}

fn broken(image: &ImageInput<'_>, target: &Target, problem: &TargetProblem) -> Placement {
    Placement {
        alias: image.alias.to_owned(),
        target: target.path.clone(),
        file: None,
        application: target.application_name(),
        current: None,
        current_built: None,
        selected_built: None,
        decision: None,
        withheld: Vec::new(),
        digest: None,
        state: State::Broken(problem.clone()),
    }
}

#[cfg(test)]
mod tests;
