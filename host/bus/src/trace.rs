//! The seam to a tracer: what it is told of events and of attempts, and how a trace goes on from one to the next.
//!
//! A bus makes no spans and knows no exporter. A [`Tracer`] is told of every event that was accepted and of every attempt at a
//! delivery, and may give each attempt a `traceparent` of its own, which the handler finds in its event and what the handler
//! publishes carries on. Without one, this costs a branch.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::bus::Inner;
use crate::clock::now_ns;
use crate::delivery::Next;
use crate::event::Event;
use crate::handler::{Delivery, Fault, FaultKind, HandlerError};

/// The extension in which an event carries its trace.
pub const TRACEPARENT: &str = "traceparent";
/// What belongs to the `traceparent` beside it, and means nothing without.
pub const TRACESTATE: &str = "tracestate";

/// Is told of events and attempts. Called inside publish, on the thread of a journal and inside workers: must not block.
pub trait Tracer: fmt::Debug + Send + Sync + 'static {
    /// An event was accepted; on a journal, it is committed there.
    fn published(&self, published: Published<'_>);

    /// An attempt begins. The event as its handler is to see it, with a `traceparent` that names the attempt; none where the
    /// attempt is not traced and the handler sees the event as it is.
    fn attempt(&self, event: &Arc<Event>) -> Option<Arc<Event>>;

    /// An attempt has ended for which [`Tracer::attempt`] gave an event.
    fn attempted(&self, attempted: Attempted<'_>);
}

/// An event that was accepted.
#[derive(Debug)]
pub struct Published<'a> {
    /// The event, with its number.
    pub event: &'a Event,
    /// When its publisher came with it, nanoseconds since the Unix epoch.
    pub begun_ns: u64,
    /// When it was in the queues, but for those that had no room.
    pub ended_ns: u64,
}

/// An attempt that has ended.
#[derive(Debug)]
pub struct Attempted<'a> {
    /// The event as it was accepted.
    pub event: &'a Event,
    /// What the handler was given; its event is the one that [`Tracer::attempt`] gave.
    pub delivery: &'a Delivery,
    /// When it began, nanoseconds since the Unix epoch.
    pub begun_ns: u64,
    /// How long it took.
    pub took: Duration,
    /// What went wrong, if anything did. One that was cut off is a fault of the kind [`FaultKind::Cancelled`].
    pub error: Option<&'a HandlerError>,
    /// What follows from it.
    pub next: &'a Next,
}

/// What a handler says of an attempt beside its outcome, for whoever traces it. 0 is what nobody has said.
#[derive(Debug, Default)]
pub struct Notes {
    fuel: AtomicU64,
    generation: AtomicU64,
}

impl Notes {
    /// Says how much fuel the attempt has taken.
    pub fn set_fuel(&self, fuel: u64) {
        self.fuel.store(fuel, Relaxed);
    }

    /// Says which generation of a plugin handles it.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Relaxed);
    }

    /// Fuel of the attempt.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Relaxed)
    }

    /// The generation of the plugin that handles it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Forgets everything, for the next attempt.
    pub(crate) fn renew(&mut self) {
        *self = Self::default();
    }
}

/// A `traceparent` of W3C Trace Context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Of the whole trace; never all zeros.
    pub trace_id: [u8; 16],
    /// Of the span that is the parent; never all zeros.
    pub span_id: [u8; 8],
    /// Whether the one who wrote it records the trace.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads `version-trace-parent-flags`, in lower-case hexadecimal, with neither id all zeros. A later version may have more
    /// at the end. Pure.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version] = hex(parts.next()?)?;
        let trace_id: [u8; 16] = hex(parts.next()?)?;
        let span_id: [u8; 8] = hex(parts.next()?)?;
        let [flags] = hex(parts.next()?)?;
        let has_more = parts.next().is_some();
        let is_one = version != 0xff && trace_id != [0; 16] && span_id != [0; 8] && (version != 0 || !has_more);
        is_one.then_some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    /// The one that an event carries, if it carries one.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        event.extension(TRACEPARENT).and_then(Self::parse)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(if self.sampled { "-01" } else { "-00" })
    }
}

/// Bytes out of exactly so many digits.
fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != BYTES || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl Inner {
    /// The time now, where somebody traces.
    pub(crate) fn traced_since(&self) -> u64 {
        if self.tracer.is_some() { now_ns() } else { 0 }
    }

    /// Tells the tracer, if there is one, of an event that was accepted.
    pub(crate) fn trace_published(&self, event: &Event, begun_ns: u64) {
        if let Some(tracer) = &self.tracer {
            tracer.published(Published { event, begun_ns, ended_ns: now_ns() });
        }
    }
}

/// An attempt that is traced. Dropped before its end, it was cut off.
pub(crate) struct Traced<'a> {
    tracer: &'a dyn Tracer,
    event: Arc<Event>,
    delivery: Option<Arc<Delivery>>,
    begun_ns: u64,
    begun: Instant,
}

impl<'a> Traced<'a> {
    /// Begins the attempt, where a tracer wants to know of it. The event is the one for its handler.
    pub(crate) fn begin(tracer: Option<&'a Arc<dyn Tracer>>, event: &Arc<Event>) -> Option<(Self, Arc<Event>)> {
        let tracer = &**tracer?;
        let given = tracer.attempt(event)?;
        let traced = Self { tracer, event: event.clone(), delivery: None, begun_ns: now_ns(), begun: Instant::now() };
        Some((traced, given))
    }

    /// With what the handler is given, for the case that the attempt is cut off.
    pub(crate) fn with(mut self, delivery: &Arc<Delivery>) -> Self {
        self.delivery = Some(delivery.clone());
        self
    }

    /// The attempt has come to its end.
    pub(crate) fn end(mut self, delivery: &Delivery, error: Option<&HandlerError>, next: &Next) {
        self.delivery = None;
        self.tell(delivery, error, next);
    }

    fn tell(&self, delivery: &Delivery, error: Option<&HandlerError>, next: &Next) {
        let (event, begun_ns, took) = (&*self.event, self.begun_ns, self.begun.elapsed());
        self.tracer.attempted(Attempted { event, delivery, begun_ns, took, error, next });
    }
}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            let error = Fault::new(FaultKind::Cancelled, "the handler was cut off: replaced or stopped").into();
            self.tell(&delivery, Some(&error), &Next::Again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_no_traceparent_is_none() {
        for (text, good) in [
            (HERE, true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01", false),
            ("", false),
        ] {
            assert_eq!(TraceParent::parse(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn a_traceparent_is_written_as_it_was_read() {
        let read = TraceParent::parse(HERE).unwrap();
        assert_eq!(read.to_string(), HERE);
        assert!(read.sampled);
        let other = HERE.replace("-01", "-02");
        assert_eq!(TraceParent::parse(&other).map(|parent| parent.sampled), Some(false));
    }
}
