//! One row = one fact about ranges. Each was seen in Masterminds/semver v3.4.0; the differential
//! test compares the two over generated pairs.

use proptest::prelude::*;

use super::*;

/// What a constraint says to each version: those in, and those out.
#[track_caller]
fn check(constraint: &str, within: &str, outside: &str) {
    let parsed: Constraint = constraint.parse().expect("the row's constraint parses");
    let holds = |text: &str| {
        let version = Version::parse(text).expect("the row's versions parse");
        parsed.check(&version).is_ok()
    };
    for text in within.split_whitespace() {
        assert!(holds(text), "{constraint} should hold {text}");
    }
    for text in outside.split_whitespace() {
        assert!(!holds(text), "{constraint} should not hold {text}");
    }
}

#[track_caller]
fn check_mismatch(constraint: &str, version: &str, expected: Mismatch) {
    let constraint: Constraint = constraint.parse().expect("the row's constraint parses");
    let version = Version::parse(version).expect("the row's version parses");
    assert_eq!(constraint.check(&version), Err(expected));
}

#[track_caller]
fn check_improper(constraint: &str, part: &str) {
    let expected = ConstraintError::Improper(Excerpt::new(part));
    assert_eq!(constraint.parse::<Constraint>(), Err(expected));
}

#[track_caller]
fn check_bad_version(constraint: &str, text: &str, source: VersionError) {
    let expected = ConstraintError::BadVersion {
        text: Excerpt::new(text),
        source,
    };
    assert_eq!(constraint.parse::<Constraint>(), Err(expected));
}

#[test]
fn a_full_version_is_itself() {
    check("1.2.3", "1.2.3 v1.2.3 1.2.3+meta", "1.2.4 1.2.3-rc1");
    check("=1.2.3", "1.2.3", "1.2.4");
    check("v1.2.3", "1.2.3", "1.2.4");
    check("1.2.3-rc1", "1.2.3-rc1", "1.2.3 1.2.3-rc2");
}

#[test]
fn a_missing_part_and_a_wildcard_mean_any() {
    for constraint in ["1", "1.x", "1.X.x", "v1.*", "=1", "1.x.5"] {
        check(constraint, "1.0.0 1.9.9", "0.9 2.0 1.5.0-rc1");
    }
    for constraint in ["1.2", "1.2.x", "1.2.*"] {
        check(constraint, "1.2.0 1.2.9", "1.1.9 1.3.0");
    }
    for constraint in ["*", "x", "X", "*.1", ">=*", "~*"] {
        check(constraint, "0.0.0 1.2.3 20240105", "1.2.3-rc1");
    }
}

#[test]
fn tilde_stays_on_the_minor() {
    check("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0");
    check("~>1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0");
    check("~1.2", "1.2.0 1.2.9", "1.3.0");
    check("~1", "1.0.0 1.9.0", "2.0.0");
}

#[test]
fn tilde_zero_is_any_version() {
    check("~0.0.0", "0.0.0 1.2.3", "1.0.0-rc1");
    check("~0", "0.9.0", "1.0.0");
    check("~0.0", "0.0.9", "0.1.0");
}

#[test]
fn caret_keeps_the_first_number_that_is_not_zero() {
    check("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0");
    check("^1.2", "1.2.0 1.9.0", "1.1.9 2.0.0");
    check("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.2.3");
    check("^0.2", "0.2.0 0.2.9", "0.3.0");
    check("^0.0.3", "0.0.3", "0.0.2 0.0.4 0.1.3");
    check("^0.0", "0.0.0 0.0.9", "0.1.0");
    check("^0", "0.0.0 0.9.9", "1.0.0");
}

#[test]
fn caret_star_is_caret_zero() {
    check("^*", "0.0.0", "0.0.1 1.0.0");
}

#[test]
fn comparisons_look_at_the_parts_written() {
    check(">1.2.3", "1.2.4", "1.2.3");
    check(">1.2", "1.3.0", "1.2.9");
    check(">1", "2.0.0", "1.9.0");
    check(">*", "0.0.1", "0.0.0");
    check("<2", "1.9.9", "2.0.0");
    check("<1.2.3", "1.2.2", "1.2.3");
    check(">=1.2", "1.2.0 2.0", "1.1.9");
    check("=>1.2", "1.2.0 2.0", "1.1.9");
    check("<=1.2.3", "1.2.3", "1.2.4");
    check("<=1.2", "1.2.9", "1.3.0 2.0");
    check("=<1", "1.9.9", "2.0.0");
    check("<=*", "0.0.9", "0.1.0 1.0.0");
    check("!=1.2.3", "1.2.4", "1.2.3");
    check("!=1.2", "1.3.0", "1.2.9");
    check("!=1", "2.0.0", "1.9.0");
    check("!=*", "0.0.1", "0.0.0");
}

#[test]
fn blanks_and_commas_mean_and() {
    check(">=1.0 <2.0", "1.0.0 1.9.9", "0.9.0 2.0.0");
    check(">=1.0, <2.0, !=1.5.0", "1.4.0", "1.5.0");
    check(">= 1.0 , < 2.0", "1.0.0", "2.0.0");
    check("\t>=1.0\n<2.0 ", "1.0.0", "2.0.0");
    check(">1 ,<3", "2.0.0", "3.0.0");
}

