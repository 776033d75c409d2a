//! Durations as Kubernetes users write them: Go's `1h30m`, `90s`, `1.5m`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("a duration must not be empty; write for example 5m")]
    Empty,
    /// A number is not followed by a unit that is known.
    #[error("{text:?} is not a duration: after each number comes one of ms, s, m, h, as in 1h30m")]
    Malformed {
        /// What was written.
        text: String,
    },
    /// The sum does not fit.
    #[error("{text:?} is too long a duration")]
    TooLong {
        /// What was written.
        text: String,
    },
}

/// Parses a duration in the subset of Go's `time.ParseDuration` that the kinds' schemas allow:
/// one or more `<number><unit>` with the units `ms`, `s`, `m` and `h`, without a sign.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use image_update_core::duration::parse;
///
/// assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
/// assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
/// ```
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let malformed = || DurationError::Malformed {
        text: text.to_owned(),
    };
    let too_long = || DurationError::TooLong {
        text: text.to_owned(),
    };
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(malformed)?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(malformed()),
        };
        if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
            return Err(malformed());
        }
        let number: f64 = number.parse().map_err(|_| malformed())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| too_long())?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        rest = after;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let parsed = parse(text).ok().map(|duration| duration.as_millis());
        assert_eq!(parsed, expected.map(u128::from), "{text}");
    }

    #[test]
    fn reads_each_unit() {
        check("250ms", Some(250));
        check("10s", Some(10_000));
        check("2m", Some(120_000));
        check("168h", Some(604_800_000));
    }

    #[test]
    fn adds_up_parts_and_fractions() {
        check("1h30m", Some(5_400_000));
        check("1.5m", Some(90_000));
    }

    #[test]
    fn refuses_what_has_no_unit_or_an_unknown_one() {
        for text in [
            "", "10", "s", "10d", "-1s", "1..5s", "1.s", ".5s", "10 s", "1e3s",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        check(&format!("{}h", "9".repeat(30)), None);
    }
}
