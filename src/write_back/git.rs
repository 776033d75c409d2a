//! Writes to git: one remote object per address and credential, one queue per branch of it.
//!
//! A queue is a task that lives while there are jobs. It gathers what comes within a moment,
//! carries that out in one go, and meanwhile gathers the next. So writers of this process never
//! race each other; races with others the remote decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::ObjectId;
use image_update_core::remote::{BranchName, RemoteUrl};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span};

use super::batch::{self, Queued};
use super::job::{Error, Job, Outcome};
use super::journal::Journal;
use super::window;
use crate::git::options::RemoteOptions;
use crate::git::remote::Remote;
use crate::git::update::{Paths, Snapshot};
use crate::metrics::Metrics;

/// The git remotes that policies write to.
pub struct Remotes {
    /// By address; those of one address differ in credential or trust, so in what they may see.
    entries: Mutex<HashMap<RemoteUrl, Vec<Kept>>>,
    /// The queues that have jobs.
    tasks: Mutex<JoinSet<()>>,
    /// Once it is cancelled, nothing waits for more to come.
    stop: CancellationToken,
    metrics: Metrics,
    journal: Option<Arc<Journal>>,
    /// How much is kept of each remote.
    cache_bytes: usize,
}

/// A remote that was used once.
struct Kept {
    entry: Arc<Entry>,
    used: Instant,
}

/// A remote with its cache, and its queues.
struct Entry {
    options: RemoteOptions,
    remote: Remote,
    queues: Mutex<HashMap<Option<BranchName>, Queue>>,
}

/// A queue, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// The remote's address.
    pub remote: String,
    /// The branch; nothing for the remote's default.
    pub branch: Option<String>,
    /// How many jobs wait while others are carried out.
    pub waiting: usize,
}

/// Jobs that wait, and the task that will take them.
#[derive(Default)]
struct Queue {
    jobs: Vec<Queued>,
    /// When the first and the last of the jobs came.
    came: Option<(Instant, Instant)>,
    /// Tells the task that a job came.
    news: Arc<Notify>,
}

/// Removes a queue if its task ends in the middle; whoever waits is told by the loss of its reply.
struct Turn<'a> {
    entry: &'a Entry,
    branch: &'a Option<BranchName>,
    is_over: bool,
}

/// Where there are more remotes than this, the one that was idle for longest makes room.
const MOST_REMOTES: usize = 256;

/// A remote that nobody used for so long is dropped: a credential that is replaced every hour, as
/// those of clouds are, would else leave a remote behind each time.
const LONGEST_IDLE: Duration = Duration::from_hours(1);

impl Remotes {
    /// No remotes yet. `stop` says that the operator ends: what waits then goes at once. Of each
    /// remote, at most `cache_bytes` are kept between two uses.
    pub fn new(stop: CancellationToken, metrics: Metrics, cache_bytes: usize) -> Self {
        Self {
            entries: Mutex::default(),
            tasks: Mutex::default(),
            stop,
            metrics,
            journal: None,
            cache_bytes,
        }
    }

    /// The same, with what is written noted, and rehearsed if the journal says so.
    #[must_use]
    pub fn with_journal(self, journal: Option<Arc<Journal>>) -> Self {
        Self { journal, ..self }
    }

    /// Carries out a job on `branch`, or on the remote's default branch, together with whatever
    /// else is to be written there at about this time.
    ///
    /// It is carried out even if the caller stops waiting.
    pub async fn submit(
        &self,
        url: &RemoteUrl,
        options: &RemoteOptions,
        branch: Option<BranchName>,
        job: Job,
    ) -> Result<Outcome, Error> {
        let entry = self.entry(url, options)?;
        let (reply, answer) = oneshot::channel();
        let queued = Queued {
            job,
            reply,
            span: Span::current(),
        };
        if entry.enqueue(branch.clone(), queued) {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(serve(
                entry,
                branch,
                self.stop.clone(),
                self.metrics.clone(),
                self.journal.clone(),
            ));
        }
        answer.await.unwrap_or(Err(Error::Interrupted))
    }

