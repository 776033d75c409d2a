//! One row = one fact about selection. To learn a rule, read its row.

mod golden;
mod properties;
mod strategies;

use super::*;
use crate::image::Candidate;

/// What a row says of a decision.
#[derive(Debug, PartialEq)]
struct Expected<'a> {
    selected: Option<&'a str>,
    reason: &'a str,
}

fn picks<'a>(tag: &'a str, reason: &'a str) -> Expected<'a> {
    Expected {
        selected: Some(tag),
        reason,
    }
}

fn keeps(reason: &str) -> Expected<'_> {
    Expected {
        selected: None,
        reason,
    }
}

fn tag(text: &str) -> Tag {
    text.parse().expect("the row's tags are tags")
}

/// `tag` or `tag@time`, separated by blanks.
fn candidates(text: &str) -> Vec<Candidate> {
    text.split_whitespace()
        .map(|word| match word.split_once('@') {
            Some((name, time)) => Candidate::new(tag(name))
                .created_at(time.parse().expect("the row's times are times")),
            None => Candidate::new(tag(word)),
        })
        .collect()
}

fn refusing(refused: &[Rejection]) -> Facts<'_> {
    Facts {
        refused,
        ..Facts::default()
    }
}

fn strategy(text: &str) -> Strategy {
    let (name, constraint) = text
        .split_once(' ')
        .map_or((text, None), |(name, rest)| (name, Some(rest)));
    Strategy::new(name.parse().expect("the row's strategy exists"), constraint)
        .expect("the row's constraint parses")
}

fn policy(text: &str) -> Policy {
    Policy::new(strategy(text))
}

fn descending(strategy: fn(Order) -> Strategy) -> Policy {
    Policy::new(strategy(Order::Descending))
}

fn allowing(pattern: &str, policy: Policy) -> Policy {
    let allow = Some(pattern.parse().expect("the row's pattern parses"));
    Policy {
        filter: Filter {
            allow,
            ..policy.filter
        },
        ..policy
    }
}

fn ignoring(patterns: &str, policy: Policy) -> Policy {
    let parse = |pattern: &str| pattern.parse().expect("the row's patterns parse");
    let ignore = patterns.split(' ').map(parse).collect();
    Policy {
        filter: Filter {
            ignore,
            ..policy.filter
        },
        ..policy
    }
}

fn extracting(pattern: &str, value: &str, policy: Policy) -> Policy {
    let extract = Some(Extract::new(pattern, value).expect("the row's pattern and value parse"));
    Policy {
        filter: Filter {
            extract,
            ..policy.filter
        },
        ..policy
    }
}

fn allowing_downgrade(policy: Policy) -> Policy {
    Policy {
        allow_downgrade: true,
        ..policy
    }
}

fn pinning(pin: &str, policy: Policy) -> Policy {
    Policy {
        pin: Some(tag(pin)),
        ..policy
    }
}

fn skipping(skip: &str, policy: Policy) -> Policy {
    Policy {
        skip: skip.split(' ').map(tag).collect(),
        ..policy
    }
}

/// The single place that selects.
#[track_caller]
fn check(policy: &Policy, current: &str, tags: &str, expected: &Expected<'_>) {
    let candidates = candidates(tags);
    let decision = select(policy, Some(current), &candidates);
    let found = Expected {
        selected: decision.selected.as_ref().map(Tag::as_str),
        reason: decision.reason.name(),
    };
    assert_eq!(&found, expected, "\n{decision}");

    let first_ranked = ranked(policy, Some(current), &candidates).next();
    assert_eq!(
        first_ranked.map(|candidate| &candidate.tag),
        decision.selected.as_ref()
    );
}

#[track_caller]
fn check_rule(policy: &Policy, current: &str, tags: &str, rejected: &str, expected: Rule) {
    let decision = select(policy, Some(current), &candidates(tags));
    let rule = decision
        .rejected
        .iter()
        .find(|rejection| rejection.tag.as_str() == rejected);
    assert_eq!(
        rule.map(|rejection| rejection.rule),
        Some(expected),
        "\n{decision}"
    );
}

#[track_caller]
fn check_ranked(policy: &Policy, current: Option<&str>, tags: &str, expected: &str) {
    let candidates = candidates(tags);
    let ranked: Vec<_> = ranked(policy, current, &candidates)
        .map(|candidate| candidate.tag.as_str())
        .collect();
    assert_eq!(ranked.join(" "), expected);
}

