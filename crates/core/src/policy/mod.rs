//! Which tag should run: policies, and the selection they describe.
//!
//! [`select`] looks at a policy, the current tag and the tags there are, and gives a [`Decision`]
//! that says why each other tag lost. It reads no clock and asks no registry: what needs more
//! facts than a [`Candidate`](crate::image::Candidate) has, the [`Checks`], is for the caller,
//! who goes down [`ranked`] and selects again with [`select_knowing`].

mod allow_tags;
mod checks;
mod could_select;
mod decision;
mod extract;
mod filter;
mod glob;
mod key;
mod numerical;
mod regexp;
mod selection;
mod strategy;

use std::collections::BTreeSet;

pub use allow_tags::{AllowTagsError, parse_allow_tags};
pub use checks::{Birth, Checks, Look, Refusal};
pub use could_select::could_select;
pub use decision::{Decision, Reason, Rejection, Rule};
pub use extract::{Extract, ExtractError};
pub use filter::{Filter, Pattern, PatternError};
pub use glob::{Glob, GlobError};
pub use regexp::{Regexp, RegexpError};
pub use selection::{Facts, ranked, ranked_knowing, select, select_knowing, without_build_time};
pub use strategy::{Order, Strategy, StrategyError, StrategyName, StrategyNameError};

use crate::image::Tag;

/// Which of a repository's tags should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What makes one tag better than another.
    pub strategy: Strategy,
    /// Which tags the strategy gets to see, and as what.
    pub filter: Filter,
    /// Whether a tag may be selected that the strategy puts below the current one.
    pub allow_downgrade: bool,
    /// The one tag to use. It goes before the filter, the strategy, `skip` and `allow_downgrade`,
    /// but it must exist.
    pub pin: Option<Tag>,
    /// Tags never to use.
    pub skip: BTreeSet<Tag>,
    /// What is asked of an image before its tag is written. [`select`] does not look at it, and a
    /// pinned tag is not asked.
    pub checks: Checks,
}

impl Policy {
    /// A policy that sees every tag, goes up only and pins nothing.
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            filter: Filter::default(),
            allow_downgrade: false,
            pin: None,
            skip: BTreeSet::new(),
            checks: Checks::default(),
        }
    }
}

#[cfg(test)]
mod tests;
