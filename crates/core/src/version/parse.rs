//! One version, read leniently.

use std::cmp::Ordering;

/// A version that borrows its text: `1`, `v1.2`, `1.2.3-rc.1+build`.
///
/// Missing parts are zero, leading zeros and one `v` are allowed, build metadata is checked and
/// forgotten. Each number fits 64 bits.
///
/// The order is Semantic Versioning's with Masterminds' one exception: a numeric part of a pre-release
/// that does not fit 64 bits counts as text. That, and reading 50,000 tags without an allocation,
/// is why this is not `semver::Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version<'a> {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows the dash, empty for a release.
    pub prerelease: &'a str,
}

/// Why a text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It does not have the form `v1.2.3-pre+meta`.
    #[error("it does not read like 1.2.3")]
    NotAVersion,
    /// A numeric part of the pre-release starts with a zero.
    #[error("a number in its pre-release starts with a zero")]
    LeadingZero,
    /// A number does not fit 64 bits.
    #[error("a number in it is too large")]
    TooLarge,
}

impl<'a> Version<'a> {
    /// Reads a version.
    ///
    /// # Examples
    ///
    /// ```
    /// # use image_update_core::version::Version;
    /// let release = Version::parse("v1.2")?;
    /// assert_eq!((release.major, release.minor, release.patch), (1, 2, 0));
    /// assert!(Version::parse("1.2.0-rc1")? < release);
    /// assert!(Version::parse("release-1.2").is_err());
    /// # Ok::<(), image_update_core::version::VersionError>(())
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, VersionError> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (major, rest) = split_digits(rest).ok_or(VersionError::NotAVersion)?;
        let (minor, rest) = split_dot_digits(rest);
        let (patch, rest) = split_dot_digits(rest);
        let (prerelease, rest) = split_identifiers(rest, '-');
        let (_, rest) = split_identifiers(rest, '+');
        if !rest.is_empty() {
            return Err(VersionError::NotAVersion);
        }
        Self::from_parts(major, minor, patch, prerelease)
    }

    /// Puts parts together that consist of the right characters already.
    pub(super) fn from_parts(
        major: &str,
        minor: &str,
        patch: &str,
        prerelease: &'a str,
    ) -> Result<Self, VersionError> {
        let has_leading_zero = prerelease
            .split('.')
            .any(|part| part.len() > 1 && part.starts_with('0') && is_numeric(part));
        if has_leading_zero {
            return Err(VersionError::LeadingZero);
        }
        let number = |digits: &str| digits.parse().map_err(|_| VersionError::TooLarge);
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            prerelease,
        })
    }

    /// Whether there is a pre-release part.
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }

    /// The three numbers.
    pub(super) fn numbers(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers()
            .cmp(&other.numbers())
            .then_with(|| compare_prereleases(self.prerelease, other.prerelease))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The precedence of two pre-release parts of the same version. None is above any.
fn compare_prereleases(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        // A shorter list of equal parts is below: `Iterator::cmp_by` is not stable yet.
        (false, false) => left
            .split('.')
            .map(identifier)
            .cmp(right.split('.').map(identifier)),
    }
}

/// A part of a pre-release. The derived order puts numbers below text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Text(&'a str),
}

fn identifier(part: &str) -> Identifier<'_> {
    match part.parse() {
        Ok(number) if is_numeric(part) => Identifier::Number(number),
        _ => Identifier::Text(part),
    }
}

