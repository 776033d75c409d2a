//! What makes one tag better than another.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::image::{Excerpt, Tag, TagError};
use crate::version::{Constraint, ConstraintError};

/// The rule that orders tags.
///
/// Whatever it compares, tags that are equal to it are ordered by their bytes, the greater one
/// wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The highest version in a range. Tags that are no versions are passed over.
    Semver(Constraint),
    /// The latest build, by the time in the image's config. Tags without a time are passed over.
    NewestBuild,
    /// The last tag in the order of bytes.
    Alphabetical(Order),
    /// The highest number. Tags that are no numbers are passed over.
    Numerical(Order),
    /// One tag, followed for its digest. It is selected whenever it exists.
    Digest(Tag),
}

/// Which end of an order wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// From low to high: the highest, the last one, wins.
    #[default]
    Ascending,
    /// From high to low: the lowest wins.
    Descending,
}

/// The name of a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StrategyName {
    /// `semver`
    Semver,
    /// `newest-build`, once `latest`
    NewestBuild,
    /// `alphabetical`, once `name`
    Alphabetical,
    /// `numerical`
    Numerical,
    /// `digest`
    Digest,
}

/// No strategy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} is not a strategy: expected semver, newest-build, alphabetical, numerical or digest"
)]
pub struct StrategyNameError {
    /// The name that was given.
    pub name: Excerpt,
}

/// Why a name and a constraint do not make a [`Strategy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// The constraint of semver is not valid.
    #[error("the constraint is not valid")]
    Constraint(#[source] ConstraintError),
    /// Digest was given no tag to follow.
    #[error("the digest strategy needs the tag to follow, as the constraint")]
    MissingTag,
    /// The tag digest should follow is not valid.
    #[error("the tag to follow is not valid")]
    Tag(#[source] TagError),
}

impl Strategy {
    /// Makes a strategy of its name and the constraint of `image:constraint`.
    ///
    /// No constraint, or one of blanks, lets semver take any release. Strategies of which
    /// [`StrategyName::ignores_constraint`] holds do not look at it.
    pub fn new(name: StrategyName, constraint: Option<&str>) -> Result<Self, StrategyError> {
        let constraint = constraint.filter(|constraint| !constraint.trim().is_empty());
        Ok(match name {
            StrategyName::Semver => Self::Semver(match constraint {
                Some(constraint) => constraint.parse().map_err(StrategyError::Constraint)?,
                None => Constraint::any(),
            }),
            StrategyName::NewestBuild => Self::NewestBuild,
            StrategyName::Alphabetical => Self::Alphabetical(Order::default()),
            StrategyName::Numerical => Self::Numerical(Order::default()),
            StrategyName::Digest => {
                let tag = constraint.ok_or(StrategyError::MissingTag)?;
                Self::Digest(tag.parse().map_err(StrategyError::Tag)?)
            }
        })
    }

    /// The strategy's name.
    pub fn name(&self) -> StrategyName {
        match self {
            Self::Semver(_) => StrategyName::Semver,
            Self::NewestBuild => StrategyName::NewestBuild,
            Self::Alphabetical(_) => StrategyName::Alphabetical,
            Self::Numerical(_) => StrategyName::Numerical,
            Self::Digest(_) => StrategyName::Digest,
        }
    }

    /// Which end of the order wins.
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Alphabetical(order) | Self::Numerical(order) => *order,
            Self::Semver(_) | Self::NewestBuild | Self::Digest(_) => Order::Ascending,
        }
    }
}

impl Order {
    /// Turns an ordering by value into one by rank: what wins is the greater.
    pub(super) fn rank(self, by_value: Ordering) -> Ordering {
        match self {
            Self::Ascending => by_value,
            Self::Descending => by_value.reverse(),
        }
    }
}

