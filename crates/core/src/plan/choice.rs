//! Which tag an image should have in one target: the selection, and the checks of what it selects.
//!
//! What is not known yet is asked for, the best first and no more than needed: where tags are
//! ordered by their text, the image of the tag that would be written, then that of the next one
//! if it is refused. Newest build needs the time of every tag that passes the filters, and that of
//! the current one, wherever it is to be had: it never goes below it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::format::Current;
use super::{DigestRule, Digests, ImageInput};
use crate::image::{Candidate, Digest, Sightings, Tag};
use crate::policy::{
    self, Decision, Facts, Look, Policy, Refusal, Rejection, Rule, ranked_knowing, select,
    select_knowing,
};

/// The most images that are looked at for one tag to write. Where this many are refused, none is
/// written: a policy that asks that much of a repository that gives that little needs a person.
pub const MAX_LOOKS: usize = 32;

/// What is known of the images behind an image's tags.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the registry said about tags.
    pub looks: &'a BTreeMap<Tag, Look>,
    /// When tags were first seen.
    pub sightings: &'a Sightings,
    /// The time.
    pub now: Timestamp,
    /// The tag that was in use last and when its image was built, as somebody wrote it down.
    /// Newest build goes by it where the registry has lost the image.
    pub last: Option<&'a Candidate>,
}

/// A better tag than the selected one that a check refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The tag.
    pub tag: Tag,
    /// Why it is not written.
    pub refusal: Refusal,
}

/// What follows from what is known.
#[derive(Clone, Debug)]
pub enum Choice {
    /// The tag is decided.
    Decided {
        /// The tag, and why.
        decision: Decision,
        /// Better tags that a check refuses, the best first, at most [`MAX_LOOKS`].
        withheld: Vec<Withheld>,
        /// The digest of the image that passed the checks; `None` if none had to.
        checked: Option<Digest>,
    },
    /// Images have to be looked at first.
    NeedsLooks(Vec<Tag>),
    /// The digest of a tag that is followed has to be looked up first.
    NeedsDigest(Tag),
}

/// Chooses the tag of `image` where the tag `current` is in use, for whoever has no file to write.
pub fn choose_tag(image: &ImageInput<'_>, current: Option<&str>, digests: &Digests) -> Choice {
    let current = Current {
        tag: current.map(str::to_owned),
        ..Current::default()
    };
    choose(image, &current, digests)
}

/// Chooses the tag of `image`, of which a file says `current`.
pub(super) fn choose(image: &ImageInput<'_>, current: &Current, digests: &Digests) -> Choice {
    let policy = image.policy;
    let is_pinned = policy.pin.is_some();
    let has_checks = !policy.checks.is_empty() && !is_pinned;
    if !is_by_time(policy) {
        return if has_checks {
            check(image, current, digests, image.candidates, Vec::new(), None)
        } else {
            decided(select(policy, current.tag.as_deref(), image.candidates))
        };
    }
    let unknown = without_time(image, current);
    if !unknown.is_empty() {
        return Choice::NeedsLooks(unknown);
    }
    let refused = unusable(image);
    let dated = dated(image);
    let built = current_built(image, current);
    if has_checks {
        check(image, current, digests, &dated, refused, built)
    } else {
        let facts = Facts {
            refused: &refused,
            current_built: built,
        };
        decided(select_knowing(
            policy,
            current.tag.as_deref(),
            &dated,
            &facts,
        ))
    }
}

/// Whether the times of builds decide.
pub(super) fn is_by_time(policy: &Policy) -> bool {
    policy.strategy.name().needs_build_time() && policy.pin.is_none()
}

fn decided(decision: Decision) -> Choice {
    Choice::Decided {
        decision,
        withheld: Vec::new(),
        checked: None,
    }
}

