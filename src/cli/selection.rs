//! The flags that say which tag is wanted, and the policy they make; `explain` and `test` share
//! them.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use image_update_core::image::Candidate;
use image_update_core::policy::{
    Decision, Extract, ExtractError, Filter, Pattern, PatternError, Policy, Regexp, Strategy,
    StrategyError, StrategyName, parse_allow_tags, select,
};
use serde::Serialize;

use super::failure::{Failure, warn};
use super::output::columns;
use super::tag_file::NoTag;

/// The rule that a text fails which is no tag. Policies never see one: registries have none, and what
/// their lists have besides is left out before.
const NO_TAG: &str = "NotATag";

/// What keeps tags from a strategy, and what they are compared with.
#[derive(Args, Debug)]
pub(super) struct SelectionFlags {
    /// The tag that is in use now: what ranks below it is not selected. Unset: the best tag is
    /// selected
    #[arg(long, value_name = "TAG")]
    current: Option<String>,

    /// Which tags are looked at: `any`, or `regexp:` and a regular expression (Go's syntax) that is
    /// found in them. Unset: any
    #[arg(long, value_name = "PATTERN")]
    allow_tags: Option<String>,

    /// Which tags are not: globs, or `regexp:` and a regular expression, separated by commas. May
    /// be given again
    #[arg(long, value_name = "GLOB,…")]
    ignore_tags: Vec<String>,

    /// A regular expression with groups, to order by a part of each tag. Tags without it are left
    /// out
    #[arg(long, value_name = "PATTERN", requires = "extract_to")]
    extract: Option<String>,

    /// What to order by, made of the groups of --extract: `$1`, `$name`
    #[arg(long, value_name = "VALUE", requires = "extract")]
    extract_to: Option<String>,
}

/// What was decided, as it is printed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Outcome {
    selected: Option<String>,
    reason: String,
    rejected: Vec<Rejected>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Rejected {
    tag: String,
    rule: &'static str,
    /// The rule in words, for the table.
    #[serde(skip)]
    why: String,
}

