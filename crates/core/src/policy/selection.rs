//! The selection itself: filter, read keys, take the best, compare it with the current tag.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Policy;
use super::decision::{Decision, Reason, Rejection, Rule};
use super::key::{Key, candidate_key, current_key};
use crate::image::{Candidate, Excerpt, Tag};

/// Chooses the tag that should run, and says why every other one lost.
///
/// The policy's `skip` and filter drop tags, the strategy reads what is left (junk is passed
/// over), and the best one is compared with `current`, the tag as it is written now:
///
/// - above it, or equal and written differently: selected;
/// - the same tag: selected, with the reason that it is up to date;
/// - below it: nothing is selected, unless the policy allows a downgrade;
/// - `current` missing, or nothing the strategy can read: selected.
///
/// The current tag needs neither be a candidate nor pass the filter. Newest build knows its time
/// only if it is a candidate, or from [`Facts::current_built`].
///
/// A tag is never invented: the selected one is one of `candidates`. Their order does not matter
/// for what is selected; `rejected` keeps it.
///
/// # Examples
///
/// ```
/// # use image_update_core::{image::Candidate, policy::{Policy, Rule, Strategy, StrategyName, select}};
/// let policy = Policy::new(Strategy::new(StrategyName::Semver, Some("~1.2"))?);
/// let tags = ["1.2.0", "1.2.9", "1.3.0"].map(|tag| Candidate::new(tag.parse().expect("a tag")));
/// let decision = select(&policy, Some("1.2.0"), &tags);
/// assert_eq!(decision.selected.as_ref().map(|tag| tag.as_str()), Some("1.2.9"));
/// assert_eq!(decision.reason.to_string(), "1.2.9 ranks above the current \"1.2.0\"");
/// assert_eq!(decision.rejected[1].rule, Rule::OutOfRange);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn select(policy: &Policy, current: Option<&str>, candidates: &[Candidate]) -> Decision {
    select_knowing(policy, current, candidates, &Facts::default())
}

/// What the caller of a selection knows besides the candidates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Candidates that are not selected, each with the rule it fails.
    pub refused: &'a [Rejection],
    /// When the image of the current tag was built, where no candidate tells: a tag that the
    /// registry lists no more is none, and newest build must not go below it all the same.
    pub current_built: Option<Timestamp>,
}

/// Selects as [`select`] does, by what else is known.
///
/// Refusals are for rules that need more than a tag and its time. The caller looks at the selected
/// tag, and if its image has not the platforms wanted or is too young, adds it to
/// [`Facts::refused`] with that rule and selects again. Refused tags keep the rule they come with.
pub fn select_knowing(
    policy: &Policy,
    current: Option<&str>,
    candidates: &[Candidate],
    facts: &Facts<'_>,
) -> Decision {
    let texts = texts(policy, candidates, facts.refused);
    let keys = keys(policy, candidates, &texts);
    let best = best(policy, candidates, &keys);
    let current = CurrentTag::read(policy, current, facts);
    let (selected, reason) = match best {
        Some((best, key)) => conclude(policy, current, candidates, best, key),
        None => (None, reason_for_none(policy, &keys)),
    };
    // Where the best tag is below the current one, all are.
    let loser_rule = if selected.is_some() {
        Rule::Outranked
    } else {
        Rule::Downgrade
    };
    let rejected = candidates
        .iter()
        .zip(&keys)
        .filter(|(candidate, _)| Some(&candidate.tag) != selected)
        .map(|(candidate, key)| Rejection {
            tag: candidate.tag.clone(),
            rule: key.err().unwrap_or(loser_rule),
        })
        .collect();
    Decision {
        selected: selected.cloned(),
        reason,
        rejected,
    }
}

/// The candidates that may be selected, the best first.
///
/// These are the tag [`select`] would select, then the one it would select were that missing, and
/// so on. They end above the current tag, with it if it is a candidate, unless the policy allows a
/// downgrade.
pub fn ranked<'a>(
    policy: &Policy,
    current: Option<&str>,
    candidates: &'a [Candidate],
) -> impl Iterator<Item = &'a Candidate> + use<'a> {
    ranked_knowing(policy, current, candidates, &Facts::default())
}

