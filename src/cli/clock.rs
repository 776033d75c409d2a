//! The time at which a command was given.

use jiff::Timestamp;

/// Now. A command runs once, so it has no clock to be given.
#[expect(
    clippy::disallowed_methods,
    reason = "a command runs once, at the time it is given"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
