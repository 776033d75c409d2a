//! How fast and how many at once a registry is asked, and when it is left alone.
//!
//! Everything here is about one host: while one is slow, or has said when to come back, the
//! others are asked as before. Three rules:
//!
//! * at most [`MAX_AT_ONCE`] exchanges with one host, first come, first served;
//! * requests of one host keep the distance that `limit` of `registries.conf` gives;
//! * a host that is asked too much (429), or says when to come back, is left alone by those who
//!   show it the same credential: for as long as it says, or ever longer when it says nothing.
//!
//! It knows no tags and no credentials, only that two of them differ.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use url::{Origin, Url};

use super::access::AccessKey;
use super::answer::Answer;
use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::Exchange;
use super::remark::Remark;
use super::retry;

/// Exchanges with one host at once. HTTP/2 carries them in one connection; more would be a burst
/// that registries count as abuse.
const MAX_AT_ONCE: usize = 8;

/// The pace of Docker Hub where nothing is configured: what the old updater has for it. Others
/// are not slowed down: 5,000 repositories of one registry every two minutes are 42 a second.
const DOCKER_HUB_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// A host that is left alone for no longer than this is waited for; else the question fails with
/// the time, and who asked has something better to do.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hosts that are remembered before idle ones are forgotten.
const MAX_HOSTS: usize = 4096;

/// Who is asked by whom: a credential that is used up does not stop another one.
type Asked = (Origin, AccessKey);

/// How a host is asked just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPace {
    /// The host, with its scheme, and a port that is not the scheme's.
    pub host: String,
    /// Exchanges with it.
    pub under_way: usize,
    /// Exchanges that wait for the end of one of those.
    pub waiting: usize,
    /// How long the next request has to wait to keep the distance.
    pub next_in: Duration,
    /// How long it is left alone by all who show it some credential.
    pub rests_for: Duration,
    /// How many credentials are not shown to it until then, or sooner.
    pub resting: usize,
}

/// The pace of every host.
#[derive(Default)]
pub(super) struct Pace {
    turns: Mutex<HashMap<Origin, Arc<Semaphore>>>,
    /// When the next request may be sent.
    next: Mutex<HashMap<Origin, Instant>>,
    rests: Mutex<HashMap<Asked, Rest>>,
}

/// The right to ask one host; given back when dropped.
pub(super) struct Turn(
    #[expect(dead_code, reason = "held, never read")] Option<OwnedSemaphorePermit>,
);

/// A host that wants to be left alone.
#[derive(Clone, Copy)]
struct Rest {
    until: Instant,
    /// How often in a row it has said so.
    times: u32,
}