fn is_numeric(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Takes digits off the front, at least one.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Takes a dot and digits off the front; no dot is a zero.
fn split_dot_digits(text: &str) -> (&str, &str) {
    text.strip_prefix('.')
        .and_then(split_digits)
        .unwrap_or(("0", text))
}

/// Takes `mark` and the identifiers behind it off the front, as many as there are.
///
/// An identifier is `[0-9A-Za-z-]+`; dots stand between them. What does not follow this stays in
/// the rest.
pub(super) fn split_identifiers(text: &str, mark: char) -> (&str, &str) {
    let Some(list) = text.strip_prefix(mark) else {
        return ("", text);
    };
    let mut end = 0;
    loop {
        // Behind the first identifier the next one starts after a dot.
        let start = if end == 0 { 0 } else { end + 1 };
        let length = list.as_bytes().get(start..).map_or(0, |rest| {
            rest.iter()
                .take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'-')
                .count()
        });
        if length == 0 {
            break;
        }
        end = start + length;
        if list.as_bytes().get(end) != Some(&b'.') {
            break;
        }
    }
    if end == 0 {
        ("", text)
    } else {
        list.split_at(end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, numbers: (u64, u64, u64), prerelease: &str) {
        let version = Version::parse(text).expect("the row's text is a version");
        assert_eq!(
            (version.numbers(), version.prerelease),
            (numbers, prerelease)
        );
    }

    #[track_caller]
    fn check_refused(text: &str, expected: VersionError) {
        assert_eq!(Version::parse(text), Err(expected));
    }

    /// Each version is below the next one.
    #[track_caller]
    fn check_ascending(versions: &str) {
        let versions: Vec<_> = versions
            .split(' ')
            .map(|text| Version::parse(text).expect("the row's text is a version"))
            .collect();
        for pair in versions.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
        }
    }

    #[test]
    fn missing_parts_are_zero() {
        check("1", (1, 0, 0), "");
        check("1.2", (1, 2, 0), "");
        check("1.2.3", (1, 2, 3), "");
        check("1-rc", (1, 0, 0), "rc");
        check("20240105-1200", (20_240_105, 0, 0), "1200");
    }

    #[test]
    fn one_small_v_and_leading_zeros_are_allowed() {
        check("v1", (1, 0, 0), "");
        check("01.02.03", (1, 2, 3), "");
        check("2024.01.05", (2024, 1, 5), "");
        check_refused("V1.2.3", VersionError::NotAVersion);
        check_refused("vv1", VersionError::NotAVersion);
    }

    #[test]
    fn prerelease_and_metadata_follow_semver() {
        check("1.2.3-alpine3.18", (1, 2, 3), "alpine3.18");
        check("1.2.3+meta", (1, 2, 3), "");
        check("1.2.3-a-b.0+c-d.00", (1, 2, 3), "a-b.0");
        check_refused("1.2.3-01", VersionError::LeadingZero);
        check_refused("1.2.3-a.00", VersionError::LeadingZero);
        check_refused("1.2.3-a..b", VersionError::NotAVersion);
        check_refused("1.2.3-", VersionError::NotAVersion);
        check_refused("1.2.3+", VersionError::NotAVersion);
        check_refused("1.2.3_1", VersionError::NotAVersion);
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "v",
            "1.2.3.4",
            "1e10",
            "7a",
            "release-1.2.3",
            "1.",
            "1..2",
            " 1",
            "1\n",
            "é",
        ] {
            check_refused(text, VersionError::NotAVersion);
        }
    }

    #[test]
    fn numbers_have_64_bits() {
        check("18446744073709551615", (u64::MAX, 0, 0), "");
        check_refused("18446744073709551616", VersionError::TooLarge);
        check_refused("1.1.18446744073709551616", VersionError::TooLarge);
    }

    #[test]
    fn order_is_semvers() {
        check_ascending("1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2");
        check_ascending("1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1-0 1.1 2 10");
    }

    #[test]
    fn a_prerelease_number_beyond_64_bits_is_text() {
        check_ascending(
            "1.0.0-18446744073709551615 1.0.0-100000000000000000000 1.0.0-99999999999999999999 1.0.0-a",
        );
    }

    #[test]
    fn metadata_does_not_count() {
        assert_eq!(Version::parse("1.0.0+a"), Version::parse("v1+b"));
    }

    proptest! {
        #[test]
        fn strict_versions_are_ordered_as_the_semver_crate_does(
            texts in proptest::array::uniform2(
                "[0-9]\\.[0-2]\\.[0-2](-(0|[1-9][0-9]{0,2}|[a-zA-Z-]{1,2})(\\.(0|[1-9]|[a-b]|-)){0,2})?",
            ),
        ) {
            let [left, right] = [&texts[0], &texts[1]];
            let ours = Version::parse(left).expect("the generator follows the grammar")
                .cmp(&Version::parse(right).expect("the generator follows the grammar"));
            let theirs = left.parse::<semver::Version>().expect("the generator is strict")
                .cmp_precedence(&right.parse().expect("the generator is strict"));
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn any_text_is_a_version_or_an_error(text in "[v0-9a-c.+ -]{0,20}|.{0,20}") {
            let _: Result<Version<'_>, VersionError> = Version::parse(&text);
        }
    }
}
