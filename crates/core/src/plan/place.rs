//! One image in one file: what stands there, what should, and the edits in between.

use super::choice::{Choice, built, choose, current_built, is_by_time};
use super::digest::{WantedDigest, wanted_digest};
use super::format::{self, Current, Edits, FormatError};
use super::settled::TakenBack;
use super::target::{Format, Target};
use super::{Change, Digests, ImageInput, Placement, Plan, State, TargetProblem, value};
use crate::argocd::live_image;
use crate::image::{Reference, Tag};
use crate::remote::RepoPath;

/// The file of a target.
pub(super) struct File<'a> {
    pub(super) target: &'a Target,
    pub(super) path: &'a RepoPath,
    pub(super) content: &'a [u8],
    /// Its content at earlier looks, if that is known.
    pub(super) past: Option<&'a Vec<Option<&'a [u8]>>>,
}

impl File<'_> {
    /// Decides one image and adds the edits that it needs to `edits`; to `beside` those that are
    /// written along with others only.
    pub(super) fn place(
        &self,
        image: &ImageInput<'_>,
        digests: &Digests,
        plan: &mut Plan,
        edits: &mut Edits,
        beside: &mut Edits,
    ) -> Result<Placement, TargetProblem> {
        let format = self.target.format;
        let mut current =
            format::read(format, self.content, image).map_err(|problem| self.problem(problem))?;
        let live = self.live(image);
        // Where nothing is overridden, what runs is current.
        let is_implied = matches!(format, Format::ArgocdSource(_))
            && current.tag.is_none()
            && current.digest.is_none()
            && live.is_some();
        if is_implied && let Some(live) = &live {
            current.tag = live.tag.as_ref().map(ToString::to_string);
            current.digest = live.digest.as_ref().map(ToString::to_string);
        }
        let mut placement = Placement {
            alias: image.alias.to_owned(),
            target: self.target.path.clone(),
            file: Some(self.path.clone()),
            application: self.target.application_name(),
            current: current.tag.clone().or_else(|| current.digest.clone()),
            current_built: None,
            selected_built: None,
            decision: None,
            withheld: Vec::new(),
            digest: None,
            state: State::UpToDate,
        };
        if image.only_live && !self.runs(image) {
            placement.state = State::NotLive;
            return Ok(placement);
        }
        let Some(tag) = choose_into(&mut placement, image, &current, digests, plan) else {
            return Ok(placement);
        };
        let digest = placement.digest.as_ref();
        let wanted = format::edits(format, self.content, image, &tag, digest)
            .map_err(|problem| self.problem(problem))?;
        let differs = wanted
            .apply(self.content)
            .map_err(|problem| self.problem(FormatError::Edit(problem)))?
            .is_some();
        if differs && is_implied && current.says(&tag, digest) {
            beside.extend(wanted);
        } else if differs {
            let change = Change {
                image: current.name,
                old: placement.current.clone(),
                new: value(&tag, digest),
            };
            let says = |content: &[u8]| {
                let edits = format::edits(format, content, image, &tag, digest);
                edits.is_ok_and(|edits| matches!(edits.apply(content), Ok(None)))
            };
            let taken_back = image.settled.map_or(TakenBack::No, |settled| {
                settled.taken_back(&change.new, self.past, says)
            });
            placement.state = match taken_back {
                TakenBack::No => {
                    edits.extend(wanted);
                    State::Change(change)
                }
                TakenBack::Yes(look) => {
                    plan.evidence.extend(look);
                    State::TakenBack(change)
                }
                TakenBack::Unknown => {
                    plan.missing_past.insert(self.path.clone());
                    State::AwaitingPast(change)
                }
            };
        }
        Ok(placement)
    }

    /// Whether the Application runs the image, perhaps under the name that it takes the place of:
    /// before anything is written, what the manifests name runs. Its tag is another image's and
    /// counts for nothing. Where there is no Application, nobody can say that it does not run.
    fn runs(&self, image: &ImageInput<'_>) -> bool {
        let Some(application) = &self.target.application else {
            return true;
        };
        let replaced = image.kustomize_name.and_then(|name| name.parse().ok());
        replaced
            .iter()
            .chain([image.repository])
            .any(|name| live_image(application, name).is_some())
    }

    /// The image as the Application runs it.
    fn live(&self, image: &ImageInput<'_>) -> Option<Reference> {
        let application = self.target.application.as_ref()?;
        live_image(application, image.repository)
    }

    pub(super) fn problem(&self, problem: FormatError) -> TargetProblem {
        let file = self.path.to_string();
        match problem {
            FormatError::Edit(problem) => TargetProblem::Edit { file, problem },
            FormatError::Key(problem) => TargetProblem::Key { file, problem },
        }
    }
}

/// Chooses the tag and the digest; `None` if there is none, or not yet, which `placement` then
/// says and `plan` asks for.
fn choose_into(
    placement: &mut Placement,
    image: &ImageInput<'_>,
    current: &Current,
    digests: &Digests,
    plan: &mut Plan,
) -> Option<Tag> {
    let alias = image.alias;
    let (decision, checked) = match choose(image, current, digests) {
        Choice::Decided {
            decision,
            withheld,
            checked,
        } => {
            placement.withheld = withheld;
            (decision, checked)
        }
        Choice::NeedsLooks(tags) => {
            let missing = tags.into_iter().map(|tag| (alias.to_owned(), tag));
            plan.missing_looks.extend(missing);
            placement.state = State::AwaitingLook;
            return None;
        }
        Choice::NeedsDigest(tag) => {
            plan.missing_digests.insert((alias.to_owned(), tag));
            placement.state = State::AwaitingDigest;
            return None;
        }
    };
    if is_by_time(image.policy) {
        placement.current_built = current_built(image, current);
        let selected = decision.selected.as_ref();
        placement.selected_built = selected.and_then(|tag| built(image, tag));
    }
    let Some(tag) = decision.selected.clone() else {
        placement.state = State::Refused(decision.reason.clone());
        placement.decision = Some(decision);
        return None;
    };
    placement.decision = Some(decision);
    match wanted_digest(image, current, &tag, checked.as_ref(), digests) {
        WantedDigest::Known(digest) => placement.digest = digest,
        WantedDigest::Missing => {
            plan.missing_digests.insert((alias.to_owned(), tag));
            placement.state = State::AwaitingDigest;
            return None;
        }
    }
    Some(tag)
}
