//! When to ask again: what a registry says in `Retry-After`, and what is tried without asking.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How often a request is sent again after a failure that may pass. Two bridge the restart of
/// one of several servers; more would keep a registry down that is overloaded.
pub(super) const MAX_RETRIES: u32 = 2;

/// The wait before the first retry; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// The rest after the first refusal that does not say how long.
const FIRST_REST: Duration = Duration::from_secs(5);

/// The longest rest of a host that never says how long.
const MAX_REST: Duration = Duration::from_mins(10);

/// The longest wait that is believed: a registry that is wrong about its clock must not stop
/// updates for ever. Docker Hub's window is six hours,
/// <https://docs.docker.com/docker-hub/usage/pulls/>.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(6);

/// The wait before retry number `retry` (from zero): between half and all of a doubling delay,
/// so that clients that failed together do not come back together.
pub(super) fn delay(retry: u32) -> Duration {
    jittered(FIRST_DELAY * 2_u32.saturating_pow(retry))
}

/// Between half and all of a time.
fn jittered(full: Duration) -> Duration {
    // The keys of a RandomState differ for each one; jitter needs no better randomness.
    let random = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or_default();
    full / 2 + full * random / 2000
}

/// How long a host is left alone that was asked too much and does not say for how long: between
/// half and all of a time that doubles with each refusal (`times` before this one) up to ten
/// minutes.
pub(super) fn rest(times: u32) -> Duration {
    jittered(
        FIRST_REST
            .saturating_mul(2_u32.saturating_pow(times))
            .min(MAX_REST),
    )
}

/// What `Retry-After` (RFC 9110 section 10.2.3) says, at most six hours; `None` when it is
/// missing or cannot be read.
///
/// A date is compared with the answer's own `Date`, so the clocks need not agree.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = date(value)?.duration_since(date(text(headers, &DATE)?)?);
        Duration::try_from(until).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Reads the preferred form of an HTTP date, which is one of RFC 2822.
fn date(value: &str) -> Option<Timestamp> {
    // A wrong weekday changes nothing about the time.
    DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(value)
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn reads_seconds() {
        check("120", None, Some(120));
        check(" 0 ", None, Some(0));
    }

    #[test]
    fn reads_a_date_against_the_registrys_clock() {
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(DATE), Some(60));
        check("Sun, 06 Nov 1994 08:40:00 GMT", Some(DATE), Some(0));
        check("Sun, 06 Nov 1994 08:50:37 GMT", None, None);
    }

    #[test]
    fn believes_six_hours_at_most() {
        check("99999999", None, Some(6 * 60 * 60));
        check(
            "Sun, 06 Nov 2094 08:50:37 GMT",
            Some(DATE),
            Some(6 * 60 * 60),
        );
    }

    #[test]
    fn ignores_what_it_cannot_read() {
        for value in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            check(value, Some(DATE), None);
        }
    }

    #[track_caller]
    fn check(value: &str, date: Option<&str>, seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(
            RETRY_AFTER,
            value.parse().expect("the row's value is a header"),
        );
        if let Some(date) = date {
            headers.insert(
                reqwest::header::DATE,
                date.parse().expect("a date is a header"),
            );
        }
        assert_eq!(
            retry_after(&headers),
            seconds.map(Duration::from_secs),
            "{value}"
        );
    }

    proptest! {
        #[test]
        fn a_delay_is_within_its_doubling_bounds(retry in 0..MAX_RETRIES) {
            let full = FIRST_DELAY * 2_u32.pow(retry);
            prop_assert!((full / 2..=full).contains(&delay(retry)));
        }

        #[test]
        fn a_rest_has_a_floor_and_a_ceiling(times: u32) {
            prop_assert!((FIRST_REST / 2..=MAX_REST).contains(&rest(times)));
        }
    }
}
