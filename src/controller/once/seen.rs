//! How far a look has come, for a person who waits. Decides nothing.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::registry;

/// What has been looked at so far, and of how much.
#[derive(Default)]
pub struct Seen {
    pub(super) watches: Count,
    pub(super) policies: Count,
    registry: OnceLock<registry::Client>,
}

/// How many of how many.
#[derive(Default)]
pub(super) struct Count {
    done: AtomicUsize,
    all: AtomicUsize,
}

impl Count {
    /// There are so many.
    pub(super) fn expect(&self, all: usize) {
        self.all.store(all, Ordering::Relaxed);
    }

    /// Waits for one of them.
    pub(super) async fn one<T>(&self, looked: impl Future<Output = T>) -> T {
        let looked = looked.await;
        self.done.fetch_add(1, Ordering::Relaxed);
        looked
    }
}

impl Seen {
    /// Tags are listed by this client.
    pub(super) fn listen(&self, client: &registry::Client) {
        self.registry.get_or_init(|| client.clone());
    }
}

/// `3 of 12 watches, 4 pages, 3100 tags, 0 of 5 policies`
impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(registry) = self.registry.get() else {
            return Ok(());
        };
        if self.watches.all.load(Ordering::Relaxed) > 0 {
            write!(formatter, "{} watches, ", self.watches)?;
        }
        write!(
            formatter,
            "{}, {} policies",
            registry.listed(),
            self.policies
        )
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.done.load(Ordering::Relaxed);
        write!(formatter, "{done} of {}", self.all.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_is_told_of_how_much() {
        let seen = Seen::default();
        assert_eq!(seen.to_string(), "", "nothing has begun");
        seen.listen(&registry::Client::new());
        seen.policies.expect(2);
        assert_eq!(seen.to_string(), "0 pages, 0 tags, 0 of 2 policies");
        seen.watches.expect(3);
        seen.watches.one(async {}).await;
        seen.policies.one(async {}).await;
        assert_eq!(
            seen.to_string(),
            "1 of 3 watches, 0 pages, 0 tags, 1 of 2 policies"
        );
    }
}