mod filter {
    use super::*;

    #[test]
    fn only_allowed_tags_compete() {
        let policy = allowing(r"^v?\d+\.\d+\.\d+$", policy("alphabetical"));
        check(
            &policy,
            "1.0.0",
            "1.0.0 1.0.1 zzz",
            &picks("1.0.1", "RanksAbove"),
        );
        check_rule(&policy, "1.0.0", "1.0.1 zzz", "zzz", Rule::NotAllowed);
    }

    #[test]
    fn ignored_tags_do_not_compete() {
        let policy = ignoring("*-rc* regexp:^9", policy("semver *-0"));
        check(
            &policy,
            "1.0.0",
            "1.0.1 1.0.2-rc1 9.0.0",
            &picks("1.0.1", "RanksAbove"),
        );
        check_rule(
            &policy,
            "1.0.0",
            "1.0.1 1.0.2-rc1",
            "1.0.2-rc1",
            Rule::Ignored,
        );
    }

    #[test]
    fn allow_comes_before_ignore() {
        let policy = ignoring("*", allowing("^1", policy("semver")));
        check_rule(&policy, "1.0.0", "2.0.0", "2.0.0", Rule::NotAllowed);
        check_rule(&policy, "1.0.0", "1.0.0", "1.0.0", Rule::Ignored);
    }

    #[test]
    fn skipped_tags_are_never_used() {
        let policy = skipping("1.1.0 1.2.0", policy("semver"));
        check(
            &policy,
            "1.0.0",
            "1.0.0 1.0.1 1.1.0 1.2.0",
            &picks("1.0.1", "RanksAbove"),
        );
        check_rule(&policy, "1.0.0", "1.1.0", "1.1.0", Rule::Skipped);
        check(&policy, "1.1.0", "1.0.0 1.1.0", &keeps("DowngradeRefused"));
    }
}

mod current {
    use super::*;

    #[test]
    fn the_best_being_current_is_up_to_date() {
        check(
            &policy("semver"),
            "1.2.0",
            "1.1.0 1.2.0",
            &picks("1.2.0", "UpToDate"),
        );
    }

    #[test]
    fn nothing_goes_down_unless_allowed() {
        check(
            &policy("semver"),
            "2.0.0",
            "1.1.0 1.2.0",
            &keeps("DowngradeRefused"),
        );
        check_rule(
            &policy("semver"),
            "2.0.0",
            "1.2.0 x",
            "1.2.0",
            Rule::Downgrade,
        );
        let allowing = allowing_downgrade(policy("semver"));
        check(
            &allowing,
            "2.0.0",
            "1.1.0 1.2.0",
            &picks("1.2.0", "DowngradeAllowed"),
        );
    }

    #[test]
    fn a_current_tag_that_cannot_be_read_gives_way() {
        check(
            &policy("semver"),
            "latest",
            "1.2.0",
            &picks("1.2.0", "CurrentUnreadable"),
        );
        check(
            &policy("semver"),
            "é\u{7}",
            "1.2.0",
            &picks("1.2.0", "CurrentUnreadable"),
        );
        check(
            &policy("numerical"),
            "v1",
            "2",
            &picks("2", "CurrentUnreadable"),
        );
    }

    #[test]
    fn no_current_tag_takes_the_best() {
        check(
            &policy("semver"),
            "",
            "1.1.0 1.2.0",
            &picks("1.2.0", "NoCurrent"),
        );
        let decision = select(&policy("semver"), None, &candidates("1.1.0 1.2.0"));
        assert_eq!(
            decision.reason,
            Reason::NoCurrent {
                selected: tag("1.2.0")
            }
        );
    }

    #[test]
    fn no_tags_select_nothing() {
        check(&policy("semver"), "1.0.0", "", &keeps("NoTags"));
    }
}

mod pin {
    use super::*;

    #[test]
    fn a_pin_goes_before_every_rule() {
        let policy = pinning(
            "1.0.0",
            skipping("1.0.0", ignoring("*", policy("semver >=2"))),
        );
        check(&policy, "3.0.0", "1.0.0 3.0.0", &picks("1.0.0", "Pinned"));
        check_rule(&policy, "3.0.0", "1.0.0 3.0.0", "3.0.0", Rule::NotPinned);
        check(
            &pinning("edge", policy),
            "3.0.0",
            "edge 3.0.0",
            &picks("edge", "Pinned"),
        );
    }

