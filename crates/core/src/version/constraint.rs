//! A range of versions: what a text says and which versions are in it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::parse::{Version, VersionError, split_identifiers};
use crate::image::Excerpt;

/// A range of versions: `^1.2`, `>=1.0 <2.0 || 3.x`, `1.0 - 2.0`, `*-0`.
///
/// Alternatives stand between `||`; in one, comparisons separated by blanks or commas must all
/// hold. A missing part or one of `x X *` means any: `1.2` is `1.2.x`. A pre-release is in an
/// alternative only if one of its comparisons names a pre-release, which `-0` does for all.
///
/// Printing gives the text as it was written.
///
/// # Examples
///
/// ```
/// # use image_update_core::version::{Constraint, Mismatch, Version};
/// let constraint: Constraint = "~1.2".parse()?;
/// assert_eq!(constraint.check(&Version::parse("1.2.9")?), Ok(()));
/// assert_eq!(constraint.check(&Version::parse("1.3.0")?), Err(Mismatch::OutOfRange));
/// assert_eq!(constraint.check(&Version::parse("1.2.9-rc1")?), Err(Mismatch::Prerelease));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    text: Box<str>,
    alternatives: Vec<Alternative>,
}

/// Why a text is not a constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// It has more than [`Constraint::MAX_LENGTH`] bytes.
    #[error("the constraint is longer than {} characters", Constraint::MAX_LENGTH)]
    TooLong,
    /// A part between `||` is not a list of comparisons.
    #[error(
        "improper constraint {0}: expected versions such as 1.2 or 1.x with = != > < >= <= ~ ^"
    )]
    Improper(Excerpt),
    /// The version in a comparison cannot be read.
    #[error("the version in {text} is not valid")]
    BadVersion {
        /// The comparison.
        text: Excerpt,
        /// What is wrong with its version.
        #[source]
        source: VersionError,
    },
}

/// Why a version is not in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is a pre-release the range would hold, did it ask for pre-releases.
    Prerelease,
    /// It is outside.
    OutOfRange,
}

impl Constraint {
    /// The bytes a constraint has at most.
    pub const MAX_LENGTH: usize = 1024;

    /// Every release and no pre-release, `*`: what no constraint means.
    pub fn any() -> Self {
        let comparison = Comparison {
            operator: Operator::Equal,
            precision: Precision::Nothing,
            bound: Bound {
                major: 0,
                minor: 0,
                patch: 0,
                prerelease: "".into(),
            },
        };
        let alternative = Alternative {
            comparisons: vec![comparison],
            admits_prereleases: false,
        };
        Self {
            text: "*".into(),
            alternatives: vec![alternative],
        }
    }

    /// Whether the version is in the range, and if not, why.
    pub fn check(&self, version: &Version<'_>) -> Result<(), Mismatch> {
        let holds = |admits_prereleases: &dyn Fn(&Alternative) -> bool| {
            self.alternatives.iter().any(|alternative| {
                (!version.is_prerelease() || admits_prereleases(alternative))
                    && alternative
                        .comparisons
                        .iter()
                        .all(|comparison| comparison.holds(version))
            })
        };
        if holds(&|alternative| alternative.admits_prereleases) {
            Ok(())
        } else if version.is_prerelease() && holds(&|_| true) {
            Err(Mismatch::Prerelease)
        } else {
            Err(Mismatch::OutOfRange)
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Comparisons that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    comparisons: Vec<Comparison>,
    /// Whether one of the comparisons names a pre-release.
    admits_prereleases: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    precision: Precision,
    bound: Bound,
}

/// A [`Version`] that owns its text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// How many numbers of a bound were written as numbers. Those behind the first wildcard are
/// ignored, and zero in the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// `*`
    Nothing,
    /// `1`, `1.x`
    Major,
    /// `1.2`, `1.2.x`
    Minor,
    /// `1.2.3`
    Patch,
}

impl Comparison {
    /// Whether the version satisfies the comparison, pre-releases taken as any other version.
    fn holds(&self, version: &Version<'_>) -> bool {
        use Precision::{Major, Minor, Nothing, Patch};

        let bound = self.bound.as_version();
        let same_major = version.major == bound.major;
        let same_minor = same_major && version.minor == bound.minor;
        match (self.operator, self.precision) {
            (Operator::Equal, Patch) => *version == bound,
            (Operator::NotEqual, Nothing | Patch) => *version != bound,
            (Operator::NotEqual, Major) => !same_major,
            (Operator::NotEqual, Minor) => !same_minor || version.prerelease != bound.prerelease,
            (Operator::Greater, Nothing | Patch) => *version > bound,
            (Operator::Greater, Major) => version.major > bound.major,
            (Operator::Greater, Minor) => {
                (version.major, version.minor) > (bound.major, bound.minor)
            }
            (Operator::Less, _) => *version < bound,
            (Operator::GreaterOrEqual, _) => *version >= bound,
            (Operator::LessOrEqual, Patch) => *version <= bound,
            (Operator::LessOrEqual, Major) => version.major <= bound.major,
            (Operator::LessOrEqual, Nothing | Minor) => {
                (version.major, version.minor) <= (bound.major, bound.minor)
            }
            // A wildcard without an operator reads as a tilde.
            (Operator::Tilde, _) | (Operator::Equal, Nothing | Major | Minor) => {
                *version >= bound && self.tilde_holds(same_major, same_minor)
            }
            (Operator::Caret, _) => *version >= bound && self.caret_holds(version),
        }
    }

