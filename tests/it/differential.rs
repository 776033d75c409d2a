//! Compares with the Go originals: Masterminds/semver's ranges, `filepath.Match`, `regexp`.
//!
//! The pairs are generated, the same ones at every run, from grammars that stay close to what
//! parses. `tests/stack/semver-oracle` answers for Go; without a Go toolchain the tests are
//! skipped at home and fail in CI.

use std::sync::LazyLock;

use image_update_core::policy::{Extract, Glob, Regexp};
use image_update_core::version::{Constraint, Version};
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::oracle::Oracle;

/// Questions a test asks. Two hundred thousand were asked once, without a difference.
const QUESTIONS: usize = 3_000;

/// Texts to choose one of. Repeated ones are chosen more often.
type Choice = &'static [&'static str];

/// A version, part by part.
const VERSION: &[Choice] = &[
    &["", "", "v"],
    &["0", "1", "2", "3", "01", "10", "18446744073709551616"],
    &["", ".0", ".1", ".2", ".3", ".02", ".10"],
    &["", ".0", ".1", ".2", ".3", ".18446744073709551615"],
    &[
        "",
        "",
        "",
        "",
        "-0",
        "-a",
        "-rc",
        "-rc1",
        "-10",
        "-99999999999999999999",
        "-01",
        "-",
    ],
    &["", "", "", ".0", ".2", ".a", ".10", ".01"],
    &["", "", "", "", "+m", "+m.01"],
];

/// One comparison, part by part, mostly right.
const COMPARISON: &[Choice] = &[
    &[
        "", "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "^", ">=", "<", "~",
        "==",
    ],
    &["", "", "", "", " ", "\u{c}"],
    &["", "", "", "v"],
    &[
        "0", "1", "2", "3", "0", "1", "2", "3", "0", "1", "2", "3", "x", "*", "3||1", "1|2",
    ],
    &[
        "", ".0", ".1", ".2", "", ".0", ".1", ".2", ".x", ".*", ".X", ".02", ".1x",
    ],
    &[
        "",
        ".0",
        ".1",
        ".2",
        "",
        ".0",
        ".1",
        ".2",
        ".x",
        ".18446744073709551616",
    ],
    &[
        "", "", "", "", "", "", "", "", "-0", "-0", "-a", "-rc1", "-rc.2", "-01", "-", ".4",
    ],
    &["", "", "", "", "", "+m"],
];

/// What stands between comparisons, right and wrong.
const SEPARATOR: Choice = &[
    " ", " ", " ", " ", ", ", ", ", ",", " , ", " || ", " || ", " || ", "||", "||", " - ", " - ",
    "  -  ", "", " -", ",,", "\u{b}",
];