    #[test]
    fn a_pin_must_exist() {
        check(
            &pinning("9", policy("semver")),
            "1.0.0",
            "1.0.0 2.0.0",
            &keeps("PinUnavailable"),
        );
    }

    #[test]
    fn a_pin_needs_no_build_time() {
        check(
            &pinning("a", policy("newest-build")),
            "b",
            "a b",
            &picks("a", "Pinned"),
        );
    }
}

mod refusals_of_the_caller {
    use super::*;

    #[test]
    fn the_next_best_takes_the_place_of_a_refused_tag() {
        let refused = [Rejection {
            tag: tag("1.2.0"),
            rule: Rule::TooYoung,
        }];
        let tags = candidates("1.0.0 1.1.0 1.2.0");
        let decision = select_knowing(&policy("semver"), Some("1.0.0"), &tags, &refusing(&refused));
        assert_eq!(decision.selected, Some(tag("1.1.0")));
        assert!(decision.rejected.contains(&refused[0]), "{decision}");
    }

    #[test]
    fn a_refused_pin_is_not_used() {
        let refused = [Rejection {
            tag: tag("1.2.0"),
            rule: Rule::PlatformMissing,
        }];
        let policy = pinning("1.2.0", policy("semver"));
        let decision = select_knowing(
            &policy,
            None,
            &candidates("1.0.0 1.2.0"),
            &refusing(&refused),
        );
        assert_eq!(
            decision.reason,
            Reason::PinUnavailable { pin: tag("1.2.0") }
        );
        assert!(decision.rejected.contains(&refused[0]), "{decision}");
    }

    #[test]
    fn ranked_goes_down_to_the_current_tag() {
        let tags = "1.0.0 1.1.0 1.3.0 junk 1.2.0 1.1.0";
        check_ranked(&policy("semver"), Some("1.1.0"), tags, "1.3.0 1.2.0 1.1.0");
        check_ranked(
            &policy("semver"),
            Some("latest"),
            tags,
            "1.3.0 1.2.0 1.1.0 1.0.0",
        );
        check_ranked(&policy("semver"), None, tags, "1.3.0 1.2.0 1.1.0 1.0.0");
        check_ranked(
            &allowing_downgrade(policy("semver")),
            Some("1.3.0"),
            "1.0.0",
            "1.0.0",
        );
        check_ranked(
            &descending(Strategy::Alphabetical),
            Some("b"),
            "a c b",
            "a b",
        );
        check_ranked(
            &pinning("1.0.0", policy("semver")),
            Some("9.0.0"),
            tags,
            "1.0.0",
        );
    }
}

mod explanation {
    use super::*;

    #[track_caller]
    fn check_text(policy: &Policy, current: &str, tags: &str, expected: &str) {
        assert_eq!(
            select(policy, Some(current), &candidates(tags)).to_string(),
            expected
        );
    }

    #[test]
    fn a_decision_reads_as_sentences() {
        check_text(
            &policy("semver ~1"),
            "1.0.0",
            "1.0.0 1.1.0 2.0.0 latest",
            "1.1.0 ranks above the current \"1.0.0\"\n\
             1.0.0: a better tag was found\n\
             2.0.0: it is outside the constraint\n\
             latest: it is not a version",
        );
    }

    #[test]
    fn a_refused_downgrade_says_so() {
        check_text(
            &policy("semver"),
            "2.0.0",
            "1.0.0",
            "1.0.0, the best tag, would be a downgrade of the current \"2.0.0\", \
             which is not allowed\n\
             1.0.0: it ranks below the current tag",
        );
    }

    #[test]
    fn none_eligible_names_what_most_tags_failed() {
        check_text(
            &policy("newest-build"),
            "a",
            "a b@1970-01-01T00:00:00Z",
            "none of the 2 tags is eligible; what most of them failed: \
             the time of its build is not known\n\
             a: the time of its build is not known\n\
             b: the time of its build is not known",
        );
    }

    #[test]
    fn what_is_current_is_shown_without_control_characters() {
        let decision = select(&policy("semver"), Some("x\u{1b}[31m"), &candidates("1.0.0"));
        assert!(!decision.to_string().contains('\u{1b}'), "{decision}");
    }
}