/// The candidates that [`ranked`] gives by what else is known.
pub fn ranked_knowing<'a>(
    policy: &Policy,
    current: Option<&str>,
    candidates: &'a [Candidate],
    facts: &Facts<'_>,
) -> impl Iterator<Item = &'a Candidate> + use<'a> {
    let texts = texts(policy, candidates, facts.refused);
    let keys = keys(policy, candidates, &texts);
    let current = CurrentTag::read(policy, current, facts);
    let floor = current
        .as_ref()
        .filter(|_| !policy.allow_downgrade && policy.pin.is_none())
        .and_then(|current| current.key(policy, candidates));
    let order = policy.strategy.order();
    let mut eligible: Vec<_> = candidates
        .iter()
        .zip(&keys)
        .filter_map(|(candidate, key)| Some((candidate, key.ok()?)))
        .filter(|(_, key)| floor.is_none_or(|floor| order.rank(key.cmp(&floor)).is_ge()))
        .collect();
    eligible.sort_unstable_by(|left, right| compare(policy, right, left));
    eligible.dedup_by(|left, right| left.0.tag == right.0.tag);
    eligible
        .into_iter()
        .map(|(candidate, _)| candidate)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The candidates that pass the filters and that newest build cannot order yet, because nobody
/// has told when they were built. None if another strategy or a pin decides.
pub fn without_build_time<'a>(
    policy: &Policy,
    candidates: &'a [Candidate],
) -> impl Iterator<Item = &'a Candidate> + use<'a> {
    let needs_times = policy.strategy.name().needs_build_time() && policy.pin.is_none();
    let texts = if needs_times {
        texts(policy, candidates, &[])
    } else {
        Vec::new()
    };
    candidates
        .iter()
        .zip(texts)
        .filter(|(candidate, text)| text.is_ok() && candidate.created.is_none())
        .map(|(candidate, _)| candidate)
        .collect::<Vec<_>>()
        .into_iter()
}

/// What the strategy gets to see of each candidate, or the rule that keeps it from that.
fn texts<'a>(
    policy: &Policy,
    candidates: &'a [Candidate],
    refused: &[Rejection],
) -> Vec<Result<Cow<'a, str>, Rule>> {
    let refused: BTreeMap<&Tag, Rule> = refused
        .iter()
        .map(|rejection| (&rejection.tag, rejection.rule))
        .collect();
    let mut extract = policy
        .filter
        .extract
        .as_ref()
        .filter(|_| policy.strategy.name().orders_by_text())
        .map(|extract| (extract, extract.buffer()));
    candidates
        .iter()
        .map(|Candidate { tag, .. }| {
            let whole = Cow::Borrowed(tag.as_str());
            if let Some(&rule) = refused.get(tag) {
                return Err(rule);
            }
            if let Some(pin) = &policy.pin {
                return if tag == pin {
                    Ok(whole)
                } else {
                    Err(Rule::NotPinned)
                };
            }
            if policy.skip.contains(tag) {
                return Err(Rule::Skipped);
            }
            if let Some(rule) = policy.filter.refuses(tag.as_str()) {
                return Err(rule);
            }
            match &mut extract {
                Some((extract, buffer)) => extract
                    .apply_with(tag.as_str(), buffer)
                    .ok_or(Rule::NotExtracted),
                None => Ok(whole),
            }
        })
        .collect()
}

/// What each candidate is compared by, or the rule it fails.
fn keys<'t>(
    policy: &Policy,
    candidates: &[Candidate],
    texts: &'t [Result<Cow<'_, str>, Rule>],
) -> Vec<Result<Key<'t>, Rule>> {
    candidates
        .iter()
        .zip(texts)
        .map(|(candidate, text)| match text {
            // A pinned tag need not be anything the strategy can read.
            Ok(text) if policy.pin.is_some() => Ok(Key::Text(text)),
            Ok(text) => candidate_key(&policy.strategy, candidate, text),
            Err(rule) => Err(*rule),
        })
        .collect()
}

