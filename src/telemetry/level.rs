//! What is logged, which may be changed while the program runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The directives that say what is logged. Clones are about the same log.
#[derive(Clone)]
pub(crate) struct LogLevel {
    /// As they were read last; behind the same lock as the filter, so that the two agree.
    directives: Arc<Mutex<String>>,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Why directives have no effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogLevelError {
    /// They can't be read.
    #[error("these are no directives: write a level such as info, or info,kube=warn")]
    Directives(#[source] ParseError),
    /// Nothing is logged any more.
    #[error("there is no log")]
    Gone(#[source] reload::Error),
}

/// The filter of a log that keeps to these directives, and what changes it.
pub(super) fn filter(
    directives: &str,
) -> Result<(reload::Layer<EnvFilter, Registry>, LogLevel), LogLevelError> {
    let (filter, handle) = reload::Layer::new(parse(directives)?);
    let level = LogLevel {
        directives: Arc::new(Mutex::new(directives.to_owned())),
        filter: handle,
    };
    Ok((filter, level))
}

fn parse(directives: &str) -> Result<EnvFilter, LogLevelError> {
    let parsed = EnvFilter::builder().parse(directives);
    parsed.map_err(LogLevelError::Directives)
}

impl LogLevel {
    /// The directives that hold.
    pub(crate) fn get(&self) -> String {
        let directives = self
            .directives
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        directives.clone()
    }

    /// Lets other directives hold from now on.
    pub(crate) fn set(&self, new: &str) -> Result<(), LogLevelError> {
        let filter = parse(new)?;
        let mut directives = self
            .directives
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(filter).map_err(LogLevelError::Gone)?;
        new.clone_into(&mut directives);
        Ok(())
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("LogLevel")
            .field(&self.get())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::{Event, Subscriber, debug};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;
    use tracing_subscriber::prelude::*;

    use super::*;

    /// A log that counts its lines.
    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn directives_hold_from_when_they_are_set_and_those_that_are_none_change_nothing() {
        let (filter, level) = filter("info").expect("it is a level");
        let lines = Arc::new(AtomicUsize::new(0));
        let log = Count(Arc::clone(&lines)).with_filter(filter);
        let _subscriber =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(log));
        let is_logged = || {
            let before = lines.load(Ordering::Relaxed);
            // One place in the code, which has to ask again when the filter changes.
            debug!("something");
            lines.load(Ordering::Relaxed) > before
        };
        assert!(!is_logged());
        let more = "warn,image_update_operator=debug";
        level.set(more).expect("they are directives");
        assert!(is_logged());
        assert_eq!(level.get(), more);
        for wrong in ["image_update_operator=loud", "a=b=c"] {
            let refused = level.set(wrong);
            let is_told = matches!(refused, Err(LogLevelError::Directives(_)));
            assert!(is_told, "{wrong}");
        }
        assert!(is_logged());
        assert_eq!(level.get(), more);
        level.set("error").expect("it is a level");
        assert!(!is_logged());
    }
}
