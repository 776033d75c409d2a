//! Work that keeps a processor for long, in the middle of asynchronous code.
//!
//! It starts no thread of its own and moves nothing: what the work borrows stays where it is.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work` while the other tasks of this thread go on elsewhere, so that timers, probes and the
/// Lease don't wait for a large file of somebody. Where the runtime has one thread only, they do.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn timers_go_on_while_the_only_worker_works() {
        let (fired, is_fired) = mpsc::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            fired.send(()).expect("somebody waits");
        });
        let mut work = JoinSet::new();
        work.spawn(async move { in_place(|| is_fired.recv_timeout(Duration::from_secs(20))) });
        let seen = work.join_next().await.expect("there is work");
        let seen = seen.expect("the work ends");
        assert_eq!(seen, Ok(()), "no timer fired during the work");
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_it_too() {
        assert_eq!(in_place(|| 1), 1);
    }
}