    fn tilde_holds(&self, same_major: bool, same_minor: bool) -> bool {
        // `~0.0.0` means any version, in the original too.
        let is_zero = (self.bound.major, self.bound.minor, self.bound.patch) == (0, 0, 0);
        match self.precision {
            Precision::Nothing => true,
            Precision::Patch if is_zero => true,
            Precision::Major => same_major,
            Precision::Minor | Precision::Patch => same_minor,
        }
    }

    /// The numbers up to the first that is not zero stay as they are. `^*` means `^0.0.0`, which
    /// looks like an oversight of the original.
    fn caret_holds(&self, version: &Version<'_>) -> bool {
        let Bound {
            major,
            minor,
            patch,
            ..
        } = self.bound;
        if major > 0 || self.precision == Precision::Major {
            version.major == major
        } else if minor > 0 || self.precision == Precision::Minor {
            (version.major, version.minor) == (major, minor)
        } else {
            version.numbers() == (major, minor, patch)
        }
    }
}

impl Bound {
    fn as_version(&self) -> Version<'_> {
        let Self {
            major,
            minor,
            patch,
            ref prerelease,
        } = *self;
        Version {
            major,
            minor,
            patch,
            prerelease,
        }
    }
}

impl FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(ConstraintError::TooLong);
        }
        let alternatives = rewrite_hyphen_ranges(text)
            .split("||")
            .map(parse_alternative)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.into(),
            alternatives,
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// Turns each `1.0 - 2.0` into `>= 1.0, <= 2.0`.
///
/// This happens to the text, before it is split, because it does in the original, and can be
/// seen: `1 - 2>3` is a constraint, `2>3` alone is none.
fn rewrite_hyphen_ranges(text: &str) -> Cow<'_, str> {
    let mut rewritten = String::new();
    let mut rest = text;
    while let Some((before, low, high, after)) = find_hyphen_range(rest) {
        rewritten.extend([before, ">= ", low, ", <= ", high, " "]);
        rest = after;
    }
    if rewritten.is_empty() {
        return Cow::Borrowed(text);
    }
    rewritten.push_str(rest);
    Cow::Owned(rewritten)
}

/// Finds the first hyphen range: what stands before it, its ends, and what follows.
fn find_hyphen_range(text: &str) -> Option<(&str, &str, &str, &str)> {
    text.char_indices().find_map(|(start, _)| {
        let (before, rest) = text.split_at(start);
        let (low, rest) = PartialVersion::split(skip_blanks(rest))?;
        let rest = skip_blanks_required(rest)?.strip_prefix('-')?;
        let (high, rest) = PartialVersion::split(skip_blanks_required(rest)?)?;
        Some((before, low.text, high.text, skip_blanks(rest)))
    })
}