fn best<'a, 't>(
    policy: &Policy,
    candidates: &'a [Candidate],
    keys: &[Result<Key<'t>, Rule>],
) -> Option<(&'a Candidate, Key<'t>)> {
    candidates
        .iter()
        .zip(keys)
        .filter_map(|(candidate, key)| Some((candidate, key.ok()?)))
        .max_by(|left, right| compare(policy, left, right))
}

/// What wins is the greater. Equal keys leave it to the tags' bytes, whatever the order.
fn compare(
    policy: &Policy,
    left: &(&Candidate, Key<'_>),
    right: &(&Candidate, Key<'_>),
) -> Ordering {
    policy
        .strategy
        .order()
        .rank(left.1.cmp(&right.1))
        .then_with(|| left.0.tag.cmp(&right.0.tag))
}

/// Compares the best candidate with the current tag.
fn conclude<'a>(
    policy: &Policy,
    current: Option<CurrentTag<'_>>,
    candidates: &[Candidate],
    best: &'a Candidate,
    best_key: Key<'_>,
) -> (Option<&'a Tag>, Reason) {
    let selected = best.tag.clone();
    if policy.pin.is_some() {
        return (Some(&best.tag), Reason::Pinned { selected });
    }
    if matches!(policy.strategy, super::Strategy::Digest(_)) {
        return (Some(&best.tag), Reason::Followed { selected });
    }
    let Some(current) = current else {
        return (Some(&best.tag), Reason::NoCurrent { selected });
    };
    if current.whole == best.tag.as_str() {
        return (Some(&best.tag), Reason::UpToDate { selected });
    }
    let shown = Excerpt::new(current.whole);
    let Some(current_key) = current.key(policy, candidates) else {
        return (
            Some(&best.tag),
            Reason::CurrentUnreadable {
                selected,
                current: shown,
            },
        );
    };
    let reason = match policy.strategy.order().rank(best_key.cmp(&current_key)) {
        Ordering::Greater => Reason::RanksAbove {
            selected,
            current: shown,
        },
        Ordering::Equal => Reason::RanksEqual {
            selected,
            current: shown,
        },
        Ordering::Less if policy.allow_downgrade => Reason::DowngradeAllowed {
            selected,
            current: shown,
        },
        Ordering::Less => {
            return (
                None,
                Reason::DowngradeRefused {
                    best: selected,
                    current: shown,
                },
            );
        }
    };
    (Some(&best.tag), reason)
}

fn reason_for_none(policy: &Policy, keys: &[Result<Key<'_>, Rule>]) -> Reason {
    if let Some(pin) = &policy.pin {
        return Reason::PinUnavailable { pin: pin.clone() };
    }
    let mut counts: BTreeMap<Rule, usize> = BTreeMap::new();
    for rule in keys.iter().filter_map(|key| key.err()) {
        *counts.entry(rule).or_default() += 1;
    }
    // Of equal counts the later rule: more of the policy agreed with those tags.
    match counts
        .into_iter()
        .max_by_key(|&(rule, count)| (count, rule))
    {
        Some((rule, _)) => Reason::NoneEligible {
            rejected: keys.len(),
            rule,
        },
        None => Reason::NoTags,
    }
}

/// The current tag as it is written and as the strategy sees it.
struct CurrentTag<'c> {
    whole: &'c str,
    /// None if the pattern to extract is not found in it.
    text: Option<Cow<'c, str>>,
    /// See [`Facts::current_built`].
    built: Option<Timestamp>,
}

impl<'c> CurrentTag<'c> {
    /// No text is no current tag.
    fn read(policy: &Policy, current: Option<&'c str>, facts: &Facts<'_>) -> Option<Self> {
        let whole = current.filter(|current| !current.is_empty())?;
        let text = match &policy.filter.extract {
            Some(extract) if policy.strategy.name().orders_by_text() => extract.apply(whole),
            _ => Some(Cow::Borrowed(whole)),
        };
        Some(Self {
            whole,
            text,
            built: facts.current_built,
        })
    }

    fn key(&self, policy: &Policy, candidates: &[Candidate]) -> Option<Key<'_>> {
        current_key(
            &policy.strategy,
            self.whole,
            self.text.as_deref()?,
            candidates,
            self.built,
        )
    }
}
