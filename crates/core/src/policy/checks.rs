//! What is asked of an image before its tag is written: platforms, and an age.
//!
//! Only the image of the tag that would be written is looked at, then that of the next one if it
//! is refused. This module says what follows from a look; it does not look itself.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::decision::Rule;
use crate::image::{Image, Platform};

/// What is asked of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// The platforms it must have, every one of them.
    pub platforms: Vec<Platform>,
    /// How old it must be.
    pub minimum_age: Duration,
}

/// What the registry said about a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It names this image.
    Found(Image),
    /// It is listed, but names nothing.
    Gone,
}

/// Why an image is not to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The tag names nothing.
    Gone,
    /// It was not built for this platform.
    PlatformMissing(Platform),
    /// It is too young.
    TooYoung {
        /// What its age is counted from.
        from: Birth,
        /// When it is old enough.
        until: Timestamp,
    },
}

/// What the age of an image is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// The time its config gives.
    Built(Timestamp),
    /// The time its tag was first seen: its config gives no time that can be believed.
    FirstSeen(Timestamp),
}

impl Checks {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.platforms.is_empty() && self.minimum_age.is_zero()
    }

    /// Why the image of a tag that was first seen at `first_seen` is refused at `now`, if it is.
    pub fn refuse(&self, look: &Look, first_seen: Timestamp, now: Timestamp) -> Option<Refusal> {
        let image = match look {
            Look::Found(image) => image,
            Look::Gone => return Some(Refusal::Gone),
        };
        if let Some(missing) = image.missing(&self.platforms) {
            return Some(Refusal::PlatformMissing(missing.clone()));
        }
        if self.minimum_age.is_zero() {
            return None;
        }
        let from = match image.built(&self.platforms) {
            Some(built) => Birth::Built(built),
            None => Birth::FirstSeen(first_seen),
        };
        let age = SignedDuration::try_from(self.minimum_age).unwrap_or(SignedDuration::MAX);
        let until = from.time().checked_add(age).unwrap_or(Timestamp::MAX);
        (now < until).then_some(Refusal::TooYoung { from, until })
    }
}

impl Birth {
    fn time(self) -> Timestamp {
        match self {
            Self::Built(time) | Self::FirstSeen(time) => time,
        }
    }
}

impl Refusal {
    /// The rule that the tag fails.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Gone => Rule::Gone,
            Self::PlatformMissing(_) => Rule::PlatformMissing,
            Self::TooYoung { .. } => Rule::TooYoung,
        }
    }

    /// When the tag may be written after all, if time alone brings that about.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::TooYoung { until, .. } => Some(*until),
            Self::Gone | Self::PlatformMissing(_) => None,
        }
    }
}

/// What follows the tag in a sentence: `1.2.0` `is held until …`.
impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter.write_str("is listed, but the registry has no manifest for it"),
            Self::PlatformMissing(platform) => write!(formatter, "has no image for {platform}"),
            Self::TooYoung { from, until } => match from {
                Birth::Built(built) => write!(
                    formatter,
                    "is held until {}: it was built at {}",
                    seconds(*until),
                    seconds(*built)
                ),
                Birth::FirstSeen(seen) => write!(
                    formatter,
                    "is held until {}: its build has no usable time, and it was first seen at {}",
                    seconds(*until),
                    seconds(*seen)
                ),
            },
        }
    }
}

/// A time without its fraction, rounded up, so that what is due is due when it is shown.
fn seconds(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second().saturating_add(up)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Build;

    const SEEN: &str = "2024-06-01T00:00:00Z";

    fn time(text: &str) -> Timestamp {
        text.parse().expect("the row's time is one")
    }

    fn checks(platform: &str, minimum_age: u64) -> Checks {
        Checks {
            platforms: platform.parse().into_iter().collect(),
            minimum_age: Duration::from_hours(minimum_age),
        }
    }

    /// A `linux/amd64` image that was built at `created`, or does not say when.
    fn built(created: &str) -> Look {
        let digest = format!("sha256:{}", "0".repeat(64));
        let build = Build {
            platform: "linux/amd64".parse().ok(),
            created: created.parse().ok(),
        };
        Look::Found(Image {
            digest: digest.parse().expect("this is a digest"),
            builds: vec![build],
        })
    }

    #[track_caller]
    fn check(checks: &Checks, look: &Look, now: &str, expected: Option<&str>) {
        let refusal = checks.refuse(look, time(SEEN), time(now));
        assert_eq!(refusal.map(|it| it.to_string()).as_deref(), expected);
    }

    #[test]
    fn nothing_asked_is_nothing_refused() {
        assert!(checks("", 0).is_empty());
        check(&checks("", 0), &built(""), SEEN, None);
    }

    #[test]
    fn a_platform_that_is_missing_is_named() {
        check(
            &checks("linux/arm64", 0),
            &built(""),
            SEEN,
            Some("has no image for linux/arm64"),
        );
        check(&checks("linux/amd64", 0), &built(""), SEEN, None);
    }

    #[test]
    fn an_image_is_held_until_it_is_old_enough_to_the_second() {
        let look = built("2024-06-01T10:00:00Z");
        check(
            &checks("", 2),
            &look,
            "2024-06-01T11:59:59Z",
            Some("is held until 2024-06-01T12:00:00Z: it was built at 2024-06-01T10:00:00Z"),
        );
        check(&checks("", 2), &look, "2024-06-01T12:00:00Z", None);
    }

    #[test]
    fn an_image_without_a_time_is_as_old_as_its_first_sighting() {
        for created in ["", "1970-01-01T00:00:00Z"] {
            check(
                &checks("", 2),
                &built(created),
                "2024-06-01T01:00:00Z",
                Some(
                    "is held until 2024-06-01T02:00:00Z: its build has no usable time, \
                     and it was first seen at 2024-06-01T00:00:00Z",
                ),
            );
            check(
                &checks("", 2),
                &built(created),
                "2024-06-01T02:00:00Z",
                None,
            );
        }
    }

    #[test]
    fn a_build_from_the_future_waits_for_it() {
        let look = built("2024-06-01T10:00:00Z");
        check(
            &checks("", 1),
            &look,
            SEEN,
            Some("is held until 2024-06-01T11:00:00Z: it was built at 2024-06-01T10:00:00Z"),
        );
    }

    #[test]
    fn an_age_beyond_all_time_never_comes() {
        let refusal = checks("", u64::MAX / 3600).refuse(&built(SEEN), time(SEEN), time(SEEN));
        assert_eq!(refusal.and_then(|it| it.until()), Some(Timestamp::MAX));
    }

    #[test]
    fn a_tag_that_names_nothing_is_refused_first() {
        check(
            &checks("linux/arm64", 1),
            &Look::Gone,
            SEEN,
            Some("is listed, but the registry has no manifest for it"),
        );
    }
}