impl StrategyName {
    /// Whether the strategy has no use for a constraint, which is worth a warning where one is
    /// given.
    pub fn ignores_constraint(self) -> bool {
        match self {
            Self::NewestBuild | Self::Alphabetical | Self::Numerical => true,
            Self::Semver | Self::Digest => false,
        }
    }

    /// Whether the strategy needs [`Candidate::created`](crate::image::Candidate::created).
    pub fn needs_build_time(self) -> bool {
        self == Self::NewestBuild
    }

    /// Whether the strategy orders by a tag's text, and so by what is extracted of it.
    pub fn orders_by_text(self) -> bool {
        match self {
            Self::Semver | Self::Alphabetical | Self::Numerical => true,
            Self::NewestBuild | Self::Digest => false,
        }
    }
}

/// Case does not matter. `latest` and `name` are the predecessor's old names.
impl FromStr for StrategyName {
    type Err = StrategyNameError;

    fn from_str(text: &str) -> Result<Self, StrategyNameError> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "semver" => Self::Semver,
            "newest-build" | "latest" => Self::NewestBuild,
            "alphabetical" | "name" => Self::Alphabetical,
            "numerical" => Self::Numerical,
            "digest" => Self::Digest,
            _ => {
                return Err(StrategyNameError {
                    name: Excerpt::new(text),
                });
            }
        })
    }
}

impl fmt::Display for StrategyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Semver => "semver",
            Self::NewestBuild => "newest-build",
            Self::Alphabetical => "alphabetical",
            Self::Numerical => "numerical",
            Self::Digest => "digest",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(text: &str, expected: StrategyName) {
        assert_eq!(text.parse(), Ok(expected));
        assert_eq!(expected.to_string().parse(), Ok(expected));
    }

    #[track_caller]
    fn check(
        name: StrategyName,
        constraint: Option<&str>,
        expected: &Result<Strategy, StrategyError>,
    ) {
        assert_eq!(&Strategy::new(name, constraint), expected);
    }

    #[test]
    fn old_names_and_any_case_are_read() {
        check_name("SemVer", StrategyName::Semver);
        check_name("newest-build", StrategyName::NewestBuild);
        check_name("latest", StrategyName::NewestBuild);
        check_name("Name", StrategyName::Alphabetical);
        check_name("numerical", StrategyName::Numerical);
        check_name("digest", StrategyName::Digest);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let expected = StrategyNameError {
            name: Excerpt::new("newest"),
        };
        assert_eq!("newest".parse::<StrategyName>(), Err(expected));
    }

    #[test]
    fn no_constraint_means_any_release() {
        for constraint in [None, Some(""), Some(" ")] {
            check(
                StrategyName::Semver,
                constraint,
                &Ok(Strategy::Semver(Constraint::any())),
            );
        }
    }

    #[test]
    fn a_bad_constraint_is_an_error_before_any_tag_is_seen() {
        let improper = ConstraintError::Improper(Excerpt::new("latest"));
        check(
            StrategyName::Semver,
            Some("latest"),
            &Err(StrategyError::Constraint(improper)),
        );
    }

    #[test]
    fn digest_needs_its_tag() {
        let tag = "latest".parse().expect("latest is a tag");
        check(
            StrategyName::Digest,
            Some("latest"),
            &Ok(Strategy::Digest(tag)),
        );
        check(StrategyName::Digest, None, &Err(StrategyError::MissingTag));
        check(
            StrategyName::Digest,
            Some("^1"),
            &Err(StrategyError::Tag(TagError::BadStart('^'))),
        );
    }

    #[test]
    fn the_others_ignore_a_constraint() {
        check(
            StrategyName::NewestBuild,
            Some("^1"),
            &Ok(Strategy::NewestBuild),
        );
        check(
            StrategyName::Alphabetical,
            Some("]"),
            &Ok(Strategy::Alphabetical(Order::Ascending)),
        );
        assert!(StrategyName::Numerical.ignores_constraint());
        assert!(!StrategyName::Semver.ignores_constraint());
    }
}
