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
