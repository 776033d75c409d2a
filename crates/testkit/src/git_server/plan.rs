//! What a test has planned for requests: faults, and that they are held.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::Notify;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with this status, header lines and body; git sees nothing.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Names and values of headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Bytes,
    },
    /// Breaks the connection before git sees the request.
    DropBefore,
    /// Lets git handle the request, then breaks the connection without its answer.
    DropAfter,
    /// Waits, then goes on as usual.
    Delay(Duration),
}

/// Where a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before git sees it. If the client leaves, git never does.
    Before,
    /// With all of it received. Git will see it even if the client leaves.
    Received,
    /// With git's answer ready, and none of it sent.
    Answered,
}

/// A request that is held until the test lets it go on; for ever, if it doesn't.
#[derive(Debug)]
pub struct Held(Arc<Gate>);

/// What a request that is held passes.
#[derive(Debug, Default)]
pub(super) struct Gate {
    reached: Notify,
    released: Notify,
    is_done: Notify,
}

impl Held {
    /// Waits until the request is there.
    pub async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// Lets a request go on, and waits until git is done with it. For those that are held with all
    /// of them received.
    pub async fn finish(self) {
        self.0.released.notify_one();
        self.0.is_done.notified().await;
    }
}

impl Gate {
    /// Tells the test that a request is there, and waits for it.
    pub(super) async fn pass(&self) {
        self.reached.notify_one();
        self.released.notified().await;
    }

    /// Tells the test that git is done with the request.
    pub(super) fn finish(&self) {
        self.is_done.notify_one();
    }
}

/// What is to happen to a request, and to which.
#[derive(Debug)]
struct Plan {
    /// What its path and query contain.
    on: String,
    /// How many such requests come before it.
    skip: usize,
    action: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    Fault(Fault),
    Hold(Moment, Arc<Gate>),
}

impl Fault {
    /// An answer of nothing but a status.
    pub fn status(status: u16) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

/// What is planned, in the order in which it was.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<VecDeque<Plan>>);

impl Plans {
    pub(super) fn inject(&self, on: &str, fault: Fault) {
        self.add(on, 0, Action::Fault(fault));
    }

    pub(super) fn hold(&self, on: &str, skip: usize, moment: Moment) -> Held {
        let gate = Arc::<Gate>::default();
        self.add(on, skip, Action::Hold(moment, Arc::clone(&gate)));
        Held(gate)
    }

    /// What is to happen to a request for `target`.
    pub(super) fn take(&self, target: &str) -> Option<Action> {
        let mut plans = self.lock();
        let index = plans
            .iter()
            .position(|plan| target.contains(plan.on.as_str()))?;
        let plan = plans.get_mut(index)?;
        if let Some(left) = plan.skip.checked_sub(1) {
            plan.skip = left;
            return None;
        }
        plans.remove(index).map(|plan| plan.action)
    }

    fn add(&self, on: &str, skip: usize, action: Action) {
        let on = on.to_owned();
        self.lock().push_back(Plan { on, skip, action });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Plan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
