//! What was selected, why, and what kept every other tag from it.

use std::fmt;

use crate::image::{Excerpt, Tag};

/// The outcome of a selection.
///
/// [`Display`](fmt::Display) prints it for people: the reason, then each rejected tag with its
/// rule, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The tag that should run. None means: leave the image as it is.
    pub selected: Option<Tag>,
    /// Why that tag, or none.
    pub reason: Reason,
    /// Every other candidate, in the order they were given, and the rule it failed. The selected
    /// tag is never among them.
    pub rejected: Vec<Rejection>,
}

/// Why a tag was selected, or none was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The selected tag ranks above the current one.
    RanksAbove {
        /// The tag selected.
        selected: Tag,
        /// The current tag.
        current: Excerpt,
    },
    /// The selected tag is the current one.
    UpToDate {
        /// The tag selected.
        selected: Tag,
    },
    /// The selected tag ranks as the current one and is written differently: `v1.2` and `1.2.0`.
    RanksEqual {
        /// The tag selected.
        selected: Tag,
        /// The current tag.
        current: Excerpt,
    },
    /// The selected tag ranks below the current one, which the policy allows.
    DowngradeAllowed {
        /// The tag selected.
        selected: Tag,
        /// The current tag.
        current: Excerpt,
    },
    /// The best tag ranks below the current one, so none is selected.
    DowngradeRefused {
        /// The tag that would have been selected.
        best: Tag,
        /// The current tag.
        current: Excerpt,
    },
    /// The strategy can do nothing with the current tag, so the best one is selected.
    CurrentUnreadable {
        /// The tag selected.
        selected: Tag,
        /// The current tag.
        current: Excerpt,
    },
    /// There is no current tag, so the best one is selected.
    NoCurrent {
        /// The tag selected.
        selected: Tag,
    },
    /// The digest strategy follows the selected tag; whether its digest moved is not decided here.
    Followed {
        /// The tag selected.
        selected: Tag,
    },
    /// The policy pins the selected tag.
    Pinned {
        /// The tag selected.
        selected: Tag,
    },
    /// The policy pins a tag that cannot be used, so none is selected.
    PinUnavailable {
        /// The tag pinned.
        pin: Tag,
    },
    /// The best tag is refused by a check, and so is every other one that might be written.
    Withheld {
        /// The best tag.
        best: Tag,
        /// The rule it fails.
        rule: Rule,
    },
    /// There is no tag to select from.
    NoTags,
    /// Every tag failed a rule.
    NoneEligible {
        /// How many tags there were.
        rejected: usize,
        /// The rule most of them failed.
        rule: Rule,
    },
}

/// A tag that was not selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The tag.
    pub tag: Tag,
    /// The first rule it failed.
    pub rule: Rule,
}

/// A rule a tag can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The policy pins another tag.
    NotPinned,
    /// The policy skips it by name.
    Skipped,
    /// The allow pattern is not found in it.
    NotAllowed,
    /// An ignore pattern matches it.
    Ignored,
    /// The pattern to extract is not found in it.
    NotExtracted,
    /// The digest strategy follows another tag.
    NotFollowed,
    /// It is no version.
    NotAVersion,
    /// It is a pre-release, and the constraint does not ask for those.
    Prerelease,
    /// The constraint does not hold it.
    OutOfRange,
    /// It is no number.
    NotANumber,
    /// The time of its build is not known.
    NoBuildTime,
    /// It is listed, but names nothing.
    Gone,
    /// It has no image for the platforms wanted.
    PlatformMissing,
    /// It is younger than the policy's minimum age.
    TooYoung,
    /// It ranks below the current tag, and the policy allows no downgrade.
    Downgrade,
    /// A better tag was selected.
    Outranked,
}

