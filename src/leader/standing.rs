//! Whether a Lease may be taken. Pure: the time is an argument, and never that of another machine.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::time::Instant;

/// A Lease that is wanted, and how it was seen last.
pub(super) struct Candidate {
    /// The Lease's name.
    pub(super) name: String,
    seen: Option<(LeaseSpec, Instant)>,
}

/// Whose a Lease is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody's, or that of one who has not renewed it in time.
    Free,
    /// This one's.
    Held {
        /// The holder's identity.
        by: String,
    },
}

impl Candidate {
    /// A Lease that was never seen.
    pub(super) fn new(name: String) -> Self {
        Self { name, seen: None }
    }

    /// Notes how the Lease is `now`, and says whether it may be taken.
    ///
    /// What the holder wrote about times is not believed, except for how long it wants: its clock
    /// may be wrong, and so may ours. A Lease that does not change for that long is free.
    pub(super) fn see(&mut self, spec: &LeaseSpec, now: Instant) -> Standing {
        let since = match &self.seen {
            Some((before, since)) if before == spec => *since,
            Some(_) | None => {
                self.seen = Some((spec.clone(), now));
                now
            }
        };
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || now >= since + duration(spec) {
            Standing::Free
        } else {
            Standing::Held {
                by: holder.to_owned(),
            }
        }
    }
}

/// How long the holder asked for. The API server refuses what is not positive.
fn duration(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    /// A Lease of 15 seconds that says it was renewed at `renewed`, in seconds since 1970.
    fn held(by: &str, renewed: i64) -> LeaseSpec {
        let renewed = Timestamp::from_second(renewed).expect("a small time is valid");
        LeaseSpec {
            holder_identity: Some(by.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(renewed)),
            ..LeaseSpec::default()
        }
    }

    /// Looks at the Lease again and again, at these seconds; it is free at those marked so.
    #[track_caller]
    fn check(looks: &[(u64, LeaseSpec, bool)]) {
        let start = Instant::now();
        let mut candidate = Candidate::new("lease".to_owned());
        for (at, spec, is_free) in looks {
            let standing = candidate.see(spec, start + Duration::from_secs(*at));
            assert_eq!(standing == Standing::Free, *is_free, "after {at} s");
        }
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_free_after_its_time_and_no_sooner() {
        check(&[
            (0, held("a", 0), false),
            (14, held("a", 0), false),
            (15, held("a", 0), true),
        ]);
    }

    #[test]
    fn each_renewal_counts_from_when_it_was_seen() {
        check(&[
            (0, held("a", 0), false),
            (14, held("a", 10), false),
            (28, held("a", 10), false),
            (29, held("a", 10), true),
        ]);
    }

    #[test]
    fn no_clock_of_the_holder_frees_or_keeps_a_lease() {
        // An hour slow, a day fast, and set back between two renewals.
        check(&[(0, held("a", -3600), false), (15, held("a", -3600), true)]);
        check(&[(0, held("a", 86_400), false), (15, held("a", 86_400), true)]);
        check(&[
            (0, held("a", 1000), false),
            (10, held("a", 10), false),
            (20, held("a", 10), false),
        ]);
    }

    #[test]
    fn a_lease_that_was_given_up_is_free_at_once() {
        check(&[(0, LeaseSpec::default(), true)]);
        let empty = held("", 0);
        check(&[(0, held("a", 0), false), (1, empty, true)]);
    }

    #[test]
    fn a_new_holder_has_its_time() {
        check(&[
            (0, held("a", 0), false),
            (14, held("b", 0), false),
            (16, held("b", 0), false),
        ]);
    }
}
