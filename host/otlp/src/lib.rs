//! The spans of a bus, sent to a collector by OTLP over HTTP.
//!
//! [`start`] makes a [`SpanTracer`], which is the bus's [`Tracer`](plugbus_bus::Tracer), and an [`Export`], which ends it. There
//! is a span for each event that is accepted, and one for each attempt to handle it:
//!
//! ```text
//! the publisher's span ─► publish orders.created ─┬► process orders.created (plugin/bill) ─► publish bills.sent ─► …
//!   (its traceparent)                             └► process orders.created (plugin/count)
//! ```
//!
//! An event keeps the `traceparent` that its publisher gave it; the id of its span follows from what it is (`context.rs`), so that
//! whoever handles it later, after a restart too, has the right parent. What a handler sees is a copy whose `traceparent` names
//! the attempt: what it publishes and what it requests belongs to it.
//!
//! Whoever publishes or handles never waits: a span goes into a queue of [`Settings::spans_max`], and what finds no room is counted
//! and gone. One task takes them out, [`BATCH_SPANS_MAX`] at a time, and posts them. What a collector does not take is tried again
//! a few times and then given up, which is counted too and said in the log once in a while. Stopping takes no longer than
//! [`Export::close`] is given.

mod context;
mod counters;
mod endpoint;
mod export;
mod post;
mod proto;
mod said;
mod span;
mod tracer;

use std::sync::Arc;
use std::time::Duration;

pub use counters::ExportStats;
pub use endpoint::{Endpoint, EndpointError};
pub use export::{BATCH_SPANS_MAX, Export};
pub use tracer::SpanTracer;

/// What to export, and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the collector is.
    pub endpoint: Endpoint,
    /// The name of this service (`service.name`).
    pub service_name: String,
    /// Of a hundred traces that begin here, how many are recorded; 100 and above is all. A trace that comes in says for itself.
    pub sample_percent: u64,
    /// Spans that wait to be sent. Worst case in memory: this × about 3 KiB.
    pub spans_max: usize,
    /// Time for one request to the collector, from connecting to the end of the answer.
    pub timeout: Duration,
}

/// Starts to export. Needs a tokio runtime, in which one task runs until [`Export`] is closed or dropped.
#[must_use]
pub fn start(settings: Settings) -> (Arc<SpanTracer>, Export) {
    let (tracer, spans) = SpanTracer::new(settings.sample_percent, settings.spans_max);
    let export = Export::start(settings, spans, tracer.counters());
    (Arc::new(tracer), export)
}
