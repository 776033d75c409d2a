//! A git remote: read files, or change them in one commit.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use gix::ObjectId;
use image_update_core::{
    remote::{BranchName, RemoteUrl, RepoPath},
    wire::report_status::RemoteText,
};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::{Span, debug, field::Empty, instrument};

use super::{
    error::{Error, ProtocolError, UpdateError},
    measure,
    options::RemoteOptions,
    protocol::push::Verdict,
    session::{Destination, Series, Session, Tip},
    update::{CommitDraft, Paths, Receipt, Snapshot, UpdateRequest},
};
use crate::metrics::{GitOperation, GitOutcome, Metrics};

/// How often an update is tried when others keep writing to the branch.
const MAX_ATTEMPTS: u32 = 6;

/// How often the same push is refused, with the branch not moving, until that is taken for a rule
/// of the server. Once is not enough: another writer may hold the lock on a branch it is about to
/// move.
const MAX_REFUSALS: u32 = 2;

/// The pause after the first lost race. It doubles, and is spread by half in each direction.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A git remote.
///
/// Holds what makes the next update cheap: with nothing changed a read is one request, a write two.
/// Updates through one value wait for each other; those of other processes are raced, safely.
pub struct Remote {
    url: RemoteUrl,
    session: Mutex<Session>,
}

/// Where an update starts and where it goes.
#[derive(PartialEq)]
struct Route {
    /// What is read and built upon.
    from: Tip,
    /// What is written.
    to: Destination,
}

/// What was built of drafts.
#[derive(Default)]
struct Built {
    /// The commits as they are pushed; nothing if no draft changes anything.
    series: Option<Series>,
    /// The commit of each draft.
    commits: Vec<Option<ObjectId>>,
    /// The files that change.
    files: Vec<RepoPath>,
}

/// Commits that were sent to the server.
struct Attempt {
    route: Route,
    commit_id: ObjectId,
    commits: Vec<Option<ObjectId>>,
    files: Vec<RepoPath>,
}

/// Why a commit that was sent may not be on the branch.
enum Doubt {
    /// The server said no.
    Refused(RemoteText),
    /// The server did not get to say anything that is understood.
    Unanswered(Error),
}

impl Remote {
    /// Sets up a remote. Makes no connection.
    ///
    /// A `rustls` crypto provider must have been installed for the process.
    pub fn new(url: RemoteUrl, options: &RemoteOptions) -> Result<Self, Error> {
        let session = Mutex::new(Session::new(url.clone(), options)?);
        Ok(Self { url, session })
    }

