//! What is sent, decoded with the official messages.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use plugbus_bus::delivery::Verdict;
use plugbus_bus::{Delivery, Failure, Fault, FaultKind, HandlerError, Notes, Outbox, OutboxLimits, Payload, State};
use plugbus_bus::{StateLimits, Tracer};
use prost::Message;
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::tracer::SpanTracer;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn event(extensions: &[(&str, &str)]) -> Arc<Event> {
    Arc::new(Event {
        id: "e-1".into(),
        source: "shop".into(),
        topic: Topic::parse("orders.created").unwrap(),
        subject: None,
        time_ns: 100,
        payload: Payload::text("x".repeat(1000)),
        extensions: extensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        seq: 7,
        hops: 0,
    })
}

fn delivery(event: Arc<Event>, subscription: &str) -> Delivery {
    Delivery {
        event,
        attempt: 2,
        subscription: Name::parse(subscription).unwrap(),
        outbox: Outbox::new(OutboxLimits::default()),
        state: State::detached(StateLimits::default()),
        notes: Notes::default(),
    }
}

/// Everything in the queue, as a collector reads it.
fn sent(spans: &mut Receiver<Record>) -> Vec<Span> {
    let records = std::iter::from_fn(|| spans.try_recv().ok());
    let bytes = request("my-service", records).encode_to_vec();
    let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
    let [all] = &request.resource_spans[..] else { panic!("{request:?}") };
    let resource = all.resource.as_ref().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "my-service");
    assert_eq!(text(&resource.attributes, "service.version"), env!("CARGO_PKG_VERSION"));
    let [scope] = &all.scope_spans[..] else { panic!("{all:?}") };
    assert_eq!(scope.scope.as_ref().map(|scope| &*scope.name), Some("plugbus"));
    scope.spans.clone()
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|pair| pair.key == key)?;
    found.value.as_ref().and_then(|AnyValue { value }| value.as_ref())
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

fn number(attributes: &[KeyValue], key: &str) -> i64 {
    match value(attributes, key) {
        Some(Value::IntValue(number)) => *number,
        other => panic!("{key}: {other:?}"),
    }
}

fn attempted(tracer: &SpanTracer, event: &Event, delivery: &Delivery, error: Option<&HandlerError>, next: &Next) {
    let took = Duration::from_nanos(30);
    tracer.attempted(Attempted { event, delivery, begun_ns: 1000, took, error, next });
}

#[test]
fn a_collector_reads_the_spans_of_an_event_and_its_attempt() {
    let (tracer, mut spans) = SpanTracer::new(100, 10);
    let event = event(&[("traceparent", PARENT), ("tracestate", "a=1")]);
    tracer.published(Published { event: &event, begun_ns: 900, ended_ns: 950 });
    let given = tracer.attempt(&event).unwrap();
    let own = TraceParent::of(&given).unwrap();
    let delivery = delivery(given, "plugin/bill");
    delivery.notes.set_fuel(1234);
    delivery.notes.set_generation(3);
    attempted(&tracer, &event, &delivery, None, &Next::Ack);
    let [publish, process] = &sent(&mut spans)[..] else { panic!() };
    let parent = TraceParent::parse(PARENT).unwrap();
    for span in [publish, process] {
        assert_eq!((&*span.trace_id, &*span.trace_state, span.flags), (&parent.trace_id[..], "a=1", 1));
        let attributes = &span.attributes;
        for (key, expected) in [
            ("messaging.system", "plugbus"),
            ("messaging.destination.name", "orders.created"),
            ("messaging.message.id", "e-1"),
            ("plugbus.source", "shop"),
        ] {
            assert_eq!(text(attributes, key), expected);
        }
        assert_eq!(number(attributes, "plugbus.seq"), 7);
        assert_eq!(span.status, None);
    }
    assert_eq!((&*publish.name, publish.kind()), ("publish orders.created", SpanKind::Producer));
    assert_eq!((publish.start_time_unix_nano, publish.end_time_unix_nano), (900, 950));
    assert_eq!(publish.parent_span_id, parent.span_id);
    assert_eq!(text(&publish.attributes, "messaging.operation.type"), "send");
    assert_eq!((&*process.name, process.kind()), ("process orders.created", SpanKind::Consumer));
    assert_eq!((process.start_time_unix_nano, process.end_time_unix_nano), (1000, 1030));
    assert_eq!((&process.span_id[..], &process.parent_span_id), (&own.span_id[..], &publish.span_id));
    for (key, expected) in [
        ("messaging.operation.type", "process"),
        ("plugbus.subscription", "plugin/bill"),
        ("plugbus.plugin", "bill"),
        ("plugbus.outcome", "acked"),
        ("plugbus.next", "settled"),
    ] {
        assert_eq!(text(&process.attributes, key), expected);
    }
    for (key, expected) in [("plugbus.generation", 3), ("plugbus.fuel", 1234), ("plugbus.attempt", 2)] {
        assert_eq!(number(&process.attributes, key), expected);
    }
}

