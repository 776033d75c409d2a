//! `explain`: which of some tags would be selected, and what rule every other one failed.

use std::path::PathBuf;

use clap::Args;
use image_update_core::policy::StrategyName;

use super::failure::Failure;
use super::output::{OutputFlag, columns};
use super::selection::{self, SelectionFlags};
use super::tag_file::{self, TagFile};

/// Every strategy: times of builds may stand in the list.
const STRATEGIES: [StrategyName; 5] = [
    StrategyName::Semver,
    StrategyName::NewestBuild,
    StrategyName::Alphabetical,
    StrategyName::Numerical,
    StrategyName::Digest,
];

/// Flags of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// What makes one tag better than another
    #[arg(
        long,
        value_name = "STRATEGY",
        ignore_case = true,
        value_parser = selection::strategy_parser(&STRATEGIES)
    )]
    strategy: StrategyName,

    /// For semver the range of versions, such as `>=1.2.0 <2.0.0`; for digest the tag to follow
    #[arg(long, value_name = "CONSTRAINT")]
    constraint: Option<String>,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Where the tags are: a file, or `-` for standard input. A tag a line, optionally a blank and
    /// the time of its build (RFC 3339) after it
    #[arg(long, value_name = "FILE")]
    tags_from: PathBuf,

    #[command(flatten)]
    output: OutputFlag,
}

/// Selects, and prints the decision.
pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let constraint = args.constraint.as_deref();
    let strategy = selection::strategy(args.strategy, "--constraint", constraint)?;
    // First, so that a bad pattern is told before somebody types a list.
    let policy = args.selection.policy(strategy)?;
    let TagFile { candidates, others } = tag_file::read(&args.tags_from)?;
    let mut outcome = args.selection.select(&policy, &candidates);
    for other in others {
        outcome.add_no_tag(&other);
    }
    args.output.print(&outcome, |outcome| {
        columns(&outcome.facts()) + &outcome.rejected_table()
    })
}
