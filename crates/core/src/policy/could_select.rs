//! Whether a tag is worth a look, when nothing is known but its name.

use jiff::Timestamp;

use super::{Policy, select};
use crate::image::{Candidate, Tag};

/// Whether the policy could select a tag: whether it would, were it the only one there is.
///
/// Platforms and age are not asked for, and newest build takes any tag that passes the filter.
pub fn could_select(policy: &Policy, tag: &Tag) -> bool {
    // Any time that newest build believes.
    let created = Timestamp::constant(1_600_000_000, 0);
    let candidate = Candidate::new(tag.clone()).created_at(created);
    select(policy, None, &[candidate]).selected.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Filter, Strategy, StrategyName};

    #[track_caller]
    fn check(policy: &Policy, tag: &str, expected: bool) {
        let tag = tag.parse().expect("the row's tag is one");
        assert_eq!(could_select(policy, &tag), expected, "{tag}");
    }

    fn policy(name: StrategyName, argument: Option<&str>) -> Policy {
        let strategy = Strategy::new(name, argument);
        Policy::new(strategy.expect("the row's strategy is one"))
    }

    #[test]
    fn a_strategy_takes_the_tags_that_it_can_read() {
        let semver = policy(StrategyName::Semver, Some("~1.2"));
        check(&semver, "1.2.7", true);
        check(&semver, "1.3.0", false);
        check(&semver, "latest", false);
        check(
            &policy(StrategyName::NewestBuild, None),
            "main-0a1b2c3",
            true,
        );
        let digest = policy(StrategyName::Digest, Some("stable"));
        check(&digest, "stable", true);
        check(&digest, "1.2.7", false);
    }

    #[test]
    fn filters_skips_and_pins_hold() {
        let mut newest = policy(StrategyName::NewestBuild, None);
        newest.filter = Filter {
            allow: Some("^main-".parse().expect("it is a pattern")),
            ignore: vec!["*-debug".parse().expect("it is a pattern")],
            extract: None,
        };
        newest.skip = ["main-2".parse().expect("it is a tag")].into();
        check(&newest, "main-1", true);
        check(&newest, "main-2", false);
        check(&newest, "main-3-debug", false);
        check(&newest, "1.0", false);
        newest.pin = Some("main-0".parse().expect("it is a tag"));
        check(&newest, "main-0", true);
        check(&newest, "main-1", false);
    }
}