/// The tags that newest build needs the time of, the current one included, listed or not: without
/// its time a newer one could be replaced by an older one.
fn without_time(image: &ImageInput<'_>, current: &Current) -> Vec<Tag> {
    let current = current.tag.iter().filter_map(|tag| tag.parse().ok());
    // Where there is nothing to select from, nothing is compared with it.
    let current = current.filter(|_| !image.candidates.is_empty());
    let needed = policy::without_build_time(image.policy, image.candidates);
    let mut unknown: Vec<Tag> = needed
        .map(|candidate| candidate.tag.clone())
        .chain(current)
        .filter(|tag| !image.known.looks.contains_key(tag))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

/// When the image of the current tag was built: as the registry has it, or as it was written down
/// while the registry had it.
pub(super) fn current_built(image: &ImageInput<'_>, current: &Current) -> Option<Timestamp> {
    let current: Tag = current.tag.as_ref()?.parse().ok()?;
    let last = image.known.last.filter(|last| last.tag == current);
    built(image, &current).or_else(|| last.and_then(Candidate::build_time))
}

/// When the image of a tag was built, as the registry has it.
pub(super) fn built(image: &ImageInput<'_>, tag: &Tag) -> Option<Timestamp> {
    match image.known.looks.get(tag)? {
        Look::Found(found) => found.built(&image.policy.checks.platforms),
        Look::Gone => None,
    }
}

/// The candidates with the times of their builds.
fn dated(image: &ImageInput<'_>) -> Vec<Candidate> {
    let date = |candidate: &Candidate| match image.known.looks.get(&candidate.tag) {
        Some(Look::Found(_)) => Candidate {
            tag: candidate.tag.clone(),
            created: built(image, &candidate.tag),
        },
        Some(Look::Gone) | None => candidate.clone(),
    };
    image.candidates.iter().map(date).collect()
}

/// The candidates that newest build must not order: their time is of no use.
fn unusable(image: &ImageInput<'_>) -> Vec<Rejection> {
    let refuse = |(tag, look): (&Tag, &Look)| {
        let rule = match look {
            Look::Gone => Rule::Gone,
            Look::Found(found) if found.missing(&image.policy.checks.platforms).is_some() => {
                Rule::PlatformMissing
            }
            Look::Found(_) => return None,
        };
        Some(Rejection {
            tag: tag.clone(),
            rule,
        })
    };
    image.known.looks.iter().filter_map(refuse).collect()
}

/// Goes down from the best candidate until one passes, or stands there already.
fn check(
    image: &ImageInput<'_>,
    current: &Current,
    digests: &Digests,
    candidates: &[Candidate],
    mut refused: Vec<Rejection>,
    current_built: Option<Timestamp>,
) -> Choice {
    let policy = image.policy;
    let current_tag = current.tag.as_deref();
    let mut withheld: Vec<Withheld> = Vec::new();
    let mut passed = None;
    let facts = Facts {
        refused: &refused,
        current_built,
    };
    for candidate in ranked_knowing(policy, current_tag, candidates, &facts) {
        let tag = &candidate.tag;
        let followed = match followed(image, tag, digests) {
            Ok(followed) => followed,
            Err(missing) => return Choice::NeedsDigest(missing),
        };
        if stands(image, current, tag, followed) {
            passed = Some(None);
            break;
        }
        let look = match image.known.looks.get(tag) {
            Some(look) if is_about(look, followed) => look,
            Some(_) | None => return Choice::NeedsLooks(vec![tag.clone()]),
        };
        let first_seen = image.known.sightings.first_seen(tag);
        let Some(refusal) = policy.checks.refuse(look, first_seen, image.known.now) else {
            passed = Some(digest_of(look));
            break;
        };
        withheld.push(Withheld {
            tag: tag.clone(),
            refusal,
        });
        // What runs is not exchanged for something worse because its tag was moved.
        if current_tag == Some(tag.as_str()) || withheld.len() == MAX_LOOKS {
            break;
        }
    }
    refused.extend(withheld.iter().map(|it| Rejection {
        tag: it.tag.clone(),
        rule: it.refusal.rule(),
    }));
    let facts = Facts {
        refused: &refused,
        current_built,
    };
    let decision = select_knowing(policy, current_tag, candidates, &facts);
    let decision = match (&passed, withheld.first()) {
        (None, Some(best)) => withhold(decision, best),
        (Some(_), _) | (None, None) => decision,
    };
    Choice::Decided {
        decision,
        withheld,
        checked: passed.flatten(),
    }
}

/// The digest that `tag` has now, where it is followed; the tag if that is not known yet.
fn followed<'d>(
    image: &ImageInput<'_>,
    tag: &Tag,
    digests: &'d Digests,
) -> Result<Option<&'d Digest>, Tag> {
    match image.digest {
        DigestRule::Never | DigestRule::IfNotPresent => Ok(None),
        DigestRule::Always => match digests.get(&(image.alias.to_owned(), tag.clone())) {
            Some(digest) => Ok(Some(digest)),
            None => Err(tag.clone()),
        },
    }
}

/// Whether writing `tag` would change nothing that names an image, so that nothing is to check.
fn stands(image: &ImageInput<'_>, current: &Current, tag: &Tag, followed: Option<&Digest>) -> bool {
    let digest = current.digest.as_deref();
    current.tag.as_deref() == Some(tag.as_str())
        && match image.digest {
            DigestRule::Never => true,
            DigestRule::IfNotPresent => {
                digest.is_some_and(|digest| digest.parse::<Digest>().is_ok())
            }
            DigestRule::Always => digest.is_some() && digest == followed.map(Digest::as_str),
        }
}

/// Whether a look is about what a tag that is followed names now.
fn is_about(look: &Look, followed: Option<&Digest>) -> bool {
    match look {
        Look::Found(image) => followed.is_none_or(|digest| *digest == image.digest),
        Look::Gone => true,
    }
}

fn digest_of(look: &Look) -> Option<Digest> {
    match look {
        Look::Found(image) => Some(image.digest.clone()),
        Look::Gone => None,
    }
}

/// Nothing is selected after all, because the best tags are refused.
fn withhold(decision: Decision, best: &Withheld) -> Decision {
    let mut rejected = decision.rejected;
    rejected.extend(decision.selected.map(|tag| Rejection {
        tag,
        rule: Rule::Outranked,
    }));
    Decision {
        selected: None,
        reason: policy::Reason::Withheld {
            best: best.tag.clone(),
            rule: best.refusal.rule(),
        },
        rejected,
    }
}

/// Whether a policy ever needs to look at an image.
pub fn needs_looks(policy: &Policy) -> bool {
    policy.pin.is_none() && (policy.strategy.name().needs_build_time() || !policy.checks.is_empty())
}