#[test]
fn an_attempt_that_did_not_succeed_says_what_went_wrong_and_what_follows() {
    let (tracer, mut spans) = SpanTracer::new(100, 10);
    let event = event(&[]);
    let delivery = delivery(tracer.attempt(&event).unwrap(), "native");
    let again = Next::Retry { after: Duration::from_secs(1) };
    attempted(&tracer, &event, &delivery, Some(&Failure::retry("busy").into()), &again);
    let fault: HandlerError = Fault::new(FaultKind::Fuel { limit: 5 }, "é".repeat(1000)).into();
    attempted(&tracer, &event, &delivery, Some(&fault), &Next::Dead(Verdict::Exhausted));
    let [retried, dead] = &sent(&mut spans)[..] else { panic!() };
    let said = |span: &Span| {
        let Status { message, .. } = span.status.clone().unwrap();
        assert_eq!(span.status.as_ref().map(Status::code), Some(StatusCode::Error));
        message
    };
    assert_eq!(said(retried), "retry: busy");
    assert_eq!(
        (text(&retried.attributes, "plugbus.outcome"), text(&retried.attributes, "plugbus.next")),
        ("retry", "again")
    );
    assert_eq!((text(&dead.attributes, "error.type"), text(&dead.attributes, "plugbus.next")), ("fuel", "dead"));
    // A message is cut, at a character.
    assert!((1000..=1024).contains(&said(dead).len()), "{}", said(dead).len());
    // A native subscription has neither.
    for key in ["plugbus.plugin", "plugbus.generation", "plugbus.fuel"] {
        assert_eq!(value(&retried.attributes, key), None, "{key}");
    }
}

#[test]
fn what_is_not_recorded_makes_no_span_and_passes_that_on() {
    let (tracer, mut spans) = SpanTracer::new(0, 10);
    let unsampled = PARENT.replace("-01", "-00");
    for (event, goes_on) in [(event(&[("traceparent", &unsampled)]), None), (event(&[]), Some(false))] {
        tracer.published(Published { event: &event, begun_ns: 1, ended_ns: 2 });
        let given = tracer.attempt(&event);
        let parent = given.as_deref().map(|event| TraceParent::of(event).unwrap().sampled);
        assert_eq!(parent, goes_on);
        if let Some(given) = given {
            attempted(&tracer, &event, &delivery(given, "native"), None, &Next::Ack);
        }
    }
    assert_eq!(sent(&mut spans), []);
    assert_eq!(tracer.stats().waiting, 0);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (tracer, mut spans) = SpanTracer::new(100, 2);
    for _ in 0..5 {
        tracer.published(Published { event: &event(&[]), begun_ns: 1, ended_ns: 2 });
    }
    assert_eq!((tracer.stats().waiting, tracer.stats().dropped), (2, 3));
    assert_eq!(sent(&mut spans).len(), 2);
}