    /// The same remote, with its operations, requests and lost races counted.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.session.get_mut().measure_with(metrics);
        self
    }

    /// The same remote, with at most so many bytes of trees and files kept between two uses. What is
    /// not kept is fetched again. 32 MiB unless it is called.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.session.get_mut().cache_bytes(bytes);
        self
    }

    /// How much is kept now, in bytes: what the objects take, and what it takes to find them.
    pub async fn cached_bytes(&self) -> usize {
        self.session.lock().await.cached_bytes()
    }

    /// The remote's address.
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// The session, without what a caller who stopped waiting left running.
    async fn session(&self) -> MutexGuard<'_, Session> {
        let mut session = self.session.lock().await;
        session.finish().await;
        session
    }

    /// Reads files of a branch, or of the default branch where none is named.
    #[instrument(name = "git read", skip_all, fields(git.remote = %self.url))]
    pub async fn read(
        &self,
        branch: Option<&BranchName>,
        paths: &Paths,
    ) -> Result<Snapshot, Error> {
        let mut session = self.session().await;
        let started = Instant::now();
        let result = read(&mut session, branch, paths).await;
        let outcome = measure::read(&result);
        conclude(&mut session, GitOperation::Read, outcome, started).await;
        if result.is_err() {
            session.forget_capabilities();
        }
        result.map(|(_, snapshot)| snapshot)
    }

    /// Reads the files that an update would start from, and says which branch it would write.
    #[instrument(name = "git preview", skip_all, fields(git.remote = %self.url))]
    pub async fn preview(&self, request: &UpdateRequest) -> Result<(Snapshot, BranchName), Error> {
        let mut session = self.session().await;
        let started = Instant::now();
        let result = preview(&mut session, request).await;
        let outcome = measure::read(&result);
        conclude(&mut session, GitOperation::Read, outcome, started).await;
        if result.is_err() {
            session.forget_capabilities();
        }
        result
    }

    /// Reads files as they were in an earlier commit of a branch; nothing if the remote gives it no
    /// more, as after a branch was moved away from it, or if one of them could not be written then.
    #[instrument(name = "git read commit", skip_all, fields(git.remote = %self.url, commit.id = %commit_id))]
    pub async fn read_commit(
        &self,
        branch: &BranchName,
        commit_id: ObjectId,
        paths: &Paths,
    ) -> Result<Option<Snapshot>, Error> {
        let mut session = self.session().await;
        let started = Instant::now();
        let tip = Tip {
            branch: branch.clone(),
            commit_id,
        };
        let result = session.snapshot(&tip, paths).await;
        let result = match result {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(
                Error::Protocol {
                    source: ProtocolError::Remote { .. },
                    ..
                }
                | Error::ObjectMissing { .. }
                | Error::Path { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        };
        let outcome = measure::read(&result);
        conclude(&mut session, GitOperation::Read, outcome, started).await;
        if result.is_err() {
            session.forget_capabilities();
        }
        result
    }

    /// Reads files, lets `decide` say what to change, and puts that on the branch in one commit.
    ///
    /// `decide` must depend on nothing but the snapshot it is given: when somebody else writes to
    /// the branch in between, it is called again with what is there then. Nothing is pushed if it
    /// returns nothing, or what the files already hold.
    ///
    /// When this returns [`Receipt::Pushed`] the commit is on the branch, exactly once, even if the
    /// connection broke in the middle. After an error from the push itself it may or may not be;
    /// the next update finds out.
    pub async fn update<E: std::error::Error + 'static>(
        &self,
        request: &UpdateRequest,
        mut decide: impl FnMut(&Snapshot) -> Result<Option<CommitDraft>, E> + Send,
    ) -> Result<Receipt, UpdateError<E>> {
        self.update_all(request, |snapshot| {
            decide(snapshot).map(|draft| draft.into_iter().collect())
        })
        .await
    }

    /// As [`Remote::update`], with several commits, each on top of the one before, in one push.
    ///
    /// The files of a draft are whole, so one that changes a file after another has to start from
    /// what that one made of it.
    #[instrument(
        name = "git update",
        skip_all,
        fields(git.remote = %self.url, git.branch = Empty, commit.id = Empty, attempts = Empty)
    )]
    pub async fn update_all<E: std::error::Error + 'static>(
        &self,
        request: &UpdateRequest,
        mut decide: impl FnMut(&Snapshot) -> Result<Vec<CommitDraft>, E> + Send,
    ) -> Result<Receipt, UpdateError<E>> {
        let mut session = self.session().await;
        let started = Instant::now();
        // It holds what a push is made of, and whoever waits for it need not.
        let result = Box::pin(update(&mut session, request, &mut decide)).await;
        let outcome = measure::update(&result);
        if let Ok(receipt) = &result {
            note(receipt);
        }
        conclude(&mut session, GitOperation::Update, outcome, started).await;
        if result.is_err() {
            session.forget_capabilities();
        }
        result
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Counts an operation, and ends what it left running.
async fn conclude(
    session: &mut Session,
    operation: GitOperation,
    outcome: GitOutcome,
    started: Instant,
) {
    let time = started.elapsed();
    session.metrics().git_operation(operation, outcome, time);
    session.finish().await;
}

/// Says on the current span what was written.
fn note(receipt: &Receipt) {
    let span = Span::current();
    span.record("git.branch", receipt.branch().as_str());
    if let Receipt::Pushed {
        commit_id,
        attempts,
        ..
    } = receipt
    {
        span.record("commit.id", commit_id.to_string());
        span.record("attempts", *attempts);
    }
}

async fn read(
    session: &mut Session,
    branch: Option<&BranchName>,
    paths: &Paths,
) -> Result<(Tip, Snapshot), Error> {
    let tip = session.tip(branch).await?;
    let snapshot = session.snapshot(&tip, paths).await?;
    Ok((tip, snapshot))
}

async fn preview(
    session: &mut Session,
    request: &UpdateRequest,
) -> Result<(Snapshot, BranchName), Error> {
    let route = route(session, request).await?;
    let snapshot = session.snapshot(&route.from, &request.paths).await?;
    Ok((snapshot, route.to.branch))
}

async fn update<E: std::error::Error + 'static>(
    session: &mut Session,
    request: &UpdateRequest,
    decide: &mut (impl FnMut(&Snapshot) -> Result<Vec<CommitDraft>, E> + Send),
) -> Result<Receipt, UpdateError<E>> {
    let mut doubtful: Option<(Attempt, Doubt)> = None;
    let mut attempts = 0;
    let mut refusals = 0;
    loop {
        let route = route(session, request).await.map_err(UpdateError::Git)?;
        if let Some((attempt, doubt)) = doubtful.take() {
            if route.to.old == Some(attempt.commit_id) {
                return Ok(attempt.pushed(attempts));
            }
            let is_refusal = matches!(doubt, Doubt::Refused(_)) && route == attempt.route;
            refusals = if is_refusal { refusals + 1 } else { 0 };
            if refusals >= MAX_REFUSALS || attempts >= MAX_ATTEMPTS {
                let error = doubt.into_error(session.remote(), &route.to, is_refusal, attempts);
                return Err(UpdateError::Git(error));
            }
        }

        attempts += 1;
        let snapshot = session
            .snapshot(&route.from, &request.paths)
            .await
            .map_err(UpdateError::Git)?;
        let drafts = decide(&snapshot).map_err(UpdateError::Decide)?;
        let Built {
            series,
            commits,
            files,
        } = build_all(session, &route.from, &drafts).await?;
        let Some(series) = series else {
            return Ok(Receipt::UpToDate {
                branch: route.from.branch,
                commit_id: route.from.commit_id,
            });
        };

        let commit_id = series.last();
        let verdict = session.push(&route.to, series).await;
        let attempt = Attempt {
            route,
            commit_id,
            commits,
            files,
        };
        let doubt = match verdict {
            Ok(Verdict::Accepted) => {
                session.settle(attempt.route.from.commit_id, attempt.commit_id);
                return Ok(attempt.pushed(attempts));
            }
            Ok(Verdict::Refused(text)) => Doubt::Refused(text),
            Err(error) if is_in_doubt(&error) => Doubt::Unanswered(error),
            Err(error) => return Err(UpdateError::Git(error)),
        };
        debug!(
            git.remote = %session.remote(),
            git.branch = %attempt.route.to.branch,
            commit.id = %attempt.commit_id,
            attempts,
            "A push did not succeed at once; looking at the branch again"
        );
        session.metrics().git_race();
        doubtful = Some((attempt, doubt));
        tokio::time::sleep(pause(attempts)).await;
    }
}