impl Pace {
    /// Waits until fewer than [`MAX_AT_ONCE`] exchanges with this host are under way.
    pub(super) async fn turn(&self, endpoint: &Endpoint) -> Turn {
        let turns = {
            let mut turns = lock(&self.turns);
            if turns.len() >= MAX_HOSTS {
                // Nobody holds or waits for a turn that only the map knows.
                turns.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            let new = || Arc::new(Semaphore::new(MAX_AT_ONCE));
            Arc::clone(turns.entry(endpoint.origin()).or_insert_with(new))
        };
        // It is never closed; if it were, asking would be the lesser harm.
        Turn(turns.acquire_owned().await.ok())
    }

    /// Takes the next place in the row of a host's requests, and says how long it is until then.
    fn reserve(&self, origin: Origin, per_second: NonZeroU32, now: Instant) -> Duration {
        let mut next = lock(&self.next);
        if next.len() >= MAX_HOSTS {
            next.retain(|_, next| *next > now);
        }
        let place = next.entry(origin).or_insert(now);
        let mine = (*place).max(now);
        *place = mine + Duration::from_secs(1) / per_second.get();
        mine - now
    }

    /// How long a host still wants to be left alone.
    fn rest(&self, asked: &Asked, now: Instant) -> Option<Duration> {
        let rests = lock(&self.rests);
        let rest = rests.get(asked)?;
        (rest.until > now).then(|| rest.until - now)
    }

    /// Leaves a host alone for as long as it says.
    fn begin_rest(&self, asked: Asked, said: Option<Duration>, now: Instant) {
        let mut rests = lock(&self.rests);
        if rests.len() >= MAX_HOSTS {
            rests.retain(|_, rest| rest.until > now);
        }
        let times = rests.get(&asked).map_or(0, |rest| rest.times);
        let until = now + said.unwrap_or_else(|| retry::rest(times));
        let times = times.saturating_add(1);
        rests.insert(asked, Rest { until, times });
    }

    /// How each host is asked that is remembered, by its name.
    pub(super) fn hosts(&self, now: Instant) -> Vec<HostPace> {
        let mut hosts: BTreeMap<String, HostPace> = BTreeMap::new();
        let mut host = |origin: &Origin, note: &dyn Fn(&mut HostPace)| {
            let name = origin.ascii_serialization();
            let host = hosts.entry(name.clone()).or_default();
            host.host = name;
            note(host);
        };
        for (origin, turns) in &*lock(&self.turns) {
            // One of them is the map's, each other one waits for or has a turn.
            let known = Arc::strong_count(turns) - 1;
            let under_way = MAX_AT_ONCE - turns.available_permits();
            host(origin, &|it| {
                it.under_way = under_way;
                it.waiting = known.saturating_sub(under_way);
            });
        }
        for (origin, next) in &*lock(&self.next) {
            host(origin, &|it| {
                it.next_in = next.saturating_duration_since(now);
            });
        }
        for ((origin, _), rest) in &*lock(&self.rests) {
            let left = rest.until.saturating_duration_since(now);
            host(origin, &|it| {
                it.rests_for = it.rests_for.max(left);
                it.resting += usize::from(!left.is_zero());
            });
        }
        hosts.into_values().collect()
    }

    fn end_rest(&self, asked: &Asked) {
        lock(&self.rests).remove(asked);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time an exchange has waited for leave to ask, which is not the registry's.
#[derive(Clone, Default)]
pub(super) struct Pause(Arc<AtomicU64>);

impl Pause {
    /// So far, and what has been decided to be waited.
    pub(super) fn total(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    async fn wait(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(micros, Ordering::Relaxed);
        tokio::time::sleep(time).await;
    }
}

impl Exchange<'_> {
    /// Waits until this host may be sent a request.
    pub(super) async fn wait_for_leave(&self, url: &Url) -> Result<(), Error> {
        let pace = &self.shared.pace;
        while let Some(rest) = pace.rest(&self.asked(url), Instant::now()) {
            if rest > PATIENCE {
                return Err(Error::RateLimited {
                    repository: self.repository.clone(),
                    retry_after: Some(rest),
                    said: Remark::default(),
                });
            }
            self.pause.wait(rest).await;
        }
        if self.endpoint.owns(url)
            && let Some(per_second) = self.per_second()
        {
            let wait = pace.reserve(url.origin(), per_second, Instant::now());
            if !wait.is_zero() {
                self.pause.wait(wait).await;
            }
        }
        Ok(())
    }

    /// Remembers whether a host wants to be left alone.
    pub(super) fn remember_pace(&self, url: &Url, answer: &Answer) {
        let pace = &self.shared.pace;
        let asked = self.asked(url);
        let said = retry::retry_after(&answer.headers);
        let is_limit = answer.status == StatusCode::TOO_MANY_REQUESTS;
        if is_limit || (answer.status.is_server_error() && said.is_some()) {
            pace.begin_rest(asked, said, Instant::now());
        } else if !answer.status.is_server_error() {
            pace.end_rest(&asked);
        }
    }

    /// The most requests a second.
    fn per_second(&self) -> Option<NonZeroU32> {
        match &self.access.configured {
            Some(registry) => registry.limit,
            None => self
                .repository
                .is_docker_hub()
                .then_some(DOCKER_HUB_PER_SECOND),
        }
    }

    fn asked(&self, url: &Url) -> Asked {
        (url.origin(), self.access.key())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Access;

    #[test]
    fn requests_of_one_host_keep_their_distance() {
        let pace = Pace::default();
        let now = Instant::now();
        check_wait(&pace, "https://a", 10, now, 0);
        check_wait(&pace, "https://a", 10, now, 100);
        check_wait(&pace, "https://b", 10, now, 0);
        // Entries of one host with limits of their own share its row.
        check_wait(&pace, "https://a", 2, now, 200);
        check_wait(&pace, "https://a", 10, now, 700);
    }

    #[test]
    fn time_that_was_not_used_is_not_saved_up() {
        let pace = Pace::default();
        let now = Instant::now();
        check_wait(&pace, "https://a", 10, now, 0);
        let later = now + Duration::from_mins(1);
        check_wait(&pace, "https://a", 10, later, 0);
        check_wait(&pace, "https://a", 10, later, 100);
    }

    #[test]
    fn a_rest_is_as_long_as_was_said() {
        let pace = Pace::default();
        let now = Instant::now();
        pace.begin_rest(asked("https://a"), Some(Duration::from_secs(9)), now);
        let left = |host: &str, seconds| {
            pace.rest(&asked(host), now + Duration::from_secs(seconds))
                .map(|rest| rest.as_secs())
        };
        assert_eq!(left("https://a", 4), Some(5));
        assert_eq!(left("https://a", 9), None);
        assert_eq!(left("https://b", 4), None);
    }

    #[test]
    fn rests_that_nobody_bounds_grow_until_they_are_over() {
        let pace = Pace::default();
        let mut now = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            pace.begin_rest(asked("https://a"), None, now);
            let rest = pace.rest(&asked("https://a"), now).unwrap_or_default();
            // Half to all of a delay that doubles.
            assert!(rest >= last, "{rest:?} after {last:?}");
            last = rest;
            now += rest;
        }
        pace.end_rest(&asked("https://a"));
        assert_eq!(pace.rest(&asked("https://a"), now), None);
    }

    #[tokio::test]
    async fn only_so_many_ask_one_host_at_once() {
        let pace = Pace::default();
        let endpoint = |name: &str| {
            let repository = name.parse().expect("the test's repository is valid");
            Endpoint::of(&repository, &Access::default()).expect("a host makes a URL")
        };
        let mut turns = Vec::new();
        for _ in 0..MAX_AT_ONCE {
            turns.push(pace.turn(&endpoint("a.example/app")).await);
        }
        let soon = Duration::from_millis(20);
        let one_more = tokio::time::timeout(soon, pace.turn(&endpoint("a.example/other"))).await;
        assert!(one_more.is_err(), "one more than allowed");
        drop(pace.turn(&endpoint("b.example/app")).await);
        turns.pop();
        drop(pace.turn(&endpoint("a.example/app")).await);
    }

    #[tokio::test]
    async fn says_how_each_host_is_asked() {
        let pace = Pace::default();
        let now = Instant::now();
        let rate = NonZeroU32::new(2).expect("two is not zero");
        let repository = "a/app".parse().expect("the test's repository is valid");
        pace.reserve(origin("https://a"), rate, now);
        pace.reserve(origin("https://a"), rate, now);
        pace.begin_rest(asked("https://b:5000"), Some(Duration::from_secs(9)), now);
        let endpoint = Endpoint::of(&repository, &Access::default());
        let endpoint = endpoint.expect("a host makes a URL");
        let mut turns = Vec::new();
        for _ in 0..MAX_AT_ONCE {
            turns.push(pace.turn(&endpoint).await);
        }
        let mut one_more = Box::pin(pace.turn(&endpoint));
        assert!(futures::poll!(&mut one_more).is_pending());
        let asked_host = HostPace {
            host: endpoint.origin().ascii_serialization(),
            under_way: MAX_AT_ONCE,
            waiting: 1,
            ..HostPace::default()
        };
        let of = |host: &str| {
            let hosts = pace.hosts(now + Duration::from_secs(1) / 2);
            let found = hosts.into_iter().find(|it| it.host == host);
            found.expect("the host is remembered")
        };
        assert_eq!(of(&asked_host.host), asked_host);
        assert_eq!(of("https://a").next_in, Duration::from_millis(500));
        let rests = of("https://b:5000");
        assert_eq!(
            (rests.rests_for, rests.resting),
            (Duration::from_millis(8500), 1)
        );
        turns.clear();
        drop(one_more);
        assert_eq!(
            of(&asked_host.host).under_way + of(&asked_host.host).waiting,
            0
        );
    }

    proptest! {
        /// However many ask, and whenever: never more than the limit in any second.
        #[test]
        fn no_second_has_more_than_the_limit(
            per_second in 1_u32..50,
            gaps in proptest::collection::vec(0_u64..300, 1..100),
        ) {
            let pace = Pace::default();
            let rate = NonZeroU32::new(per_second).expect("the range begins at one");
            let start = Instant::now();
            let mut now = start;
            let mut sent = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                sent.push(now + pace.reserve(origin("https://a"), rate, now));
            }
            for (index, first) in sent.iter().enumerate() {
                let within = sent[index..]
                    .iter()
                    .filter(|it| **it < *first + Duration::from_millis(999));
                prop_assert!(within.count() <= per_second as usize);
            }
        }
    }

    fn origin(url: &str) -> Origin {
        let url: Url = url.parse().expect("the test's URL is one");
        url.origin()
    }

    fn asked(url: &str) -> Asked {
        (origin(url), Access::default().key())
    }

    #[track_caller]
    fn check_wait(pace: &Pace, host: &str, per_second: u32, now: Instant, millis: u64) {
        let rate = NonZeroU32::new(per_second).expect("the row's limit is not zero");
        let wait = pace.reserve(origin(host), rate, now);
        assert_eq!(wait, Duration::from_millis(millis), "{host}");
    }
}
