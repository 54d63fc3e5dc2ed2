//! A span as it waits, small and without the event's data; and as it is sent.

use std::sync::Arc;

use plugbus_bus::delivery::Next;
use plugbus_bus::trace::TRACESTATE;
use plugbus_bus::{Attempted, Event, Name, Published, Topic, TraceParent};

use crate::context::Place;
use crate::proto::{CONSUMER, ERROR, KeyValue, PRODUCER, Request, Resource, ResourceSpans, SAMPLED, Scope, ScopeSpans};
use crate::proto::{Span, Status};

/// Most bytes of what is said of an attempt that did not succeed.
const MESSAGE_BYTES_MAX: usize = 1024;

/// A span that waits. It holds none of the event's data, which would be a thousand times as large.
#[derive(Debug)]
pub(crate) struct Record {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_id: Option<[u8; 8]>,
    trace_state: Option<String>,
    begun_ns: u64,
    ended_ns: u64,
    topic: Topic,
    id: Arc<str>,
    source: Arc<str>,
    seq: u64,
    attempt: Option<Box<Attempt>>,
}

/// What an attempt has beyond its event.
#[derive(Debug)]
struct Attempt {
    subscription: Name,
    number: u32,
    generation: u64,
    fuel: u64,
    next: &'static str,
    /// The kind of what went wrong, and what was said of it.
    error: Option<(&'static str, String)>,
}

impl Record {
    /// The span of a publish.
    pub(crate) fn published(published: &Published<'_>, place: &Place) -> Self {
        let event = published.event;
        let (begun_ns, ended_ns) = (published.begun_ns, published.ended_ns);
        Self { ended_ns, ..Self::new(event, place, place.publish_id, place.parent_id, begun_ns) }
    }

    /// The span of an attempt, which the handler knows as this one.
    pub(crate) fn attempted(attempted: &Attempted<'_>, place: &Place, own: TraceParent) -> Self {
        let Attempted { event, delivery, begun_ns, took, error, next } = *attempted;
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let attempt = Attempt {
            subscription: delivery.subscription.clone(),
            number: delivery.attempt,
            generation: delivery.notes.generation(),
            fuel: delivery.notes.fuel(),
            next: next_name(next),
            error: error.map(|error| (error.kind_name(), cut(error.to_string()))),
        };
        Self {
            ended_ns: begun_ns.saturating_add(took_ns),
            attempt: Some(Box::new(attempt)),
            ..Self::new(event, place, own.span_id, Some(place.publish_id), begun_ns)
        }
    }

    fn new(event: &Event, place: &Place, span_id: [u8; 8], parent_id: Option<[u8; 8]>, begun_ns: u64) -> Self {
        // It means nothing without the parent that it came with.
        let trace_state = place.parent_id.and_then(|_| event.extension(TRACESTATE)).map(ToOwned::to_owned);
        Self {
            trace_id: place.trace_id,
            span_id,
            parent_id,
            trace_state,
            begun_ns,
            ended_ns: begun_ns,
            topic: event.topic.clone(),
            id: event.id.clone(),
            source: event.source.clone(),
            seq: event.seq,
            attempt: None,
        }
    }

    /// As it is sent. The names are those of the conventions for messaging, what they do not know is under `plugbus.`.
    fn into_span(self) -> Span {
        let topic = self.topic.as_str();
        let (operation, operation_type, kind) = match self.attempt {
            None => ("publish", "send", PRODUCER),
            Some(_) => ("process", "process", CONSUMER),
        };
        let mut attributes = vec![
            KeyValue::text("messaging.system", "plugbus"),
            KeyValue::text("messaging.operation.name", operation),
            KeyValue::text("messaging.operation.type", operation_type),
            KeyValue::text("messaging.destination.name", topic),
            KeyValue::text("messaging.message.id", &*self.id),
            KeyValue::text("plugbus.source", &*self.source),
            KeyValue::number("plugbus.seq", self.seq),
        ];
        let mut status = None;
        if let Some(attempt) = self.attempt {
            status = attempt.error.as_ref().map(|(_, said)| Status { message: said.clone(), code: ERROR });
            attempt.describe(&mut attributes);
        }
        Span {
            trace_id: self.trace_id.into(),
            span_id: self.span_id.into(),
            trace_state: self.trace_state.unwrap_or_default(),
            parent_span_id: self.parent_id.map(Vec::from).unwrap_or_default(),
            name: format!("{operation} {topic}"),
            kind,
            start_time_unix_nano: self.begun_ns,
            end_time_unix_nano: self.ended_ns.max(self.begun_ns),
            attributes,
            status,
            flags: SAMPLED,
        }
    }
}

impl Attempt {
    fn describe(self, attributes: &mut Vec<KeyValue>) {
        let subscription = self.subscription.as_str();
        attributes.push(KeyValue::text("plugbus.subscription", subscription));
        if let Some(plugin) = subscription.strip_prefix("plugin/") {
            attributes.push(KeyValue::text("plugbus.plugin", plugin));
        }
        // Only a plugin has generations, and uses fuel.
        if self.generation > 0 {
            attributes.push(KeyValue::number("plugbus.generation", self.generation));
            attributes.push(KeyValue::number("plugbus.fuel", self.fuel));
        }
        attributes.push(KeyValue::number("plugbus.attempt", u64::from(self.number)));
        let outcome = self.error.as_ref().map_or("acked", |(kind, _)| kind);
        attributes.push(KeyValue::text("plugbus.outcome", outcome));
        attributes.push(KeyValue::text("plugbus.next", self.next));
        if let Some((kind, _)) = self.error {
            attributes.push(KeyValue::text("error.type", kind));
        }
    }
}

/// What follows, in a word.
fn next_name(next: &Next) -> &'static str {
    match next {
        Next::Ack => "settled",
        Next::Retry { .. } | Next::Again => "again",
        Next::Dead(_) => "dead",
    }
}

/// Cuts a text at a character.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    text
}

/// A request with these spans.
pub(crate) fn request(service_name: &str, spans: impl IntoIterator<Item = Record>) -> Request {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![
        KeyValue::text("service.name", service_name),
        KeyValue::text("service.version", version),
        KeyValue::number("process.pid", std::process::id().into()),
    ];
    let scope = Scope { name: "plugbus".into(), version: version.into() };
    let spans = spans.into_iter().map(Record::into_span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
    Request { resource_spans: vec![ResourceSpans { resource: Some(Resource { attributes }), scope_spans }] }
}

#[cfg(test)]
mod tests;
