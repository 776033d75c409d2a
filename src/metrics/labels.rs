//! Labels whose values come from outside, kept to a number that a time series database can take.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::table::MAX_REGISTRIES;

/// What stands for the registries beyond [`MAX_REGISTRIES`].
const OTHER: &str = "other";

/// Registries that have series of their own: those that came first.
#[derive(Default)]
pub(super) struct Registries {
    known: Mutex<HashSet<String>>,
}

impl Registries {
    /// The label of a registry.
    pub(super) fn label(&self, registry: &str) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(registry) {
            return registry.to_owned();
        }
        if known.len() >= MAX_REGISTRIES {
            return OTHER.to_owned();
        }
        known.insert(registry.to_owned());
        registry.to_owned()
    }
}

/// The label of an HTTP status. A server may make numbers up; those have their hundred only.
pub(super) fn status(status: Option<u16>) -> Cow<'static, str> {
    match status {
        None => "error".into(),
        Some(
            known @ (200..=206 | 300..=308 | 400..=417 | 421..=429 | 431 | 451 | 500..=508 | 511),
        ) => known.to_string().into(),
        Some(100..=199) => "1xx".into(),
        Some(200..=299) => "2xx".into(),
        Some(300..=399) => "3xx".into(),
        Some(400..=499) => "4xx".into(),
        Some(500..=599) => "5xx".into(),
        Some(_) => "invalid".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_few() {
        #[track_caller]
        fn check(answer: Option<u16>, expected: &str) {
            assert_eq!(status(answer), expected);
        }
        check(None, "error");
        check(Some(200), "200");
        check(Some(299), "2xx");
        check(Some(429), "429");
        check(Some(499), "4xx");
        check(Some(503), "503");
        check(Some(999), "invalid");
        let all: HashSet<_> = (0..=u16::MAX).map(|it| status(Some(it))).collect();
        assert!(all.len() < 64, "{} labels", all.len());
    }

    #[test]
    fn registries_that_come_late_share_a_label() {
        let registries = Registries::default();
        for number in 0..MAX_REGISTRIES {
            let host = format!("r{number}.example");
            assert_eq!(registries.label(&host), host);
        }
        assert_eq!(registries.label("late.example"), OTHER);
        assert_eq!(registries.label("r0.example"), "r0.example");
    }
}