/// Pieces of Go's syntax, those above all that the `regex` crate reads differently.
const PATTERN: &str = r"
    a b 0 _ - a b . ^ $ | * + ? ?? *? ++ ** ( ( ) ) (?: (?i) (?i: (?s-i: (?m) (?x) (?U) (?= (?P<n>
    (?<m> {2} {1,} {0,1} {,2} {1001} {2,1} {01} { } {} {a} \d \D \s \S \w \W \b \B \A \z \Z \Qa.b\E
    \Q* \E \< \> \. \- \_ \pL \PL \p{^L} \p{Greek} \x61 \x{62} \1 \141 \0 \b{start} [ab] [^a] [[a]
    [[a]b] []a] [^]a] [a-] [-b] [a&&b] [a~~b] [*--] [+--0] [b-a] [\d-a] [a-\d] [\]\-] [^\W_]
    [[:alpha:]] [[:^digit:]_] [[:x:]] [[:a] [ ]
";

/// Pieces of the texts that patterns are tried on.
const TEXT: &str = "a b 0 _ - . { } & ~ [ ] , A *";

#[test]
fn ranges_hold_what_masterminds_semver_says() {
    let constraints = (
        sequence(COMPARISON),
        proptest::collection::vec((select(SEPARATOR), sequence(COMPARISON)), 0..3),
    )
        .prop_map(|(first, rest)| {
            rest.iter()
                .fold(first, |text, (separator, next)| text + separator + next)
        });
    let questions = generate((constraints, sequence(VERSION)).prop_map(<[String; 2]>::from));
    compare("semver", &questions, |[constraint, version]| {
        let Ok(constraint) = constraint.parse::<Constraint>() else {
            return "error-constraint".to_owned();
        };
        match Version::parse(version) {
            Ok(version) => format!("ok {}", constraint.check(&version).is_ok()),
            Err(_) => "error-version".to_owned(),
        }
    });
}

#[test]
fn versions_are_ordered_as_masterminds_semver_orders_them() {
    let questions = generate((sequence(VERSION), sequence(VERSION)).prop_map(<[String; 2]>::from));
    compare("compare", &questions, |[left, right]| {
        match (Version::parse(left), Version::parse(right)) {
            (Ok(left), Ok(right)) => format!("ok {}", left.cmp(&right) as i8),
            _ => "error-version".to_owned(),
        }
    });
}

/// Go looks at the bad part of a glob only if the text leads there; we always do.
#[test]
fn globs_match_what_filepath_match_says() {
    const GLOB: &str =
        r"a b / - * * ? [ab] [^a] [a-c] [!a] [b-a] [a^] [\]\-] [\^a] [*] \* \a ] [ [] []a] [a-] \";
    const PATH: &str = "a b c / - * ] ! ^";
    let questions = generate((pieces(GLOB), pieces(PATH)).prop_map(<[String; 2]>::from));
    compare("glob", &questions, |[pattern, text]| {
        match pattern.parse::<Glob>() {
            Ok(glob) => format!("ok {}", glob.matches(text)),
            Err(_) => REFUSED.to_owned(),
        }
    });
}

#[test]
fn patterns_match_what_gos_regexp_says() {
    let questions = generate((pieces(PATTERN), pieces(TEXT)).prop_map(<[String; 2]>::from));
    compare("regexp", &questions, |[pattern, text]| {
        match pattern.parse::<Regexp>() {
            Ok(regexp) => format!("ok {}", regexp.is_match(text)),
            Err(_) => REFUSED.to_owned(),
        }
    });
}

/// A group that does not exist is empty in Go and refused here, so all of these exist.
#[test]
fn values_are_expanded_as_go_expands_them() {
    const GROUPS: &str = "a b (b+) b? (a)|b (?:0)? | (a?) (b*?) .*";
    const VALUE: &str = "$0 $1 $2 $n ${n} ${1}x ${1x} $1x $$ $ ${ x - $- ${} }";
    let patterns = pieces(GROUPS).prop_map(|groups| format!("(?P<n>a)?(?P<1x>b?){groups}"));
    let questions = generate((patterns, pieces(VALUE), pieces(TEXT)).prop_map(<[String; 3]>::from));
    compare(
        "expand",
        &questions,
        |[pattern, value, text]| match Extract::new(pattern, value) {
            Ok(extract) => extract
                .apply(text)
                .map_or_else(|| "no-match".to_owned(), |value| format!("ok {value}")),
            Err(_) => REFUSED.to_owned(),
        },
    );
}

/// What we refuse although Go may take it. A refusal is never a wrong match.
const REFUSED: &str = "refused";

/// Of the patterns Go takes, at most this share may be refused.
const MAX_REFUSED_PERCENT: usize = 5;

/// Asks Go and us, and names every question with different answers.
#[track_caller]
fn compare<const N: usize>(
    kind: &str,
    questions: &[[String; N]],
    ours: impl Fn(&[String; N]) -> String,
) {
    let Some(oracle) = &*ORACLE else {
        return;
    };
    let lines: Vec<String> = questions
        .iter()
        .map(|question| format!("{kind}\t{}", question.join("\t")))
        .collect();
    let theirs = oracle.ask(&lines);
    let mut refused = 0;
    let mut taken = 0;
    let mut differences = Vec::new();
    for (question, theirs) in questions.iter().zip(&theirs) {
        let ours = ours(question);
        taken += usize::from(theirs.starts_with("ok"));
        if ours == REFUSED {
            refused += usize::from(theirs.starts_with("ok"));
        } else if ours != *theirs {
            differences.push(format!("{question:?}: Go says {theirs}, we say {ours}"));
        }
    }
    assert_eq!(theirs.len(), questions.len(), "an answer to each question");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        taken * 10 > questions.len(),
        "only {taken} of {} questions mean something",
        questions.len()
    );
    assert!(
        refused * 100 <= taken * MAX_REFUSED_PERCENT,
        "we refuse {refused} of the {taken} that Go takes"
    );
}

/// One text of each list, in the lists' order.
fn sequence(lists: &[Choice]) -> impl Strategy<Value = String> + use<> {
    lists
        .iter()
        .map(|&list| select(list))
        .collect::<Vec<_>>()
        .prop_map(|texts| texts.concat())
}

/// A few texts of one list, which blanks separate.
fn pieces(list: &'static str) -> impl Strategy<Value = String> {
    let list: Vec<&str> = list.split_ascii_whitespace().collect();
    proptest::collection::vec(select(list), 0..5).prop_map(|texts| texts.concat())
}

/// The same questions at every run.
fn generate<Question>(questions: impl Strategy<Value = Question>) -> Vec<Question> {
    let mut runner = TestRunner::deterministic();
    let mut next = || {
        questions
            .new_tree(&mut runner)
            .expect("nothing is filtered")
            .current()
    };
    std::iter::repeat_with(&mut next).take(QUESTIONS).collect()
}

/// The Go program, built once; none where there is no Go toolchain.
static ORACLE: LazyLock<Option<Oracle>> = LazyLock::new(|| Oracle::build("semver-oracle"));
