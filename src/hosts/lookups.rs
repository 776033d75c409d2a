//! Asks the system for the addresses of names, so that names that get no answer harm nobody else.
//!
//! The system's resolver holds a thread until it has an answer or gives up, half a minute later or
//! more, and can't be told to stop. So its threads are this module's own, and few:
//!
//! * who waits, waits for [`PATIENCE`] at most;
//! * a name is asked for once at a time, however many want to know, and however often;
//! * so many lookups at once, and names that were late before have some of their own, so that
//!   others are still asked for when many get no answer.
//!
//! Threads of the runtime would hold up its end, and with it that of the process.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// How long an answer is waited for: less than for a connection, so that an error says that it is
/// the name. A question that was lost is asked again after 5 seconds by most systems.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Lookups at once of names that were not late when they were asked for last, and as many of names
/// that were.
const AT_ONCE: usize = 64;

/// The most names that are remembered as late. Beyond that all are forgotten, which costs each of
/// them one more lookup among the others.
const MAX_LATE: usize = 4096;

/// What the system said of a name.
type Answer = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// An answer that is not there yet.
type Pending = watch::Receiver<Option<Answer>>;

/// Why the addresses of a name are not known.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The system says so.
    System(Arc<io::Error>),
    /// It says nothing.
    Late,
}

/// The lookups of this process.
pub(super) static SYSTEM: LazyLock<Lookups> = LazyLock::new(|| Lookups::new(system, PATIENCE));

fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Lookups that are under way, and what is known of earlier ones.
pub(super) struct Lookups {
    look_up: fn(&str) -> io::Result<Vec<IpAddr>>,
    patience: Duration,
    state: Arc<Mutex<State>>,
    /// For names that were in time, and for those that were late.
    threads: [Arc<Semaphore>; 2],
}

#[derive(Default)]
struct State {
    pending: HashMap<String, Pending>,
    late: HashSet<String>,
}

impl Lookups {
    /// `look_up` may take as long as it likes.
    fn new(look_up: fn(&str) -> io::Result<Vec<IpAddr>>, patience: Duration) -> Self {
        Self {
            look_up,
            patience,
            state: Arc::default(),
            threads: [(); 2].map(|()| Arc::new(Semaphore::new(AT_ONCE))),
        }
    }

    /// The addresses of a name.
    pub(super) async fn of(&self, name: &str) -> Result<Arc<[IpAddr]>, Failure> {
        // To ask for one costs no question, nor a thread.
        if let Ok(address) = name.parse() {
            return Ok(Arc::new([address]));
        }
        let deadline = Instant::now() + self.patience;
        let begun = timeout_at(deadline, self.join_or_begin(name)).await;
        let mut pending = begun.map_err(|_| Failure::Late)?;
        let answered = timeout_at(deadline, pending.wait_for(Option::is_some)).await;
        let Ok(answered) = answered else {
            lock(&self.state).note_late(name);
            return Err(Failure::Late);
        };
        let answer = answered.ok().and_then(|answer| answer.clone());
        // A thread that ends says something first.
        answer.map_or(Err(Failure::Late), |it| it.map_err(Failure::System))
    }

    async fn join_or_begin(&self, name: &str) -> Pending {
        let was_late = {
            let state = lock(&self.state);
            if let Some(pending) = state.pending.get(name) {
                return pending.clone();
            }
            state.late.contains(name)
        };
        let threads = Arc::clone(&self.threads[usize::from(was_late)]);
        // It is never closed; if it were, asking would be the lesser harm.
        let permit = threads.acquire_owned().await.ok();
        self.begin(name, permit)
    }

    fn begin(&self, name: &str, permit: Option<OwnedSemaphorePermit>) -> Pending {
        let mut state = lock(&self.state);
        // Somebody else may have had the permit before.
        if let Some(pending) = state.pending.get(name) {
            return pending.clone();
        }
        let (answers, pending) = watch::channel(None);
        let (shared, look_up, patience) = (Arc::clone(&self.state), self.look_up, self.patience);
        let asked = name.to_owned();
        let spawned = thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || {
                let _permit = permit;
                let begun = Instant::now();
                let answer = look_up(&asked).map(Arc::from).map_err(Arc::new);
                let mut state = lock(&shared);
                state.pending.remove(&asked);
                if begun.elapsed() < patience {
                    state.late.remove(&asked);
                } else {
                    state.note_late(&asked);
                }
                drop(state);
                answers.send_replace(Some(answer));
            });
        match spawned {
            Ok(_) => {
                state.pending.insert(name.to_owned(), pending.clone());
                pending
            }
            Err(error) => watch::channel(Some(Err(Arc::new(error)))).1,
        }
    }
}

