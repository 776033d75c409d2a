//! `explain`: which of some tags would be selected, and what rule every other one failed. With `policy`
//! those of a policy of the cluster, else those of a list.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use image_update_core::policy::StrategyName;

use super::cluster::{ExplainPolicyArgs, explain_policy};
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
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct ExplainArgs {
    #[command(subcommand)]
    object: Option<Explainable>,

    /// What makes one tag better than another
    #[arg(
        long,
        required = true,
        value_name = "STRATEGY",
        ignore_case = true,
        value_parser = selection::strategy_parser(&STRATEGIES)
    )]
    strategy: Option<StrategyName>,

    /// For semver the range of versions, such as `>=1.2.0 <2.0.0`; for digest the tag to follow
    #[arg(long, value_name = "CONSTRAINT")]
    constraint: Option<String>,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Where the tags are: a file, or `-` for standard input. A tag a line, optionally a blank and
    /// the time of its build (RFC 3339) after it
    #[arg(long, required = true, value_name = "FILE")]
    tags_from: Option<PathBuf>,

    #[command(flatten)]
    output: OutputFlag,
}

/// What is explained besides lists.
#[derive(Debug, Subcommand)]
enum Explainable {
    /// Tells what the operator would decide about a policy of a cluster now, and why
    Policy(Box<ExplainPolicyArgs>),
}

/// Selects, and prints the decision.
pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    if let Some(Explainable::Policy(args)) = &args.object {
        return explain_policy(args);
    }
    match (args.strategy, &args.tags_from) {
        (Some(strategy), Some(tags_from)) => explain_list(args, strategy, tags_from),
        // Both are required, unless an object is explained.
        (None, _) | (_, None) => Ok(()),
    }
}

fn explain_list(
    args: &ExplainArgs,
    strategy: StrategyName,
    tags_from: &Path,
) -> Result<(), Failure> {
    let constraint = args.constraint.as_deref();
    let strategy = selection::strategy(strategy, "--constraint", constraint)?;
    // First, so that a bad pattern is told before somebody types a list.
    let policy = args.selection.policy(strategy)?;
    let TagFile { candidates, others } = tag_file::read(tags_from)?;
    let mut outcome = args.selection.select(&policy, &candidates);
    for other in others {
        outcome.add_no_tag(&other);
    }
    args.output.print(&outcome, |outcome| {
        columns(&outcome.facts()) + &outcome.rejected_table()
    })
}
