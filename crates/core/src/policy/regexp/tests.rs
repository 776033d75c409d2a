//! One row = one spelling of Go's syntax and what it means there.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let parsed: Regexp = pattern.parse().expect("the row's pattern parses");
    for text in matching {
        assert!(parsed.is_match(text), "{pattern} should match {text:?}");
    }
    for text in others {
        assert!(
            !parsed.is_match(text),
            "{pattern} should not match {text:?}"
        );
    }
}

#[track_caller]
fn check_refused(pattern: &str, expected: RegexpError) {
    assert_eq!(pattern.parse::<Regexp>(), Err(expected));
}

#[test]
fn a_pattern_is_searched_for() {
    check("", &["", "a"], &[]);
    check("rc", &["1.0-rc1"], &["1.0"]);
    check(
        r"^v?\d+\.\d+\.\d+$",
        &["1.2.3", "v1.2.3"],
        &["1.2", "1.2.3-rc", "x1.2.3"],
    );
    check("a|b", &["a", "b"], &["c"]);
    check("^(|a)$", &["", "a"], &["b"]);
}

#[test]
fn quoted_text_is_literal() {
    check(r"^\Q1.2+\E$", &["1.2+"], &["1x2+", "1.22"]);
    check(r"^a\Q.*", &["a.*"], &["abc"]);
    check(r"^\Qab\E+$", &["ab", "abb"], &["abab"]);
    check_refused(r"a\Q\E*", RegexpError::NothingToRepeat('*'));
    check_refused(r"a\E", RegexpError::BadEscape);
}

#[test]
fn a_bracket_in_a_class_is_a_member() {
    check("^[[v]$", &["[", "v"], &["]"]);
    check("^[[a]b]$", &["[b]", "ab]"], &["a", "b"]);
    check("^[]a]$", &["]", "a"], &["b"]);
    check("^[^]a]$", &["b"], &["]", "a"]);
    check("^[[:a]$", &["[", ":", "a"], &["b"]);
    check_refused("[", RegexpError::BadClass);
    check_refused("[]", RegexpError::BadClass);
    check_refused("[a", RegexpError::BadClass);
}

#[test]
fn set_operators_are_members() {
    check("^[a&&b]$", &["a", "&", "b"], &["c"]);
    check("^[a~~b]$", &["a", "~"], &["c"]);
    check("^[*--a]$", &["-", "+", "a"], &[".", "b"]);
    check("^[a-c-e]$", &["b", "-", "e"], &["d"]);
    check("^[-a]$", &["-", "a"], &["b"]);
    check("^[a-]$", &["-", "a"], &["b"]);
    check_refused("[b-a]", RegexpError::BadClass);
    check_refused(r"[a-\d]", RegexpError::BadClass);
    check(r"^[\d-z]$", &["1", "-", "z"], &["a"]);
}

#[test]
fn named_classes_are_ascii() {
    check("^[[:alpha:]1]+$", &["a1"], &["2"]);
    check("^[[:^alpha:]]$", &["1"], &["a"]);
    check("^[[:word:]]$", &["_"], &["-"]);
    check_refused("[[:nope:]]", RegexpError::BadClass);
    check(r"^[\w.]+$", &["a_1."], &["-"]);
    check(r"^[^\W_]+$", &["a1"], &["_", "-"]);
    check(r"^\s$", &[" ", "\t"], &["\u{b}", "a"]);
    check(r"^\pL\p{Nd}\P{L}\p{^L}$", &["a1-_"], &["aaaa"]);
    check_refused(r"\p{age=3.0}", RegexpError::BadEscape);
    check_refused(r"\p", RegexpError::BadEscape);
}

#[test]
fn only_ascii_is_matched() {
    check(r".", &["a"], &["é"]);
    check(r"^é?$", &[""], &["é"]);
}

#[test]
fn a_repetition_is_not_repeated() {
    check("^a*?$", &["", "aa"], &["b"]);
    check("^a{2}?$", &["aa"], &["a"]);
    for (pattern, sign) in [
        ("a**", '*'),
        ("a++", '+'),
        ("a*?+", '+'),
        ("a{2}{3}", '{'),
        ("a???", '?'),
    ] {
        check_refused(pattern, RegexpError::RepeatedRepetition(sign));
    }
    for pattern in ["*", "(*a)", "a|*", "(?:*)", "(?i)*", "a(?i)*"] {
        check_refused(pattern, RegexpError::NothingToRepeat('*'));
    }
}