impl State {
    fn note_late(&mut self, name: &str) {
        if self.late.len() >= MAX_LATE {
            self.late.clear();
        }
        self.late.insert(name.to_owned());
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use futures::future::join_all;

    use super::*;

    /// A name server that does not answer for names that begin with `never`, until it is told to.
    struct Server {
        is_back: Mutex<bool>,
        comes_back: Condvar,
        asked: AtomicUsize,
    }

    impl Server {
        const fn new() -> Self {
            Self {
                is_back: Mutex::new(false),
                comes_back: Condvar::new(),
                asked: AtomicUsize::new(0),
            }
        }

        fn answer(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if name.starts_with("nowhere") {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
            if name.starts_with("never") {
                let mut is_back = self.is_back.lock().unwrap_or_else(PoisonError::into_inner);
                while !*is_back {
                    let woken = self.comes_back.wait(is_back);
                    is_back = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        }

        fn come_back(&self) {
            *self.is_back.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.comes_back.notify_all();
        }
    }

    /// Shorter than anybody wants to wait, and longer than a thread takes to begin.
    const SHORT: Duration = Duration::from_millis(300);

    async fn all_late(lookups: &Lookups, names: &[String]) {
        let asked = names.iter().map(|name| lookups.of(name));
        for found in join_all(asked).await {
            assert!(matches!(found, Err(Failure::Late)), "{found:?}");
        }
    }

    #[tokio::test]
    async fn names_that_get_no_answer_are_asked_for_once_and_keep_no_other_waiting() {
        static SERVER: Server = Server::new();
        let lookups = Lookups::new(|name| SERVER.answer(name), SHORT);
        let names: Vec<String> = (0..300).map(|number| format!("never-{number}")).collect();
        all_late(&lookups, &names).await;
        assert_eq!(SERVER.asked.load(Ordering::SeqCst), AT_ONCE);
        // Those that were asked for hold their threads still; others wait in vain, and are not
        // to blame.
        assert_eq!(lock(&lookups.state).late.len(), AT_ONCE);
        all_late(&lookups, &names).await;
        assert_eq!(SERVER.asked.load(Ordering::SeqCst), AT_ONCE);

        SERVER.come_back();
        let found = lookups.of("never-7").await.expect("it is answered now");
        assert_eq!(*found, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }

    #[tokio::test]
    async fn names_that_were_late_leave_room_for_others() {
        static SERVER: Server = Server::new();
        let lookups = Lookups::new(|name| SERVER.answer(name), SHORT);
        let names: Vec<String> = (0..300).map(|number| format!("never-{number}")).collect();
        for name in &names {
            lock(&lookups.state).note_late(name);
        }
        let begun = Instant::now();
        let (late, found) = tokio::join!(all_late(&lookups, &names), lookups.of("registry"));
        let () = late;
        assert!(found.is_ok(), "{found:?}");
        assert!(begun.elapsed() < SHORT * 3);
        SERVER.come_back();
    }

    #[tokio::test]
    async fn an_answer_is_shared_and_not_kept() {
        static SERVER: Server = Server::new();
        let lookups = Lookups::new(|name| SERVER.answer(name), Duration::from_mins(1));
        let waiting = join_all((0..20).map(|_| lookups.of("never")));
        let answer = async {
            while SERVER.asked.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            SERVER.come_back();
        };
        let (found, ()) = tokio::join!(waiting, answer);
        assert!(found.iter().all(Result::is_ok));
        assert_eq!(SERVER.asked.load(Ordering::SeqCst), 1);
        for _ in 0..2 {
            let found = lookups.of("nowhere").await;
            assert!(
                matches!(&found, Err(Failure::System(error)) if error.kind() == io::ErrorKind::NotFound)
            );
        }
        assert_eq!(SERVER.asked.load(Ordering::SeqCst), 3);
        assert!(lock(&lookups.state).pending.is_empty());
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let lookups = Lookups::new(|_| Err(io::ErrorKind::NotFound.into()), SHORT);
        for address in ["127.0.0.1", "::1", "10.0.0.1"] {
            let found = lookups.of(address).await.expect("it is an address");
            assert_eq!(found[0].to_string(), address);
        }
    }

    #[test]
    fn names_that_are_remembered_as_late_are_bounded() {
        let mut state = State::default();
        for number in 0..=MAX_LATE {
            state.note_late(&number.to_string());
        }
        assert_eq!(state.late.len(), 1);
    }
}
