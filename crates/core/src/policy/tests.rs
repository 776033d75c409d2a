//! One row = one fact about selection. To learn a rule, read its row.

mod golden;
mod properties;

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

mod semver_strategy {
    use super::*;

    #[test]
    fn the_highest_version_in_the_range_wins() {
        let policy = policy("semver ~1.2");
        check(
            &policy,
            "1.2.0",
            "1.2.0 1.2.9 1.2.10 1.3.0",
            &picks("1.2.10", "RanksAbove"),
        );
        check_rule(&policy, "1.2.0", "1.2.9 1.3.0", "1.3.0", Rule::OutOfRange);
        check_rule(&policy, "1.2.0", "1.2.9 1.2.8", "1.2.8", Rule::Outranked);
    }

    #[test]
    fn without_a_constraint_any_release_may_win() {
        let policy = policy("semver");
        check(
            &policy,
            "1.0.0",
            "1.0.0 2.0.0 3.0.0-rc1",
            &picks("2.0.0", "RanksAbove"),
        );
        check_rule(&policy, "1.0.0", "3.0.0-rc1", "3.0.0-rc1", Rule::Prerelease);
        check(
            &policy,
            "1.0.0",
            "1.0.0 20240105",
            &picks("20240105", "RanksAbove"),
        );
    }

    #[test]
    fn a_prerelease_needs_one_in_the_constraint() {
        check(
            &policy("semver >=1.0.0"),
            "1.0.0",
            "1.1.0-rc1",
            &keeps("NoneEligible"),
        );
        check(
            &policy("semver *-0"),
            "1.0.0",
            "1.1.0-rc1",
            &picks("1.1.0-rc1", "RanksAbove"),
        );
        check(
            &policy("semver *-0"),
            "1.1.0-rc1",
            "1.1.0-rc1 1.1.0",
            &picks("1.1.0", "RanksAbove"),
        );
    }

    #[test]
    fn junk_is_passed_over() {
        let policy = policy("semver");
        check(
            &policy,
            "1.0.0",
            "latest V9.0.0 9.9.9.9 1.0.1 sha-3f2c",
            &picks("1.0.1", "RanksAbove"),
        );
        check_rule(
            &policy,
            "1.0.0",
            "latest 1.0.1",
            "latest",
            Rule::NotAVersion,
        );
    }

    #[test]
    fn equal_versions_leave_it_to_the_bytes() {
        let policy = policy("semver");
        check(
            &policy,
            "1.0.0",
            "1.2.3 v1.2.3",
            &picks("v1.2.3", "RanksAbove"),
        );
        check(&policy, "1.0.0", "1.2 1.2.0", &picks("1.2.0", "RanksAbove"));
        check(
            &policy,
            "1.2.3",
            "1.2.3 v1.2.3",
            &picks("v1.2.3", "RanksEqual"),
        );
        check(&policy, "v1.2.3", "1.2.3", &picks("1.2.3", "RanksEqual"));
    }

    #[test]
    fn the_current_tag_need_not_be_in_the_range() {
        check(
            &policy("semver ~2"),
            "1.0.0",
            "2.1.0",
            &picks("2.1.0", "RanksAbove"),
        );
        check(
            &policy("semver ~1"),
            "2.0.0",
            "1.1.0",
            &keeps("DowngradeRefused"),
        );
        check(
            &policy("semver"),
            "1.0.0-rc1",
            "1.0.0",
            &picks("1.0.0", "RanksAbove"),
        );
    }
}

mod newest_build {
    use super::*;

    const TAGS: &str = "a@2024-01-01T00:00:00Z c@2024-03-01T00:00:00Z b@2024-03-02T00:00:00Z";

    #[test]
    fn the_latest_time_wins() {
        check(
            &policy("newest-build"),
            "a",
            TAGS,
            &picks("b", "RanksAbove"),
        );
        check(&policy("newest-build"), "b", TAGS, &picks("b", "UpToDate"));
    }

    #[test]
    fn a_tag_without_a_time_is_passed_over() {
        let tags = "a@2024-01-01T00:00:00Z b c@1970-01-01T00:00:00Z d@0001-01-01T00:00:00Z";
        check(
            &policy("newest-build"),
            "x",
            tags,
            &picks("a", "CurrentUnreadable"),
        );
        for rejected in ["b", "c", "d"] {
            check_rule(
                &policy("newest-build"),
                "x",
                tags,
                rejected,
                Rule::NoBuildTime,
            );
        }
        check(&policy("newest-build"), "b", "b c", &keeps("NoneEligible"));
    }

    #[test]
    fn equal_times_leave_it_to_the_bytes() {
        let tags = "1@2024-01-01T00:00:00Z 3@2024-01-01T00:00:00Z 2@2024-01-01T00:00:00Z";
        check(
            &policy("newest-build"),
            "x",
            tags,
            &picks("3", "CurrentUnreadable"),
        );
        check(
            &policy("newest-build"),
            "1",
            tags,
            &picks("3", "RanksEqual"),
        );
    }

    #[test]
    fn the_current_tags_time_counts_though_the_filter_drops_it() {
        let policy = allowing("^[ac]$", policy("newest-build"));
        check(&policy, "b", TAGS, &keeps("DowngradeRefused"));
        check(&policy, "a", TAGS, &picks("c", "RanksAbove"));
    }

    #[test]
    fn nothing_is_extracted() {
        check(
            &extracting("^x", "$0", policy("newest-build")),
            "a",
            TAGS,
            &picks("b", "RanksAbove"),
        );
    }
}

