//! What each strategy takes for the best tag, and what an extract makes of it.

use super::*;

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
    fn the_caller_may_know_the_current_tags_time() {
        #[track_caller]
        fn check_known(built: &str, expected: &str) {
            let facts = Facts {
                current_built: Some(built.parse().expect("the row's time is one")),
                ..Facts::default()
            };
            let (policy, tags) = (policy("newest-build"), candidates(TAGS));
            let decision = select_knowing(&policy, Some("gone"), &tags, &facts);
            assert_eq!(decision.reason.name(), expected);
            let ranked = ranked_knowing(&policy, Some("gone"), &tags, &facts);
            assert_eq!(ranked.count() == 0, decision.selected.is_none());
        }
        check_known("2024-03-01T00:00:00Z", "RanksAbove");
        check_known("2024-03-02T00:00:00Z", "RanksEqual");
        check_known("2024-03-03T00:00:00Z", "DowngradeRefused");
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
