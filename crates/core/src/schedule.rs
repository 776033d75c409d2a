//! When something is due again: intervals with jitter, and back-off after failures.
//!
//! Nothing here knows the time or rolls dice: jitter comes from a seed of the caller's, so the
//! same object always gets the same offset and a restart does not bunch what was spread.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The largest part of an interval that jitter adds.
const JITTER_FRACTION: f64 = 0.1;

/// The wait after the first failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest wait between retries, so that a remote that came back is noticed soon.
const LONGEST_RETRY: Duration = Duration::from_mins(5);

/// A seed for [`with_jitter`] from anything that names an object.
pub fn seed(name: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Adds up to a tenth to `interval`, chosen by `seed`.
pub fn with_jitter(interval: Duration, seed: u64) -> Duration {
    // The low 16 bits are plenty for a spread that nobody measures finer than that.
    let share = f64::from((seed & 0xffff) as u16) / f64::from(u16::MAX);
    interval + interval.mul_f64(share * JITTER_FRACTION)
}

/// How long to wait after `failures` failures in a row: 1 s, 2 s, 4 s, … up to five minutes, and
/// never longer than `ceiling`, the object's own interval. `failures` counts from 1.
pub fn retry_after(failures: u32, ceiling: Duration, seed: u64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(10));
    with_jitter(
        doubled.min(LONGEST_RETRY).min(ceiling.max(FIRST_RETRY)),
        seed,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retries_double_from_one_second() {
        let waits: Vec<u64> = (1..=5)
            .map(|failures| retry_after(failures, Duration::from_mins(10), 0).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16]);
    }

    #[test]
    fn retries_stop_growing_at_five_minutes_or_the_interval() {
        assert_eq!(
            retry_after(40, Duration::from_hours(1), 0),
            Duration::from_mins(5)
        );
        assert_eq!(
            retry_after(40, Duration::from_secs(30), 0),
            Duration::from_secs(30)
        );
    }

    proptest! {
        #[test]
        fn jitter_adds_at_most_a_tenth(seconds in 1u64..1_000_000, seed: u64) {
            let interval = Duration::from_secs(seconds);
            let due = with_jitter(interval, seed);
            prop_assert!(due >= interval);
            prop_assert!(due.as_secs_f64() <= interval.as_secs_f64() * 1.1 + 1e-6);
        }
    }
}