fn parse_alternative(text: &str) -> Result<Alternative, ConstraintError> {
    let improper = || ConstraintError::Improper(Excerpt::new(text));
    let mut comparisons = Vec::new();
    let mut rest = skip_blanks(text);
    loop {
        let (operator, after) = split_operator(rest);
        let (version, after) = PartialVersion::split(skip_blanks(after)).ok_or_else(improper)?;
        comparisons.push(Comparison::new(operator, &version)?);
        rest = skip_blanks(after);
        let is_separated = rest.len() < after.len();
        rest = match rest.strip_prefix(',') {
            Some(rest) => skip_blanks(rest),
            None if rest.is_empty() => break,
            None if is_separated => rest,
            None => return Err(improper()),
        };
    }
    let admits_prereleases = comparisons
        .iter()
        .any(|comparison| !comparison.bound.prerelease.is_empty());
    Ok(Alternative {
        comparisons,
        admits_prereleases,
    })
}

/// Takes an operator off the front; none is `=`.
fn split_operator(text: &str) -> (Operator, &str) {
    /// Longer ones first.
    const OPERATORS: [(&str, Operator); 11] = [
        ("!=", Operator::NotEqual),
        (">=", Operator::GreaterOrEqual),
        ("=>", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        ("=<", Operator::LessOrEqual),
        ("~>", Operator::Tilde),
        ("=", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("~", Operator::Tilde),
        ("^", Operator::Caret),
    ];
    OPERATORS
        .into_iter()
        .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?)))
        .unwrap_or((Operator::Equal, text))
}

/// The version in a comparison, where numbers may be wildcards or missing.
///
/// The numbers may hold anything of `[0-9xX*|]`, as in the original, so that `1x` is a bad version
/// rather than an improper constraint.
struct PartialVersion<'a> {
    text: &'a str,
    numbers: [&'a str; 3],
    prerelease: &'a str,
}

impl<'a> PartialVersion<'a> {
    /// Takes as much off the front as can be a version.
    fn split(text: &'a str) -> Option<(Self, &'a str)> {
        let (major, rest) = split_number(text.strip_prefix('v').unwrap_or(text))?;
        let split_next = |rest: &'a str| {
            rest.strip_prefix('.')
                .and_then(split_number)
                .unwrap_or(("", rest))
        };
        let (minor, rest) = split_next(rest);
        let (patch, rest) = split_next(rest);
        let (prerelease, rest) = split_identifiers(rest, '-');
        let (_, rest) = split_identifiers(rest, '+');
        let text = &text[..text.len() - rest.len()];
        Some((
            Self {
                text,
                numbers: [major, minor, patch],
                prerelease,
            },
            rest,
        ))
    }
}

impl Comparison {
    fn new(operator: Operator, version: &PartialVersion<'_>) -> Result<Self, ConstraintError> {
        let is_wildcard = |number: &str| matches!(number, "" | "x" | "X" | "*");
        let (precision, [major, minor, patch]) = match version.numbers {
            [major, ..] if is_wildcard(major) => (Precision::Nothing, ["0"; 3]),
            [major, minor, _] if is_wildcard(minor) => (Precision::Major, [major, "0", "0"]),
            [major, minor, patch] if is_wildcard(patch) => (Precision::Minor, [major, minor, "0"]),
            numbers => (Precision::Patch, numbers),
        };
        let bad_version = |source| ConstraintError::BadVersion {
            text: Excerpt::new(version.text),
            source,
        };
        if [major, minor, patch]
            .iter()
            .any(|number| number.contains(['x', 'X', '*', '|']))
        {
            return Err(bad_version(VersionError::NotAVersion));
        }
        let Version {
            major,
            minor,
            patch,
            prerelease,
        } = Version::from_parts(major, minor, patch, version.prerelease).map_err(bad_version)?;
        let bound = Bound {
            major,
            minor,
            patch,
            prerelease: prerelease.into(),
        };
        Ok(Self {
            operator,
            precision,
            bound,
        })
    }
}

/// Takes `[0-9xX*|]+` off the front.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let is_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'x' | b'X' | b'*' | b'|');
    let end = text
        .bytes()
        .position(|byte| !is_number(byte))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The blanks of Go's `\s`: space, tab, newline, form feed, carriage return.
fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(|character: char| character.is_ascii_whitespace())
}

/// Skips blanks, of which there must be one.
fn skip_blanks_required(text: &str) -> Option<&str> {
    let rest = skip_blanks(text);
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests;
