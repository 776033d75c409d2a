//! Leader election by Leases: of several operators that know the same Leases, each Lease has one
//! holder at a time, and a holder knows in time that it is none any more.
//!
//! It goes by what client-go does, so that it is as safe: a Lease is taken over only when this
//! process itself has seen it unchanged for as long as its holder asked for, by a clock that can't be
//! set, and every write says which version of the Lease it replaces. Of the crates for this, those
//! for the kube of this program compare the clocks of two machines or write without that condition.
//! Nothing here knows what a leader does.

mod error;
mod lease;
mod standing;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub(crate) use error::Lost;
use lease::{Attempt, Lock};
use standing::Candidate;

/// How long giving a Lease back may take: whoever stands by gets it a little later without that.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest that a standby is away from a Lease, so the most that a hand-over takes.
const LONGEST_STANDBY_PAUSE: Duration = Duration::from_secs(1);

/// For how long a Lease holds, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// How long after the last renewal others may take it. Whole seconds.
    lease: Duration,
}

impl Timing {
    /// Leases that hold for this long after each renewal; at least 3 seconds make sense.
    pub(crate) fn new(lease: Duration) -> Self {
        Self { lease }
    }

    /// When a holder that could not renew gives up: early enough to have stopped before another
    /// begins. client-go has 10 of 15 seconds.
    fn renew_deadline(self) -> Duration {
        self.lease * 2 / 3
    }

    /// How often it is renewed. client-go has 2 of 15 seconds.
    fn retry(self) -> Duration {
        self.lease * 2 / 15
    }

    /// How often whoever stands by looks.
    fn standby(self) -> Duration {
        self.retry().min(LONGEST_STANDBY_PAUSE)
    }
}

/// Who holds which Lease, by the Lease's name, as it was seen last.
pub(crate) type Holders = BTreeMap<String, Holder>;

/// Who holds a Lease.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// The identity.
    pub(crate) identity: String,
    /// When this process renewed it; `None` if another one holds it.
    pub(crate) renewed: Option<Instant>,
}

/// Takes part in the elections for some Leases, until it holds one.
pub(crate) struct Election {
    lock: Lock,
    candidates: Vec<Candidate>,
    /// The Lease that is held.
    held: Option<Held>,
    holders: watch::Sender<Holders>,
}

/// A Lease that is held.
struct Held {
    name: String,
    /// As it stands there.
    lease: Box<Lease>,
    /// When the last successful renewal was begun, so that it counts from no later than that.
    renewed: Instant,
}

impl Election {
    /// Elections for the Leases `names` of `namespace`, of which any one will do.
    ///
    /// `identity` has to differ from that of every other process. `now` is what Leases are stamped
    /// with, for people: nothing is decided by it.
    pub(crate) fn new(
        kube: Client,
        namespace: &str,
        names: impl IntoIterator<Item = String>,
        identity: String,
        timing: Timing,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            lock: Lock::new(kube, namespace, identity, timing, now),
            candidates: names.into_iter().map(Candidate::new).collect(),
            held: None,
            holders: watch::Sender::default(),
        }
    }

    /// Who holds the Leases, for who looks on.
    pub(crate) fn holders(&self) -> watch::Receiver<Holders> {
        self.holders.subscribe()
    }

    /// Waits until it leads, calls `leads` with the place of the Lease that it got, and keeps it;
    /// returns when it was lost. Until then nobody else leads.
    pub(crate) async fn lead(&mut self, leads: impl FnOnce(usize)) -> Lost {
        let place = self.acquire().await;
        leads(place);
        self.keep().await
    }

    /// Gives the Lease back, if one is held, so that another may have it at once. To be called
    /// only after everything has ended that only a leader may do.
    pub(crate) async fn release(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let released = tokio::time::timeout(RELEASE_TIMEOUT, self.lock.release(&held.name));
        match released.await {
            Ok(Ok(())) => info!(lease = held.name, "Gave up the Lease"),
            Ok(Err(error)) => warn!(
                lease = held.name,
                error = &error as &dyn std::error::Error,
                "The Lease could not be given up; another can have it once it expires"
            ),
            Err(_) => warn!(
                lease = held.name,
                "The Lease could not be given up in time; another can have it once it expires"
            ),
        }
    }

    async fn acquire(&mut self) -> usize {
        let mut said = String::new();
        loop {
            for place in 0..self.candidates.len() {
                let begun = Instant::now();
                let candidate = &mut self.candidates[place];
                match self.lock.try_acquire(candidate).await {
                    Ok(Attempt::Held(lease)) => {
                        let name = candidate.name.clone();
                        info!(lease = name, "Leading");
                        let identity = lease::holder(&lease);
                        note(&self.holders, &name, identity, Some(begun));
                        self.held = Some(Held {
                            name,
                            lease,
                            renewed: begun,
                        });
                        return place;
                    }
                    // It is seen next time who that was.
                    Ok(Attempt::Others { holder }) if holder.is_empty() => {}
                    Ok(Attempt::Others { holder }) => {
                        note(&self.holders, &candidate.name, holder.clone(), None);
                        let now = format!("{} {holder}", candidate.name);
                        if now != said {
                            info!(lease = candidate.name, lease.holder = holder, "Standing by");
                            said = now;
                        }
                    }
                    Err(error) => {
                        let now = error.to_string();
                        if now != said {
                            warn!(
                                error = &error as &dyn std::error::Error,
                                "Could not take part in the election of a leader; trying again"
                            );
                            said = now;
                        }
                    }
                }
            }
            tokio::time::sleep(self.lock.timing.standby()).await;
        }
    }

    async fn keep(&mut self) -> Lost {
        let timing = self.lock.timing;
        let Some(held) = &mut self.held else {
            return Lost::NeverHeld;
        };
        loop {
            tokio::time::sleep(timing.retry()).await;
            let deadline = held.renewed + timing.renew_deadline();
            let begun = Instant::now();
            match tokio::time::timeout_at(deadline, self.lock.renew(&held.name, &held.lease)).await
            {
                Ok(Ok(Attempt::Held(lease))) => {
                    let identity = lease::holder(&lease);
                    note(&self.holders, &held.name, identity, Some(begun));
                    held.lease = lease;
                    held.renewed = begun;
                }
                Ok(Ok(Attempt::Others { holder })) => {
                    let lease = held.name.clone();
                    self.held = None;
                    return Lost::Taken { lease, holder };
                }
                // The deadline is near or past; with it the Lease is as good as lost.
                Ok(Err(error)) if Instant::now() < deadline => debug!(
                    lease = held.name,
                    error = &error as &dyn std::error::Error,
                    "The Lease could not be renewed; trying again"
                ),
                Ok(Err(_)) | Err(_) => {
                    return Lost::Deadline {
                        lease: held.name.clone(),
                        after: timing.renew_deadline(),
                    };
                }
            }
        }
    }
}

fn note(holders: &watch::Sender<Holders>, lease: &str, identity: String, renewed: Option<Instant>) {
    let holder = Holder { identity, renewed };
    holders.send_modify(|holders| {
        holders.insert(lease.to_owned(), holder);
    });
}
