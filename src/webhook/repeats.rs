//! Bodies that were taken lately: a sender's retry and a stranger's recording are the same body
//! again, and tell of nothing new.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// How long a body is remembered. Registries give up on a delivery sooner, and who asks for one by
/// hand gets a scan after that.
const WINDOW: Duration = Duration::from_mins(10);

/// The most bodies that are remembered; the oldest are forgotten before their time.
const MAX_BODIES: usize = 10_000;

/// A digest of what was sent.
pub(super) type Body = [u8; 32];

/// The digest of a body and of what else says what it means.
pub(super) fn body(parts: &[&[u8]]) -> Body {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// What was taken lately.
#[derive(Default)]
pub(super) struct Repeats {
    order: VecDeque<(Instant, Body)>,
    known: HashSet<Body>,
}

impl Repeats {
    /// Remembers a body; says whether it is new.
    pub(super) fn note(&mut self, body: Body, now: Instant) -> bool {
        while let Some((time, oldest)) = self.order.front() {
            if now.duration_since(*time) < WINDOW && self.order.len() < MAX_BODIES {
                break;
            }
            self.known.remove(oldest);
            self.order.pop_front();
        }
        let is_new = self.known.insert(body);
        if is_new {
            self.order.push_back((now, body));
        }
        is_new
    }

    /// Forgets a body that could not be handed on after all.
    pub(super) fn forget(&mut self, body: &Body) {
        self.known.remove(body);
        self.order.retain(|(_, other)| other != body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_repetition_for_ten_minutes() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        let (one, other) = (body(&[b"a", b"bc"]), body(&[b"ab", b"c"]));
        assert!(repeats.note(one, start));
        assert!(repeats.note(other, start), "its parts are other ones");
        assert!(!repeats.note(one, start + WINDOW - Duration::from_secs(1)));
        assert!(
            repeats.note(one, start + WINDOW),
            "a repetition renews nothing"
        );
        repeats.forget(&one);
        assert!(repeats.note(one, start + WINDOW));
    }

    #[test]
    fn no_more_bodies_are_remembered_than_fit() {
        let mut repeats = Repeats::default();
        let now = Instant::now();
        for number in 0..=MAX_BODIES {
            assert!(repeats.note(body(&[&number.to_be_bytes()]), now));
        }
        assert_eq!(
            (repeats.order.len(), repeats.known.len()),
            (MAX_BODIES, MAX_BODIES)
        );
        assert!(
            repeats.note(body(&[&0_usize.to_be_bytes()]), now),
            "forgotten"
        );
        assert!(!repeats.note(body(&[&MAX_BODIES.to_be_bytes()]), now));
    }
}
