//! The one place that reads the time.

use jiff::Timestamp;

/// Tells the time; everything else gets it as an argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(fn() -> Timestamp);

impl Clock {
    /// The system's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the time"
    )]
    pub(super) fn system() -> Self {
        Self(Timestamp::now)
    }

    /// What tells the time, for those who keep it.
    pub(super) fn reader(self) -> fn() -> Timestamp {
        self.0
    }

    /// The time now.
    pub(super) fn now(self) -> Timestamp {
        (self.0)()
    }
}
