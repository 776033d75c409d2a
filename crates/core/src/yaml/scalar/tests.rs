//! Which strings need quotes. One row = one string and why.

use proptest::prelude::*;

use super::{ScalarStyle, is_other_type, needs_quotes, write};
use crate::yaml::Stream;

#[test]
fn words_for_other_types_need_quotes() {
    check(
        "y n yes NO On oFF true FALSE null Null ~ nan .NaN .inf -.INF +.inf infinity = <<",
        true,
    );
}

#[test]
fn numbers_of_any_reader_need_quotes() {
    check(
        "0 -1 +1 08 010 1_000 0x1F 0X1f 0o17 0b1 0b-1 0o-1 0x_1 0_x1F -0x1",
        true,
    );
    check("1.0 1. .5 -.5 1e3 1E+3 7e5 12345e7 1.5e-3 1_0.5", true);
    check(
        "1:30 190:20:30 1:30.5 2024-01-01 2024-1-2 2024-01-01T00:00:00Z",
        true,
    );
}

#[test]
fn usual_tags_and_references_stay_plain() {
    check(
        "v1.2.3 1.2.3 1.20-alpine latest 0123abc 1e3a 0xZZ _1 _ 1.2.3_4 1.2.3+build.5",
        false,
    );
    check(
        "2024-01-01-abc 20240105-1200 main-abc123-1700000000 e5 1e 1e+ 5e5e5",
        false,
    );
    check(
        "sha256:ab nginx:1@sha256:ab localhost:5000/a/b:1 a#b a,b 1:300 a:1",
        false,
    );
}

#[test]
fn indicators_need_quotes_where_they_mean_something() {
    check(
        "-a ?a :a ,a [a ]a {a }a #a &a *a !a |a >a 'a \"a %a @a `a a:",
        true,
    );
    assert!(needs_quotes("a b", false) && needs_quotes("é", false) && needs_quotes("", false));
    assert!(needs_quotes("a,b", true) && needs_quotes("a]", true) && !needs_quotes("a,b", false));
}

#[test]
fn a_style_is_kept_where_the_text_allows_it() {
    assert_eq!(write("it's", ScalarStyle::SingleQuoted, false), "'it''s'");
    assert_eq!(write("a\tb", ScalarStyle::SingleQuoted, false), r#""a\tb""#);
    assert_eq!(
        write("a\u{7}\u{2028}\u{85}\u{FEFF}", ScalarStyle::Plain, false),
        r#""a\u0007\u2028\u0085\uFEFF""#
    );
    assert_eq!(write("v1", ScalarStyle::Literal, false), "v1");
}

/// Checks each of the words, separated by blanks.
#[track_caller]
fn check(words: &str, quoted: bool) {
    for word in words.split(' ') {
        assert_eq!(needs_quotes(word, false), quoted, "{word}");
    }
}

proptest! {
    /// Whatever is written reads back as that string, in blocks and in brackets.
    #[test]
    fn every_string_reads_back(value in ".*", style in styles()) {
        check_reads_back(&value, style)?;
    }

    /// The same for strings of the characters that numbers, times and words are made of.
    #[test]
    fn every_near_number_reads_back(value in "[0189_.+eExXobnyNYZTfaI:~=<# -]{0,8}", style in styles()) {
        check_reads_back(&value, style)?;
    }

    /// A word for another type is one with or without quotes needed for other reasons.
    #[test]
    fn another_type_always_needs_quotes(value in "[0189_.+eExobnyNTfaI:-]{1,6}") {
        prop_assert!(!is_other_type(&value) || needs_quotes(&value, false));
    }
}

fn styles() -> impl Strategy<Value = ScalarStyle> {
    prop_oneof![
        Just(ScalarStyle::Plain),
        Just(ScalarStyle::SingleQuoted),
        Just(ScalarStyle::DoubleQuoted),
    ]
}

fn check_reads_back(value: &str, style: ScalarStyle) -> Result<(), TestCaseError> {
    let block = format!("a: {} # c\n", write(value, style, false));
    let flow = format!("[{}, b]\n", write(value, style, true));
    for (text, index) in [(block, 2), (flow, 1)] {
        let stream = Stream::parse(text.as_bytes())
            .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let node = stream.ids().nth(index);
        prop_assert!(
            node.is_some_and(|node| stream.says(node, value)),
            "{}",
            text
        );
    }
    Ok(())
}
