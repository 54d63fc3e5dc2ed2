//! The bus's tracer: events and attempts become spans in a bounded queue.

use std::sync::Arc;

use plugbus_bus::{Attempted, Event, Published, TraceParent, Tracer};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use uuid::Uuid;

use crate::context::{Place, with_parent};
use crate::counters::{Counters, ExportStats};
use crate::span::Record;

/// Makes spans of what a bus does. It never waits: a span that finds no room is counted and gone.
#[derive(Debug)]
pub struct SpanTracer {
    sample_percent: u64,
    queue: Sender<Record>,
    counters: Arc<Counters>,
}

impl SpanTracer {
    pub(crate) fn new(sample_percent: u64, spans_max: usize) -> (Self, Receiver<Record>) {
        // What tokio allows is far over what a configuration does.
        let (queue, spans) = channel(spans_max.clamp(1, 1 << 24));
        (Self { sample_percent, queue, counters: Arc::default() }, spans)
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// What became of the spans.
    #[must_use]
    pub fn stats(&self) -> ExportStats {
        self.counters.read()
    }

    fn push(&self, record: Record) {
        // Counted first: whoever takes it out counts it as ended.
        Counters::add(&self.counters.queued, 1);
        if self.queue.try_send(record).is_err() {
            Counters::take(&self.counters.queued);
            Counters::add(&self.counters.dropped, 1);
        }
    }
}

impl Tracer for SpanTracer {
    fn published(&self, published: Published<'_>) {
        let place = Place::of(published.event, self.sample_percent);
        if place.sampled {
            self.push(Record::published(&published, &place));
        }
    }

    fn attempt(&self, event: &Arc<Event>) -> Option<Arc<Event>> {
        let Place { trace_id, publish_id, parent_id, sampled } = Place::of(event, self.sample_percent);
        let span_id = match (sampled, parent_id) {
            (true, _) => new_span_id(),
            // That it is not recorded must be known to what follows from it, which would begin a trace of its own otherwise.
            (false, None) => publish_id,
            (false, Some(_)) => return None,
        };
        Some(Arc::new(with_parent(event, TraceParent { trace_id, span_id, sampled })))
    }

    fn attempted(&self, attempted: Attempted<'_>) {
        let own = TraceParent::of(&attempted.delivery.event).filter(|own| own.sampled);
        if let Some(own) = own {
            let place = Place::of(attempted.event, self.sample_percent);
            self.push(Record::attempted(&attempted, &place, own));
        }
    }
}

/// Random, and never all zeros: the variant of a UUID is among these bits.
fn new_span_id() -> [u8; 8] {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    low.to_be_bytes()
}