    /// How many remotes are kept.
    pub fn len(&self) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.values().map(Vec::len).sum()
    }

    /// Whether no remote is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The queues that have jobs, those under way among them, by remote and branch.
    pub fn queues(&self) -> Vec<QueueState> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for Kept { entry, .. } in entries.values().flatten() {
            let queues = entry.queues.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(queues.iter().map(|(branch, queue)| QueueState {
                remote: entry.remote.url().to_string(),
                branch: branch.as_ref().map(ToString::to_string),
                waiting: queue.jobs.len(),
            }));
        }
        found.sort_by(|a, b| (&a.remote, &a.branch).cmp(&(&b.remote, &b.branch)));
        found
    }

    /// Reads files as they were in a commit; nothing if the remote gives it no more.
    pub async fn read_commit(
        &self,
        url: &RemoteUrl,
        options: &RemoteOptions,
        branch: &BranchName,
        commit_id: ObjectId,
        paths: &Paths,
    ) -> Result<Option<Snapshot>, Error> {
        let entry = self.entry(url, options)?;
        let read = entry.remote.read_commit(branch, commit_id, paths).await;
        read.map_err(|error| Error::Git(Arc::new(error)))
    }

    /// Drops whatever is under way. A push that the remote has got by now may still take place.
    pub fn abandon(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
    }

    fn entry(&self, url: &RemoteUrl, options: &RemoteOptions) -> Result<Arc<Entry>, Error> {
        self.entry_at(url, options, Instant::now())
    }

    fn entry_at(
        &self,
        url: &RemoteUrl,
        options: &RemoteOptions,
        now: Instant,
    ) -> Result<Arc<Entry>, Error> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut same = entries.get_mut(url).into_iter().flatten();
        if let Some(kept) = same.find(|it| it.entry.options == *options) {
            kept.used = now;
            return Ok(Arc::clone(&kept.entry));
        }
        make_room(&mut entries, now);
        let remote =
            Remote::new(url.clone(), options).map_err(|error| Error::Git(Arc::new(error)))?;
        let remote = remote
            .with_metrics(self.metrics.clone())
            .with_cache_bytes(self.cache_bytes);
        let entry = Arc::new(Entry {
            options: options.clone(),
            remote,
            queues: Mutex::default(),
        });
        entries.entry(url.clone()).or_default().push(Kept {
            entry: Arc::clone(&entry),
            used: now,
        });
        Ok(entry)
    }
}

impl Kept {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.entry) == 1
    }
}

/// Drops what nobody used for long, and then the idle ones that were used longest ago, until one
/// more fits.
fn make_room(entries: &mut HashMap<RemoteUrl, Vec<Kept>>, now: Instant) {
    let mut idle: Vec<Instant> = entries
        .values()
        .flatten()
        .filter(|kept| kept.is_idle())
        .map(|kept| kept.used)
        .collect();
    idle.sort_unstable();
    let count: usize = entries.values().map(Vec::len).sum();
    let surplus = (count + 1).saturating_sub(MOST_REMOTES);
    idle.truncate(surplus);
    let last_out = idle.last();
    entries.retain(|_, same| {
        same.retain(|kept| {
            let is_old = now.saturating_duration_since(kept.used) >= LONGEST_IDLE;
            let is_surplus = last_out.is_some_and(|last| kept.used <= *last);
            !(kept.is_idle() && (is_old || is_surplus))
        });
        !same.is_empty()
    });
}

impl Entry {
    /// Adds a job and says whether the queue is new, so that it needs a task.
    fn enqueue(&self, branch: Option<BranchName>, job: Queued) -> bool {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !queues.contains_key(&branch);
        let queue = queues.entry(branch).or_default();
        let now = Instant::now();
        let first = queue.came.map_or(now, |(first, _)| first);
        queue.came = Some((first, now));
        queue.jobs.push(job);
        queue.news.notify_one();
        is_new
    }

    /// When the queue of `branch` goes, and what tells of more; nothing if it is empty, which
    /// removes it.
    fn peek(&self, turn: &mut Turn<'_>) -> Option<(Instant, Arc<Notify>)> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.get(turn.branch)?;
        match queue.came {
            Some((first, last)) if !queue.jobs.is_empty() => Some((
                window::closes_at(first, last, queue.jobs.len()),
                Arc::clone(&queue.news),
            )),
            _ => {
                queues.remove(turn.branch);
                turn.is_over = true;
                None
            }
        }
    }

    /// Takes the jobs that go now. Those beyond a push's bound go next.
    fn take(&self, turn: &Turn<'_>) -> Vec<Queued> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queues.get_mut(turn.branch) else {
            return Vec::new();
        };
        let rest = queue
            .jobs
            .split_off(queue.jobs.len().min(window::MOST_JOBS));
        if rest.is_empty() {
            queue.came = None;
        }
        std::mem::replace(&mut queue.jobs, rest)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queues = self
                .entry
                .queues
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            queues.remove(self.branch);
        }
    }
}

/// Of the trace of the first of these jobs; it names those of the others.
fn span(entry: &Entry, jobs: &[Queued]) -> Span {
    let parent = jobs.first().and_then(|job| job.span.id());
    let span = info_span!(
        parent: parent,
        "batch",
        git.remote = %entry.remote.url(),
        jobs = jobs.len()
    );
    for job in jobs.iter().skip(1) {
        span.follows_from(&job.span);
    }
    span
}

/// Carries out what comes into a queue, until nothing does.
async fn serve(
    entry: Arc<Entry>,
    branch: Option<BranchName>,
    stop: CancellationToken,
    metrics: Metrics,
    journal: Option<Arc<Journal>>,
) {
    let mut turn = Turn {
        entry: &entry,
        branch: &branch,
        is_over: false,
    };
    while let Some((closes_at, news)) = entry.peek(&mut turn) {
        if !stop.is_cancelled() && closes_at > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(closes_at) => {}
                () = news.notified() => continue,
                () = stop.cancelled() => {}
            }
        }
        let jobs = entry.take(&turn);
        metrics.batch(jobs.len());
        let span = span(&entry, &jobs);
        batch::run(&entry.remote, branch.as_ref(), jobs, journal.as_deref())
            .instrument(span)
            .await;
    }
}

#[cfg(test)]
mod tests;