/// Reads the names of strategies as policies and annotations have them, `names` of them.
pub(super) fn strategy_parser(
    names: &'static [StrategyName],
) -> impl TypedValueParser<Value = StrategyName> {
    let values = names.iter().map(|name| {
        let value = PossibleValue::new(match name {
            StrategyName::Semver => "semver",
            StrategyName::NewestBuild => "newest-build",
            StrategyName::Alphabetical => "alphabetical",
            StrategyName::Numerical => "numerical",
            StrategyName::Digest => "digest",
        });
        match name {
            // The old updater's names.
            StrategyName::NewestBuild => value.alias("latest"),
            StrategyName::Alphabetical => value.alias("name"),
            StrategyName::Semver | StrategyName::Numerical | StrategyName::Digest => value,
        }
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<StrategyName>())
}

/// Makes a strategy of its name and `constraint`, which `flag` gave.
pub(super) fn strategy(
    name: StrategyName,
    flag: &str,
    constraint: Option<&str>,
) -> Result<Strategy, Failure> {
    if name.ignores_constraint() && constraint.is_some() {
        warn(&format!(
            "{flag} is ignored: the strategy {name} has no constraint"
        ));
    }
    Strategy::new(name, constraint).map_err(|error| {
        let hint = match &error {
            StrategyError::Constraint(_) => "write a range such as >=1.2.0 <2.0.0, ~1.2 or ^1",
            StrategyError::MissingTag => {
                return Failure::input(error).hint(format!("name it with {flag} TAG"));
            }
            StrategyError::Tag(_) => "digest follows one tag: write it as it is, such as latest",
        };
        Failure::flag(flag, constraint.unwrap_or_default(), error).hint(hint)
    })
}

impl SelectionFlags {
    /// Selects from `candidates` by a policy of [`Self::policy`].
    pub(super) fn select(&self, policy: &Policy, candidates: &[Candidate]) -> Outcome {
        Outcome::of(&select(policy, self.current.as_deref(), candidates))
    }

    /// The tag that is in use.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The policy that the flags describe; an error before any tag is looked at.
    pub(super) fn policy(&self, strategy: Strategy) -> Result<Policy, Failure> {
        let name = strategy.name();
        if self.extract.is_some() && !name.orders_by_text() {
            warn(&format!(
                "--extract is ignored: the strategy {name} does not order by a tag's text"
            ));
        }
        Ok(Policy {
            filter: Filter {
                allow: self.allow()?,
                ignore: self.ignore()?,
                extract: self.extract()?,
            },
            ..Policy::new(strategy)
        })
    }

    fn allow(&self) -> Result<Option<Regexp>, Failure> {
        let text = self.allow_tags.as_deref().unwrap_or_default();
        parse_allow_tags(text).map_err(|error| {
            Failure::flag("--allow-tags", text, error)
                .hint("write any, or regexp: and a pattern such as regexp:^v[0-9.]+$")
        })
    }

    fn ignore(&self) -> Result<Vec<Pattern>, Failure> {
        let entries = self.ignore_tags.iter().flat_map(|text| split_entries(text));
        let pattern = |entry: &str| {
            entry.parse().map_err(|error: PatternError| {
                let hint = match error {
                    PatternError::Glob(_) => "write a glob such as *-rc* or nightly-[0-9]*",
                    PatternError::Regexp(_) => {
                        "write regexp: and a pattern such as regexp:-(alpha|beta); \
                         a comma ends it, but for those of {1,3}"
                    }
                };
                Failure::flag("--ignore-tags", entry, error).hint(hint)
            })
        };
        entries.map(pattern).collect()
    }

    fn extract(&self) -> Result<Option<Extract>, Failure> {
        let (Some(pattern), Some(value)) = (&self.extract, &self.extract_to) else {
            return Ok(None);
        };
        Extract::new(pattern, value).map(Some).map_err(|error| {
            let (flag, text) = match error {
                ExtractError::Pattern(_) => ("--extract", pattern),
                ExtractError::TooLong | ExtractError::UnknownGroup(_) => ("--extract-to", value),
            };
            Failure::flag(flag, text, error)
                .hint(r"write, for example, --extract '^main-(?P<n>\d+)$' --extract-to '$n'")
        })
    }
}

impl Outcome {
    /// What was decided, as it is printed.
    pub(super) fn of(decision: &Decision) -> Self {
        let Decision {
            selected,
            reason,
            rejected,
        } = decision;
        Self {
            selected: selected.as_ref().map(ToString::to_string),
            reason: reason.to_string(),
            rejected: rejected
                .iter()
                .map(|rejection| Rejected {
                    tag: rejection.tag.to_string(),
                    rule: rejection.rule.name(),
                    why: rejection.rule.to_string(),
                })
                .collect(),
        }
    }

    /// Adds what is no tag to those that were not selected: whoever counts the lines of a list finds
    /// each of them.
    pub(super) fn add_no_tag(&mut self, other: &NoTag) {
        self.rejected.push(Rejected {
            tag: other.text.as_str().to_owned(),
            rule: NO_TAG,
            why: format!("it is not a tag: {}", other.why),
        });
    }

    /// The tag that was selected.
    pub(super) fn selected(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    /// What was decided, in lines of a name and a value.
    pub(super) fn facts(&self) -> [[&str; 2]; 2] {
        [
            ["selected", self.selected().unwrap_or("none")],
            ["reason", &self.reason],
        ]
    }

    /// The tags that were not selected, a line each, after an empty one; nothing if there are none.
    pub(super) fn rejected_table(&self) -> String {
        if self.rejected.is_empty() {
            return String::new();
        }
        let rows = self.rejected.iter();
        let rows = rows.map(|it| [it.tag.as_str(), it.rule, &it.why]);
        let rows: Vec<_> = std::iter::once(["TAG", "RULE", "WHY"])
            .chain(rows)
            .collect();
        format!("\n{}", columns(&rows))
    }
}

/// The entries of a list that commas separate, without blanks around them and empty ones.
///
/// The comma of a repetition, as in `regexp:^[a-z]{1,3}$`, separates nothing: globs have no braces,
/// and tags neither.
fn split_entries(list: &str) -> impl Iterator<Item = &str> {
    let mut in_braces = false;
    let entries = list.split(move |character| {
        match character {
            '{' => in_braces = true,
            '}' => in_braces = false,
            _ => {}
        }
        character == ',' && !in_braces
    });
    entries.map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, expected: &[&str]) {
        assert_eq!(split_entries(list).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn commas_separate_entries() {
        check("*-rc*, nightly ,,latest", &["*-rc*", "nightly", "latest"]);
        check("", &[]);
    }

    #[test]
    fn the_comma_of_a_repetition_separates_nothing() {
        check("regexp:^[a-z]{1,3}$,*-rc", &["regexp:^[a-z]{1,3}$", "*-rc"]);
    }
}