#[test]
fn bars_mean_or() {
    check("<1 || >=2", "0.9.0 2.0.0", "1.0.0");
    check("1.0.0||2.0.0", "1.0.0 2.0.0", "1.5.0");
}

#[test]
fn a_hyphen_range_holds_both_ends() {
    check("1.0.0 - 2.0.0", "1.0.0 2.0.0", "0.9.9 2.0.1");
    check("1.0 - 2", "1.0.0 2.9.9", "3.0.0");
    check("1 - 2 || 4 - 5", "1.0 4.5", "3.0");
    check("1.0.0-0 - 2.0.0", "1.5.0-rc1", "2.0.1-rc1");
    check("!=1.5.0, 1 - 2", "1.4.0", "1.5.0 3.0");
}

#[test]
fn a_hyphen_range_is_rewritten_before_anything_is_split() {
    check("1 - 2>1", "2.0.0", "1.0.0");
    check("3||1 - 2", "1.0 1.5 3.0", "0.9");
    check_improper("1 - 2||3 - 4", "3 - 4");
    check_improper(">1 1 - 2", ">1>= 1, <= 2 ");
}

#[test]
fn a_prerelease_needs_one_in_its_alternative() {
    check(">=1.0.0", "1.1.0", "1.1.0-rc1");
    check(">=1.0.0-0", "1.1.0-rc1 1.0.0-0", "");
    check(">=1.0.0-0 <2", "1.1.0-rc1 2.0.0-rc1", "2.0.0");
    check(
        ">=3 || >=1.0.0-0 <2.0.0-0",
        "1.1.0-rc1 3.0.0",
        "3.0.0-rc1 2.0.0-rc1",
    );
}

#[test]
fn dash_zero_lets_prereleases_in() {
    check("*-0", "1.0.0 1.0.0-rc1 2.0.0-a", "");
    check(">=0.0.0-0", "1.0.0 1.0.0-rc1", "");
    check("1.x-0", "1.0.0-rc1 1.5.0", "2.0.0-rc1");
    check("~1.2-0", "1.2.0-rc1 1.2.9", "1.3.0-rc1 2.0.0-rc1");
    check("^1.0.0-0", "1.0.0-rc1 1.9.0", "2.0.0-rc1");
}

#[test]
fn not_equal_minor_compares_the_prerelease_text() {
    check("!=1.2.x-a", "1.2.0 1.2.0-b 1.3.0-a", "1.2.0-a 1.2.9-a");
}

#[test]
fn a_mismatch_says_whether_only_the_prerelease_is_in_the_way() {
    check_mismatch(">=1.0.0", "1.1.0-rc1", Mismatch::Prerelease);
    check_mismatch(">=2.0.0", "1.1.0-rc1", Mismatch::OutOfRange);
    check_mismatch(">=2.0.0", "1.1.0", Mismatch::OutOfRange);
    check_mismatch(">=1.0.0-0 <1.1.0-0", "1.1.0-rc1", Mismatch::OutOfRange);
}

#[test]
fn improper_constraints_are_refused() {
    for text in [
        "",
        " ",
        "latest",
        "release-1.2",
        "1.2.3.4",
        "1.2-",
        "1.2.3-a..b",
        ">",
        ">> 1",
    ] {
        check_improper(text, text);
    }
    for text in [
        ">1<2", "1,", ",1", "1,,2", "> =1", "V1", "1.2.3_1", "1 - ", "é", "1\u{b}2",
    ] {
        check_improper(text, text);
    }
    check_improper("1 ||", "");
    check_improper("|| 1", "");
    check_improper("1 || latest", " latest");
}

#[test]
fn bad_versions_are_refused() {
    check_bad_version("1x", "1x", VersionError::NotAVersion);
    check_bad_version("1|2", "1|2", VersionError::NotAVersion);
    check_bad_version("1.2.3-01", "1.2.3-01", VersionError::LeadingZero);
    check_bad_version(
        ">=18446744073709551616",
        "18446744073709551616",
        VersionError::TooLarge,
    );
    check("1.x.18446744073709551616", "1.2.3", "2.0");
}

#[test]
fn a_constraint_is_bounded() {
    assert_eq!(
        "1".repeat(1025).parse::<Constraint>(),
        Err(ConstraintError::TooLong)
    );
}

#[test]
fn any_is_a_star() {
    assert_eq!("*".parse(), Ok(Constraint::any()));
}

proptest! {
    #[test]
    fn print_then_parse_gives_the_same_constraint(text in "[v0-3xX*|.,<>=!~^ a-]{0,16}") {
        if let Ok(constraint) = text.parse::<Constraint>() {
            prop_assert_eq!(constraint.to_string().parse(), Ok(constraint));
        }
    }

    #[test]
    fn any_text_is_a_constraint_or_an_error(text in ".{0,60}") {
        let parsed = text.parse::<Constraint>();
        prop_assert!(parsed.is_err() || parsed.is_ok_and(|parsed| parsed.as_str() == text));
    }

    #[test]
    fn any_holds_every_release(text in "v?[0-9]{1,9}(\\.[0-9]{1,9}){0,2}") {
        let version = Version::parse(&text).expect("the generator follows the grammar");
        prop_assert_eq!(Constraint::any().check(&version), Ok(()));
    }
}