/// Finds out what to build upon: the branch that is pushed to while it contains the tip of its
/// base, else the base.
async fn route(session: &mut Session, request: &UpdateRequest) -> Result<Route, Error> {
    let base = session.tip(request.branch.as_ref()).await?;
    let push = request.push.as_ref().filter(|push| **push != base.branch);
    let Some(branch) = push.cloned() else {
        let to = Destination {
            branch: base.branch.clone(),
            old: Some(base.commit_id),
        };
        return Ok(Route { from: base, to });
    };
    let old = session.position(&branch).await?;
    let to = Destination { branch, old };
    let Some(tip) = old else {
        return Ok(Route { from: base, to });
    };
    let beyond = session.beyond(base.commit_id, tip).await?;
    if beyond.contains_base {
        let from = Tip {
            branch: to.branch.clone(),
            commit_id: tip,
        };
        return Ok(Route { from, to });
    }
    match beyond.foreign {
        None => Ok(Route { from: base, to }),
        Some(commit_id) => Err(Error::ForeignCommits {
            remote: session.remote().clone(),
            branch: to.branch,
            base: base.branch,
            commit_id,
        }),
    }
}

/// Builds the drafts on top of each other. Those that change nothing make no commit.
async fn build_all<E: std::error::Error + 'static>(
    session: &mut Session,
    from: &Tip,
    drafts: &[CommitDraft],
) -> Result<Built, UpdateError<E>> {
    let mut tip = from.clone();
    let mut all = Built::default();
    for (index, draft) in drafts.iter().enumerate() {
        let built = session
            .build(&tip, draft)
            .await
            .map_err(|source| UpdateError::Build {
                draft: index,
                source,
            })?;
        all.commits.push(built.as_ref().map(|it| it.commit_id));
        let Some(mut built) = built else {
            continue;
        };
        tip.commit_id = built.commit_id;
        all.files.append(&mut built.files);
        let series = if let Some(series) = &mut all.series {
            series
        } else {
            let begun = session.begin(from).await.map_err(UpdateError::Git)?;
            all.series.insert(begun)
        };
        session.adopt(series, built).map_err(UpdateError::Git)?;
    }
    Ok(all)
}

