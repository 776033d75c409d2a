//! How long a queue waits for more before it goes.

use std::time::Duration;

use tokio::time::Instant;

/// How long a queue waits after the last change that came: all that a lone change waits.
const QUIET: Duration = Duration::from_millis(300);

/// How long the first change of a queue waits at most, while others keep coming.
const LONGEST: Duration = Duration::from_millis(2_500);

/// The most jobs of one push. Thousands of files in one push take a server many seconds, in which
/// others can't push.
pub(super) const MOST_JOBS: usize = 1_000;

/// When a queue goes whose first job came at `first` and whose last one at `last`.
pub(super) fn closes_at(first: Instant, last: Instant, jobs: usize) -> Instant {
    if jobs >= MOST_JOBS {
        return last;
    }
    (last + QUIET).min(first + LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_change_waits_a_moment() {
        check(0, 1, 300);
    }

    #[test]
    fn window_grows_while_changes_come_up_to_its_bound() {
        check(200, 2, 500);
        check(2_100, 9, 2_400);
        check(2_400, 10, 2_500);
        check(9_000, 11, 2_500);
    }

    #[test]
    fn full_queue_goes_at_once() {
        check(10, MOST_JOBS, 10);
    }

    #[track_caller]
    fn check(last_ms: u64, jobs: usize, closes_ms: u64) {
        let first = Instant::now();
        let after = |ms| first + Duration::from_millis(ms);
        assert_eq!(closes_at(first, after(last_ms), jobs), after(closes_ms));
    }
}
