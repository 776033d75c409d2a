//! The tags of each ImageWatch, in memory, and scans that watches share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use image_update_core::image::{Candidate, Repository, Sightings, TagSet};
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tracing::{Instrument as _, info_span};

use super::clock::Clock;
use crate::metrics::Metrics;
use crate::registry::{self, Access, AccessKey, TagList};

/// What a policy sees of an ImageWatch.
#[derive(Clone, Debug)]
pub(super) struct WatchedTags {
    /// The repository that was scanned.
    pub(super) repository: Repository,
    /// The tags, without the excluded ones.
    pub(super) tags: Arc<TagSet>,
    /// Digest of the sorted list.
    pub(super) revision: String,
    /// When they were first seen.
    pub(super) sightings: Arc<Sightings>,
}

impl WatchedTags {
    /// The tags of a list, without those that `excludes` names.
    pub(super) fn new(
        repository: Repository,
        list: &TagList,
        sightings: Arc<Sightings>,
        excludes: impl Fn(&str) -> bool,
    ) -> Self {
        let tags = if list.tags.iter().any(&excludes) {
            let kept = list.tags.tags().filter(|tag| !excludes(tag.as_str()));
            Arc::new(kept.collect())
        } else {
            Arc::clone(&list.tags)
        };
        Self {
            repository,
            tags,
            revision: list.revision.to_string(),
            sightings,
        }
    }

    /// The tags as a strategy takes them. They take far more memory than [`Self::tags`], so they
    /// are made for each decision.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        self.tags.tags().map(Candidate::new).collect()
    }
}

/// The last good tag list of each ImageWatch, by namespace and name.
#[derive(Default)]
pub(super) struct TagStore {
    lists: Mutex<HashMap<(String, String), WatchedTags>>,
}

impl TagStore {
    /// How many watches have tags.
    pub(super) fn len(&self) -> usize {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.len()
    }

    /// The tags of the watch `name` of `namespace`, if it was scanned since the operator started.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<WatchedTags> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Stores the tags of a watch and says whether they differ from what was stored.
    pub(super) fn put(&self, namespace: &str, name: &str, tags: WatchedTags) -> bool {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = tags.revision.clone();
        let repository = tags.repository.clone();
        let before = lists.insert((namespace.to_owned(), name.to_owned()), tags);
        !before.is_some_and(|before| before.revision == revision && before.repository == repository)
    }

    /// Forgets a watch that was deleted.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.remove(&(namespace.to_owned(), name.to_owned()));
    }
}

/// What a scan found, and when.
#[derive(Clone)]
pub(super) struct Scan {
    /// When the scan ended, for people.
    pub(super) time: Timestamp,
    /// The same by a clock that can't be set: what is decided goes by this one.
    pub(super) ended: Instant,
    /// The tags, or why there are none.
    pub(super) outcome: Result<Arc<TagList>, Arc<registry::Error>>,
    /// Whether this call did the scan, rather than share one.
    pub(super) own: bool,
    /// When tags were first seen; those of the last good list after a failure.
    pub(super) sightings: Arc<Sightings>,
}

/// One endpoint, repository and credential: what may share a scan. Tag lists and credentials of
/// different credentials never mix.
type ScanKey = (Repository, AccessKey);

/// The last scan of a key. Locked while one is under way.
type Slot = Arc<AsyncMutex<Last>>;

/// What is kept of scans.
#[derive(Default)]
struct Last {
    /// The last scan; `None` until the first one ends.
    scan: Option<Scan>,
    /// The last list that was whole.
    list: Option<Arc<TagList>>,
}

impl Last {
    /// The last scan, for who asked at `asked`: if it is younger than `max_age`, or was under way
    /// then.
    fn shared(&self, asked: Instant, max_age: Duration) -> Option<Scan> {
        let scan = self.scan.as_ref()?;
        let age = asked.saturating_duration_since(scan.ended);
        let is_fresh = scan.outcome.is_ok() && age < max_age;
        (is_fresh || scan.ended >= asked).then(|| Scan {
            own: false,
            ..scan.clone()
        })
    }

    /// When tags were first seen, after a scan that ended at `now`.
    fn sightings(&self, list: Option<&TagList>, now: Timestamp) -> Arc<Sightings> {
        let sightings = match (&self.scan, &self.list, list) {
            (Some(scan), Some(before), Some(list)) if before.revision != list.revision => {
                Arc::new(scan.sightings.after(&before.tags, &list.tags, now))
            }
            (Some(scan), Some(_), Some(_) | None) => Arc::clone(&scan.sightings),
            // Looking begins with the first list.
            (None, _, _) | (Some(_), None, _) => Arc::new(Sightings::new(now)),
        };
        sightings.not_after(now).map_or(sightings, Arc::new)
    }
}