#[test]
fn a_repetition_has_at_most_1000() {
    check("^a{1000}$", &[&"a".repeat(1000)], &[&"a".repeat(999)]);
    check("^a{2,}$", &["aa", "aaa"], &["a"]);
    check("^a{1,2}$", &["a", "aa"], &["aaa"]);
    for pattern in [
        "a{1001}",
        "a{1,1001}",
        "a{1001,}",
        "a{2,1}",
        "a{99999999999}",
    ] {
        check_refused(pattern, RegexpError::BadRepeat);
    }
}

#[test]
fn a_brace_that_counts_nothing_is_literal() {
    check("^a{,2}$", &["a{,2}"], &["", "a", "aa"]);
    check("^a{$", &["a{"], &["a"]);
    check("^{}$", &["{}"], &[""]);
    check("^a{02}$", &["a{02}"], &["aa"]);
    check("^a{x}$", &["a{x}"], &["ax"]);
    check("^a}$", &["a}"], &["a"]);
}

#[test]
fn escapes_mean_what_go_says() {
    check(r"^\x41\x{42}$", &["AB"], &["41"]);
    check(r"^\101\08$", &["A\u{0}8"], &["A"]);
    check(r"^\<\>\-\_\ $", &["<>-_ "], &[""]);
    check(r"\Aab\z", &["ab"], &["xab", "abx"]);
    check(r"\bab\b", &["x-ab-x"], &["xab", "ab_"]);
    check(r"a\Bb", &["ab"], &["a"]);
    check(r"a\b{start}", &["a{start}"], &["a"]);
    for pattern in [
        r"\",
        r"\1",
        r"\8",
        r"\e",
        r"\Z",
        r"\C",
        r"\h",
        r"\x4",
        r"\x{}",
        r"\x{110000}",
        r"\é",
    ] {
        check_refused(pattern, RegexpError::BadEscape);
    }
    check_refused(r"[\b]", RegexpError::BadEscape);
}

#[test]
fn groups_and_flags_are_gos() {
    check("^(?i)A(?-i)b$", &["ab", "Ab"], &["aB"]);
    check("^(?i:a)b$", &["Ab"], &["AB"]);
    check("(?m)^b$", &["a\nb"], &["ab"]);
    check("^a.b$", &["axb"], &["a\nb"]);
    check("(?s)^a.b$", &["a\nb"], &[]);
    check("^(?:ab)+$", &["abab"], &["aba"]);
    for pattern in [
        "(?x)a b",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?P=a)",
        "(?P<>a)",
        "(?P<a-b>a)",
        "(?#a)",
    ] {
        check_refused(pattern, RegexpError::BadGroup);
    }
    for pattern in ["(?", "(?)", "(?i-)", "(?i", "(?R)", "(?u)"] {
        check_refused(pattern, RegexpError::BadGroup);
    }
    for pattern in ["(", "(a", "a)", ")("] {
        check_refused(pattern, RegexpError::UnpairedParenthesis);
    }
    check_refused("(?P<a>x)(?<a>y)", RegexpError::DuplicateGroupName);
}

#[test]
fn groups_may_have_names_that_start_with_a_digit() {
    let pattern: Regexp = "(a)(?P<1x>b)(?:c)(?<ts>d)".parse().expect("Go takes it");
    assert_eq!(pattern.group_named("1x"), Some(2));
    assert_eq!(pattern.group_named("ts"), Some(3));
    assert_eq!(pattern.group_named("a"), None);
    assert_eq!(pattern.group_count(), 4);
}

#[test]
fn size_is_bounded() {
    check_refused(&"a".repeat(1025), RegexpError::TooLong);
    check_refused(r"\pL{1000}", RegexpError::TooLarge);
    check_refused("((a{1000}){1000})", RegexpError::TooLarge);
    let deep = format!("{}{}", "(".repeat(200), ")".repeat(200));
    assert!(matches!(
        deep.parse::<Regexp>(),
        Err(RegexpError::Refused(_))
    ));
}

proptest! {
    #[test]
    fn a_quoted_text_is_found_in_itself(text in "[ -~]{0,20}") {
        prop_assume!(!text.contains(r"\E"));
        let pattern: Regexp = format!(r"^\Q{text}\E$").parse().expect("quoted text is a pattern");
        prop_assert!(pattern.is_match(&text));
    }

    #[test]
    fn any_text_is_a_pattern_or_an_error(text in "[ab0-3\\[\\](){}?*+|^$.,:<>P\\\\&-]{0,20}|.{0,20}") {
        let parsed = text.parse::<Regexp>();
        prop_assert!(!matches!(parsed, Err(RegexpError::TooLong | RegexpError::TooLarge)));
    }
}