impl Rule {
    /// The rule's stable name, for status fields and metrics.
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::NotPinned => ("NotPinned", "another tag is pinned"),
            Self::Skipped => ("Skipped", "it is to be skipped"),
            Self::NotAllowed => (
                "NotAllowed",
                "it does not match the pattern of allowed tags",
            ),
            Self::Ignored => ("Ignored", "it matches a pattern of ignored tags"),
            Self::NotExtracted => ("NotExtracted", "the pattern to extract is not found in it"),
            Self::NotFollowed => ("NotFollowed", "it is not the tag to follow"),
            Self::NotAVersion => ("NotAVersion", "it is not a version"),
            Self::Prerelease => (
                "Prerelease",
                "it is a pre-release and the constraint asks for releases only",
            ),
            Self::OutOfRange => ("OutOfRange", "it is outside the constraint"),
            Self::NotANumber => ("NotANumber", "it is not a number"),
            Self::NoBuildTime => ("NoBuildTime", "the time of its build is not known"),
            Self::Gone => ("Gone", "the registry has no manifest for it"),
            Self::PlatformMissing => (
                "PlatformMissing",
                "it has no image for the platforms wanted",
            ),
            Self::TooYoung => ("TooYoung", "it is younger than the minimum age"),
            Self::Downgrade => ("Downgrade", "it ranks below the current tag"),
            Self::Outranked => ("Outranked", "a better tag was found"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.texts().1)
    }
}

impl Reason {
    /// The reason's stable name, for status fields, events and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RanksAbove { .. } => "RanksAbove",
            Self::UpToDate { .. } => "UpToDate",
            Self::RanksEqual { .. } => "RanksEqual",
            Self::DowngradeAllowed { .. } => "DowngradeAllowed",
            Self::DowngradeRefused { .. } => "DowngradeRefused",
            Self::CurrentUnreadable { .. } => "CurrentUnreadable",
            Self::NoCurrent { .. } => "NoCurrent",
            Self::Followed { .. } => "Followed",
            Self::Pinned { .. } => "Pinned",
            Self::PinUnavailable { .. } => "PinUnavailable",
            Self::Withheld { .. } => "Withheld",
            Self::NoTags => "NoTags",
            Self::NoneEligible { .. } => "NoneEligible",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RanksAbove { selected, current } => {
                write!(formatter, "{selected} ranks above the current {current}")
            }
            Self::UpToDate { selected } => {
                write!(
                    formatter,
                    "{selected} is up to date: no allowed tag ranks above it"
                )
            }
            Self::RanksEqual { selected, current } => {
                write!(
                    formatter,
                    "{selected} ranks as the current {current} and is preferred to it"
                )
            }
            Self::DowngradeAllowed { selected, current } => {
                write!(
                    formatter,
                    "{selected} is a downgrade of the current {current}, as allowed"
                )
            }
            Self::DowngradeRefused { best, current } => write!(
                formatter,
                "{best}, the best tag, would be a downgrade of the current {current}, \
                 which is not allowed"
            ),
            Self::CurrentUnreadable { selected, current } => write!(
                formatter,
                "{selected} is the best tag; the current {current} cannot be compared with it"
            ),
            Self::NoCurrent { selected } => {
                write!(
                    formatter,
                    "{selected} is the best tag, and there is no current one"
                )
            }
            Self::Followed { selected } => write!(formatter, "{selected} is the tag to follow"),
            Self::Pinned { selected } => write!(formatter, "{selected} is pinned"),
            Self::PinUnavailable { pin } => {
                write!(formatter, "{pin} is pinned and cannot be used")
            }
            Self::Withheld { best, rule } => {
                write!(
                    formatter,
                    "{best} is the best tag and is not written: {rule}"
                )
            }
            Self::NoTags => formatter.write_str("there are no tags"),
            Self::NoneEligible { rejected: 1, rule } => {
                write!(formatter, "the only tag is not eligible: {rule}")
            }
            Self::NoneEligible { rejected, rule } => write!(
                formatter,
                "none of the {rejected} tags is eligible; what most of them failed: {rule}"
            ),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, rule } = self;
        write!(formatter, "{tag}: {rule}")
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            selected: _,
            reason,
            rejected,
        } = self;
        write!(formatter, "{reason}")?;
        rejected
            .iter()
            .try_for_each(|rejection| write!(formatter, "\n{rejection}"))
    }
}