/// Scans, shared by all that ask for the same repository with the same credential.
pub(super) struct Scans {
    clock: Clock,
    metrics: Metrics,
    slots: Mutex<HashMap<ScanKey, Slot>>,
}

/// Slots are tidied when there are this many more than were in use at the last tidying.
const TIDY_AFTER: usize = 256;

/// A scan older than this is dropped when slots are tidied; that costs one more scan at most.
const LONGEST_KEPT: Duration = Duration::from_hours(1);

impl Scans {
    /// No scans yet.
    pub(super) fn new(clock: Clock, metrics: Metrics) -> Self {
        Self {
            clock,
            metrics,
            slots: Mutex::default(),
        }
    }

    /// The tags of `repository`: those of a scan that is younger than `max_age` or that was under
    /// way when this was called, else those of a new scan. A failure is shared with those who
    /// waited for it, and with nobody later.
    pub(super) async fn get(
        &self,
        client: &registry::Client,
        repository: &Repository,
        access: &Access,
        max_age: Duration,
    ) -> Scan {
        let asked = Instant::now();
        let slot = self.slot((repository.clone(), access.key()));
        let mut kept = slot.lock().await;
        if let Some(scan) = kept.shared(asked, max_age) {
            return scan;
        }
        let started = Instant::now();
        let before = kept.list.as_deref();
        let outcome = client
            .list_tags_again(repository, access, before)
            .instrument(info_span!("scan", image.repository = %repository))
            .await;
        let outcome = outcome.map(Arc::new).map_err(Arc::new);
        let time = self.clock.now();
        let ended = outcome.is_ok().then(|| time.as_second());
        self.metrics.scanned(ended, started.elapsed());
        let list = outcome.as_ref().ok();
        let scan = Scan {
            time,
            ended: Instant::now(),
            sightings: kept.sightings(list.map(AsRef::as_ref), time),
            own: true,
            outcome: outcome.clone(),
        };
        kept.scan = Some(scan.clone());
        if let Ok(list) = outcome {
            kept.list = Some(list);
        }
        scan
    }

    /// How many scans are kept.
    pub(super) fn len(&self) -> usize {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.len()
    }

    fn slot(&self, key: ScanKey) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() % TIDY_AFTER == TIDY_AFTER - 1 && !slots.contains_key(&key) {
            slots.retain(|_, slot| is_kept(slot));
        }
        slots.entry(key).or_default().clone()
    }
}

fn is_kept(slot: &Slot) -> bool {
    match slot.try_lock() {
        // Somebody is scanning.
        Err(_) => true,
        Ok(last) => last
            .scan
            .as_ref()
            .is_some_and(|scan| scan.ended.elapsed() < LONGEST_KEPT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(2);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small time is valid")
    }

    /// A scan of nothing that ended at `ended`, when a clock on the wall said `time`.
    fn last(time: Timestamp, ended: Instant) -> Last {
        let scan = Scan {
            time,
            ended,
            outcome: Ok(Arc::new(TagList::from(TagSet::default()))),
            own: true,
            sightings: Arc::new(Sightings::new(time)),
        };
        Last {
            list: scan.outcome.clone().ok(),
            scan: Some(scan),
        }
    }

    #[test]
    fn a_scan_is_shared_while_it_is_young_whatever_a_clock_on_the_wall_says() {
        let ended = Instant::now();
        let later = |seconds| ended + Duration::from_secs(seconds);
        // As it is; an hour ahead of those who ask; an hour behind them.
        for time in [0, 3600, -3600] {
            let last = last(at(time), ended);
            let is_shared = |asked, max_age| last.shared(asked, max_age).is_some();
            assert!(is_shared(later(119), INTERVAL), "{time}");
            assert!(!is_shared(later(120), INTERVAL), "{time}");
            // Who asks for a new one gets the one that was under way.
            assert!(!is_shared(later(1), Duration::ZERO), "{time}");
            assert!(is_shared(ended, Duration::ZERO), "{time}");
        }
    }

    #[test]
    fn nothing_was_seen_later_than_now() {
        let last = last(at(3600), Instant::now());
        let since = |now| last.sightings(last.list.as_deref(), at(now)).since();
        assert_eq!(since(60), at(60));
        assert_eq!(since(7200), at(3600));
    }
}
