//! Says that something takes its time, and how far it has come, on a terminal only.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// How often the line is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// A line on the terminal that is gone when this is dropped. Nothing is written to standard error
/// where that is no terminal: logs of a pipeline stay readable.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shows `message`, and the seconds that have passed.
    pub(super) fn start(message: String) -> Self {
        Self::counting(message, || "")
    }

    /// Shows `message`, and how far it has come, which is asked for whenever the line is drawn.
    pub(super) fn counting<T: fmt::Display>(
        message: String,
        count: impl Fn() -> T + Clone + Send + Sync + 'static,
    ) -> Self {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new_spinner();
        // The message is what is cut where the line is too long.
        let template = "{spinner} {elapsed} {count} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            let count = move |_: &ProgressState, text: &mut dyn fmt::Write| {
                write!(text, "{}", count()).ok();
            };
            bar.set_style(style.with_key("count", count));
        }
        bar.set_message(message);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