mod alphabetical {
    use super::*;

    #[test]
    fn the_last_in_byte_order_wins() {
        check(
            &policy("alphabetical"),
            "a",
            "a B c b",
            &picks("c", "RanksAbove"),
        );
        check(
            &policy("alphabetical"),
            "1",
            "10 9",
            &picks("9", "RanksAbove"),
        );
        check(&policy("alphabetical"), "B", "A B", &picks("B", "UpToDate"));
    }

    #[test]
    fn descending_takes_the_first() {
        check(
            &descending(Strategy::Alphabetical),
            "c",
            "c a b",
            &picks("a", "RanksAbove"),
        );
        check(
            &descending(Strategy::Alphabetical),
            "a",
            "c b",
            &keeps("DowngradeRefused"),
        );
    }
}

mod numerical {
    use super::*;

    #[test]
    fn the_highest_number_wins() {
        check(
            &policy("numerical"),
            "9",
            "9 10 1.5",
            &picks("10", "RanksAbove"),
        );
        check(
            &policy("numerical"),
            "1",
            "1.10 1.9",
            &picks("1.9", "RanksAbove"),
        );
        check_rule(&policy("numerical"), "9", "10 v11", "v11", Rule::NotANumber);
    }

    #[test]
    fn equal_numbers_leave_it_to_the_bytes() {
        check(
            &policy("numerical"),
            "1",
            "7 07 007",
            &picks("7", "RanksAbove"),
        );
        check(
            &policy("numerical"),
            "1",
            "7.50 7.5",
            &picks("7.50", "RanksAbove"),
        );
        check(
            &descending(Strategy::Numerical),
            "9",
            "7 07",
            &picks("7", "RanksAbove"),
        );
    }

    #[test]
    fn descending_takes_the_lowest() {
        check(
            &descending(Strategy::Numerical),
            "9",
            "8 10",
            &picks("8", "RanksAbove"),
        );
    }

    /// No tag starts with a dash, but what is extracted may.
    #[test]
    fn numbers_may_be_negative() {
        let policy = extracting("^t(.*)$", "$1", policy("numerical"));
        check(&policy, "t-9", "t-9 t-10 t-9.5", &picks("t-9", "UpToDate"));
    }

    #[test]
    fn any_number_of_digits_is_exact() {
        let long = "100000000000000000000000000000000000000";
        let tags = format!("{long}1 {long}2 {long}0");
        check(
            &policy("numerical"),
            "1",
            &tags,
            &picks(&format!("{long}2"), "RanksAbove"),
        );
    }
}

mod digest {
    use super::*;

    #[test]
    fn the_followed_tag_is_selected_whatever_runs() {
        let policy = policy("digest latest");
        check(
            &policy,
            "latest",
            "1.0 latest",
            &picks("latest", "Followed"),
        );
        check(&policy, "9.9", "1.0 latest", &picks("latest", "Followed"));
        check(&policy, "latest", "1.0", &keeps("NoneEligible"));
        check_rule(&policy, "latest", "1.0", "1.0", Rule::NotFollowed);
    }

    #[test]
    fn the_filter_holds_for_it_too() {
        check(
            &ignoring("latest", policy("digest latest")),
            "1",
            "latest",
            &keeps("NoneEligible"),
        );
    }
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

mod extract {
    use super::*;

    const PATTERN: &str = r"^main-[0-9a-f]+-(?P<ts>\d+)$";
    const TAGS: &str = "main-f-9 main-a-100 main-0-20 release-999";

    #[test]
    fn the_strategy_orders_by_what_is_extracted() {
        let numbers = extracting(PATTERN, "$ts", policy("numerical"));
        check(
            &numbers,
            "main-f-9",
            TAGS,
            &picks("main-a-100", "RanksAbove"),
        );
        check_rule(
            &numbers,
            "main-f-9",
            TAGS,
            "release-999",
            Rule::NotExtracted,
        );
        let texts = extracting(PATTERN, "$ts", policy("alphabetical"));
        check(&texts, "main-a-100", TAGS, &picks("main-f-9", "RanksAbove"));
        let versions = extracting("^app-(.*)$", "${1}.0", policy("semver ~1.2"));
        check(
            &versions,
            "app-1.2",
            "app-1.2 app-1.3 1.2.9",
            &picks("app-1.2", "UpToDate"),
        );
    }

    #[test]
    fn equal_values_leave_it_to_the_bytes_of_the_tag() {
        let policy = extracting(r"-(\d+)$", "$1", policy("numerical"));
        check(&policy, "a-1", "b-7 c-07 a-7", &picks("c-07", "RanksAbove"));
    }

    #[test]
    fn the_current_tag_is_read_the_same_way() {
        let policy = extracting(PATTERN, "$ts", policy("numerical"));
        check(&policy, "main-f-200", TAGS, &keeps("DowngradeRefused"));
        check(
            &policy,
            "release-200",
            TAGS,
            &picks("main-a-100", "CurrentUnreadable"),
        );
    }

    #[test]
    fn the_filter_sees_the_whole_tag() {
        let policy = allowing("^main", extracting(r"(\d+)$", "$1", policy("numerical")));
        check(
            &policy,
            "main-f-9",
            TAGS,
            &picks("main-a-100", "RanksAbove"),
        );
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
        let decision = select_except(&policy("semver"), Some("1.0.0"), &tags, &refused);
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
        let decision = select_except(&policy, None, &candidates("1.0.0 1.2.0"), &refused);
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
