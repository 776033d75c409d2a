//! What a strategy compares: a tag's text or build time, read once.

use jiff::Timestamp;

use super::decision::Rule;
use super::numerical::Decimal;
use super::strategy::Strategy;
use crate::image::Candidate;
use crate::version::{Mismatch, Version};

/// What one tag is compared by. All keys of one selection are of the same variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'t> {
    Version(Version<'t>),
    Time(Timestamp),
    Text(&'t str),
    Number(Decimal<'t>),
}

/// The key of a candidate whose text, after extraction, is `text`; or the rule that it fails.
pub(super) fn candidate_key<'t>(
    strategy: &Strategy,
    candidate: &Candidate,
    text: &'t str,
) -> Result<Key<'t>, Rule> {
    match strategy {
        Strategy::Semver(constraint) => {
            let version = Version::parse(text).map_err(|_| Rule::NotAVersion)?;
            match constraint.check(&version) {
                Ok(()) => Ok(Key::Version(version)),
                Err(Mismatch::Prerelease) => Err(Rule::Prerelease),
                Err(Mismatch::OutOfRange) => Err(Rule::OutOfRange),
            }
        }
        Strategy::NewestBuild => candidate
            .build_time()
            .map(Key::Time)
            .ok_or(Rule::NoBuildTime),
        Strategy::Alphabetical(_) => Ok(Key::Text(text)),
        Strategy::Numerical(_) => Decimal::parse(text)
            .map(Key::Number)
            .ok_or(Rule::NotANumber),
        Strategy::Digest(tag) if candidate.tag == *tag => Ok(Key::Text(text)),
        Strategy::Digest(_) => Err(Rule::NotFollowed),
    }
}

/// The key of the current tag, if the strategy can read it. It need not be in the range. `built` is
/// when its image was built, if no candidate tells.
pub(super) fn current_key<'t>(
    strategy: &Strategy,
    current: &str,
    text: &'t str,
    candidates: &[Candidate],
    built: Option<Timestamp>,
) -> Option<Key<'t>> {
    match strategy {
        Strategy::Semver(_) => Version::parse(text).ok().map(Key::Version),
        Strategy::NewestBuild => candidates
            .iter()
            .find(|candidate| candidate.tag.as_str() == current)
            .and_then(Candidate::build_time)
            .or(built)
            .map(Key::Time),
        Strategy::Alphabetical(_) => Some(Key::Text(text)),
        Strategy::Numerical(_) => Decimal::parse(text).map(Key::Number),
        // Whichever tag it was, the followed one takes its place.
        Strategy::Digest(_) => None,
    }
}
