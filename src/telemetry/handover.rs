//! Keeps a trace whole where work is handed over by a queue, which knows objects and no spans.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The most who are remembered for one key: what makes many watches change at once is one event.
const MAX_LEFT: usize = 16;

/// The most keys; those beyond begin traces of their own.
const MAX_KEYS: usize = 16_384;

/// Spans that left work for a key.
pub(crate) struct Handover<K> {
    left: Mutex<HashMap<K, Vec<SpanContext>>>,
}

impl<K> Default for Handover<K> {
    fn default() -> Self {
        Self {
            left: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash> Handover<K> {
    /// The current span leaves work for `key`. Nothing is kept while nothing is traced.
    pub(crate) fn leave(&self, key: K) {
        let context = Span::current().context();
        let span = context.span().span_context().clone();
        if !span.is_sampled() {
            return;
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= MAX_KEYS && !left.contains_key(&key) {
            return;
        }
        let spans = left.entry(key).or_default();
        if spans.len() < MAX_LEFT {
            spans.push(span);
        }
    }

    /// Nobody will take up what was left for `key`.
    pub(crate) fn forget(&self, key: &K) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.remove(key);
    }

    /// `span`, which nobody has entered yet, takes up what was left for `key`: it is part of the
    /// trace of who came first, and names the others.
    pub(crate) fn take_up(&self, key: &K, span: &Span) {
        let left = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.remove(key)
        };
        let mut left = left.into_iter().flatten();
        let Some(first) = left.next() else {
            return;
        };
        // It fails only where there are no traces, and then nothing was left.
        span.set_parent(Context::new().with_remote_span_context(first))
            .ok();
        for other in left {
            span.add_link(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{TraceId, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::info_span;
    use tracing_subscriber::prelude::*;

    use super::*;

    /// The trace of the spans that leave work for 1, and that of the one that takes up `key`.
    fn handed_over(spans: usize, key: u8) -> (TraceId, TraceId) {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _subscriber =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let handover = Handover::default();
        let first = info_span!(parent: None, "first");
        first.in_scope(|| handover.leave(1));
        for _ in 1..spans {
            info_span!(parent: None, "other").in_scope(|| handover.leave(1));
        }
        let taker = info_span!(parent: None, "taker");
        handover.take_up(&key, &taker);
        let trace = |span: &Span| span.context().span().span_context().trace_id();
        (trace(&first), trace(&taker))
    }

    #[test]
    fn a_trace_goes_on_with_who_takes_up_its_work() {
        #[track_caller]
        fn check(spans: usize, key: u8, is_same: bool) {
            let (left, taken) = handed_over(spans, key);
            assert_eq!(left == taken, is_same, "{spans} spans, taken up by {key}");
            assert_ne!(taken, TraceId::INVALID);
        }
        check(1, 1, true);
        check(1, 2, false);
        // The first one's.
        check(MAX_LEFT + 3, 1, true);
    }

    #[test]
    fn without_traces_nothing_is_kept() {
        let handover = Handover::default();
        info_span!("untraced").in_scope(|| handover.leave(1));
        let left = handover.left.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(left.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _subscriber =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let handover = Handover::default();
        info_span!("busy").in_scope(|| {
            for key in 0..MAX_KEYS + 10 {
                handover.leave(key);
            }
            for _ in 0..MAX_LEFT + 10 {
                handover.leave(0);
            }
        });
        let left = handover.left.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(left.len(), MAX_KEYS);
        assert_eq!(left[&0].len(), MAX_LEFT);
    }
}
