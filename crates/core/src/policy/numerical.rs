//! Decimal numbers of any length, compared exactly.

use std::cmp::Ordering;

/// A number `-?\d+(\.\d+)?` that borrows its digits.
///
/// Build numbers outgrow 64 bits and lose digits as floating point (`1.10` is not `1.1` followed
/// by nothing to a person, but they are equal here: the tag's text breaks the tie).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    /// Never set on zero.
    is_negative: bool,
    /// Without leading zeros; empty for zero.
    integer: &'a str,
    /// Without trailing zeros.
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Reads a number; the whole text must be one.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (integer, fraction) = match digits.split_once('.') {
            Some((integer, fraction)) => (integer, is_digits(fraction).then_some(fraction)?),
            None => (digits, ""),
        };
        if !is_digits(integer) {
            return None;
        }
        let integer = integer.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let is_zero = integer.is_empty() && fraction.is_empty();
        Some(Self {
            is_negative: text.starts_with('-') && !is_zero,
            integer,
            fraction,
        })
    }

    fn compare_magnitudes(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer integer is the greater. The digits of a fraction are
        // ordered as text is.
        self.integer
            .len()
            .cmp(&other.integer.len())
            .then_with(|| self.integer.cmp(other.integer))
            .then_with(|| self.fraction.cmp(other.fraction))
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.compare_magnitudes(other),
            (true, true) => other.compare_magnitudes(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(left: &str, right: &str, expected: Ordering) {
        let number = |text| Decimal::parse(text).expect("the row's texts are numbers");
        assert_eq!(number(left).cmp(&number(right)), expected);
        assert_eq!(number(right).cmp(&number(left)), expected.reverse());
    }

    #[test]
    fn numbers_are_compared_by_value() {
        check("10", "9", Ordering::Greater);
        check("1.10", "1.9", Ordering::Less);
        check("-2", "-1", Ordering::Less);
        check("-1", "1", Ordering::Less);
        check("-1.5", "-1.25", Ordering::Less);
        check("0.1", "0", Ordering::Greater);
    }

    #[test]
    fn zeros_at_the_ends_do_not_count() {
        check("007", "7", Ordering::Equal);
        check("1.50", "1.5", Ordering::Equal);
        check("-0", "0", Ordering::Equal);
        check("-0.0", "00.00", Ordering::Equal);
    }

    #[test]
    fn any_number_of_digits_is_exact() {
        let nines = "9".repeat(100);
        check(
            &format!("{nines}1"),
            &format!("{nines}0"),
            Ordering::Greater,
        );
        check(
            &format!("0.{nines}1"),
            &format!("0.{nines}"),
            Ordering::Greater,
        );
        check("9007199254740993", "9007199254740992", Ordering::Greater);
    }

    #[test]
    fn other_text_is_no_number() {
        for text in [
            "", "-", ".5", "5.", "1.2.3", "+1", "1e5", " 1", "v1", "--1", "١", "1-",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn small_numbers_are_ordered_as_integers_are(left: i32, right: i32) {
            let texts = [left, right].map(|number| format!("{}.{:03}", number / 1000, (number % 1000).abs()));
            // Rust prints -1/1000 as 0: leave out what the format cannot show.
            prop_assume!([left, right].iter().all(|number| *number <= -1000 || *number >= 0));
            let numbers = texts.each_ref().map(|text| Decimal::parse(text).expect("a number"));
            prop_assert_eq!(numbers[0].cmp(&numbers[1]), left.cmp(&right));
        }
    }
}