impl Attempt {
    fn pushed(self, attempts: u32) -> Receipt {
        Receipt::Pushed {
            branch: self.route.to.branch,
            commit_id: self.commit_id,
            commits: self.commits,
            parent: self.route.from.commit_id,
            attempts,
            files: self.files,
        }
    }
}

impl Doubt {
    /// The error to give up with. A refusal counts as the server's rule only if nobody else moved
    /// the branch.
    fn into_error(
        self,
        remote: &RemoteUrl,
        to: &Destination,
        is_rule: bool,
        attempts: u32,
    ) -> Error {
        let (remote, branch) = (remote.clone(), to.branch.clone());
        match self {
            Self::Unanswered(error) => error,
            Self::Refused(text) if is_rule => Error::PushRejected {
                remote,
                branch,
                text,
            },
            Self::Refused(text) => Error::LostRace {
                remote,
                branch,
                attempts,
                text,
            },
        }
    }
}

/// Says whether the server may have moved the branch in spite of the error, or would the next time.
fn is_in_doubt(error: &Error) -> bool {
    match error {
        Error::Protocol { .. } => true,
        Error::Transport { source, .. } => source.is_in_doubt(),
        Error::Pack { .. }
        | Error::EmptyRepository { .. }
        | Error::BranchNotFound { .. }
        | Error::NoDefaultBranch { .. }
        | Error::Path { .. }
        | Error::TooManyFiles { .. }
        | Error::MalformedTree { .. }
        | Error::ObjectMissing { .. }
        | Error::Draft { .. }
        | Error::ForeignCommits { .. }
        | Error::PushRejected { .. }
        | Error::LostRace { .. } => false,
    }
}

/// How long to wait after `attempts` tries: 25 to 75 ms, then twice that, and so on.
///
/// The randomness keeps writers that collided once from colliding again. `RandomState` is seeded by
/// the system, which is all that is needed.
fn pause(attempts: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << (attempts.clamp(1, 8) - 1));
    let percent = 50 + RandomState::new().hash_one(attempts) % 101;
    doubled.mul_f64(f64::from(u8::try_from(percent).unwrap_or(100)) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_and_is_spread() {
        for attempts in 1..=MAX_ATTEMPTS {
            let middle = FIRST_PAUSE * (1 << (attempts - 1));
            for _ in 0..50 {
                let pause = pause(attempts);
                assert!(
                    pause >= middle / 2 && pause <= middle * 3 / 2,
                    "{attempts}: {pause:?}"
                );
            }
        }
        let distinct: std::collections::HashSet<_> = (0..50).map(|_| pause(1)).collect();
        assert!(distinct.len() > 5, "{distinct:?}");
    }
}
