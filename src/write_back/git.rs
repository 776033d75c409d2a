//! Writes to git: one remote object per address and credential, one queue per branch of it.
//!
//! A queue is a task that lives while there are jobs. It gathers what comes within a moment,
//! carries that out in one go, and meanwhile gathers the next. So writers of this process never
//! race each other; races with others the remote decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use image_update_core::remote::{BranchName, RemoteUrl};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span};

use super::batch::{self, Queued};
use super::job::{Error, Job, Outcome};
use super::window;
use crate::git::options::RemoteOptions;
use crate::git::remote::Remote;
use crate::git::update::{Paths, Snapshot};
use crate::metrics::Metrics;

/// The git remotes that policies write to.
pub struct Remotes {
    /// By address; those of one address differ in credential or trust, so in what they may see.
    entries: Mutex<HashMap<RemoteUrl, Vec<Arc<Entry>>>>,
    /// The queues that have jobs.
    tasks: Mutex<JoinSet<()>>,
    /// Once it is cancelled, nothing waits for more to come.
    stop: CancellationToken,
    metrics: Metrics,
    /// How much is kept of each remote.
    cache_bytes: usize,
}

/// A remote with its cache, and its queues.
struct Entry {
    options: RemoteOptions,
    remote: Remote,
    queues: Mutex<HashMap<Option<BranchName>, Queue>>,
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

/// Remotes that nobody is using are dropped when there are more than this.
const MOST_IDLE_REMOTES: usize = 256;

impl Remotes {
    /// No remotes yet. `stop` says that the operator ends: what waits then goes at once. Of each
    /// remote, at most `cache_bytes` are kept between two uses.
    pub fn new(stop: CancellationToken, metrics: Metrics, cache_bytes: usize) -> Self {
        Self {
            entries: Mutex::default(),
            tasks: Mutex::default(),
            stop,
            metrics,
            cache_bytes,
        }
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
            ));
        }
        answer.await.unwrap_or(Err(Error::Interrupted))
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
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST_IDLE_REMOTES {
            entries.retain(|_, same| {
                same.retain(|entry| Arc::strong_count(entry) > 1);
                !same.is_empty()
            });
        }
        let same = entries.entry(url.clone()).or_default();
        if let Some(entry) = same.iter().find(|entry| entry.options == *options) {
            return Ok(Arc::clone(entry));
        }
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
        same.push(Arc::clone(&entry));
        Ok(entry)
    }
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
        batch::run(&entry.remote, branch.as_ref(), jobs)
            .instrument(span)
            .await;
    }
}
