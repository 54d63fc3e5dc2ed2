//! The JSON format of CloudEvents, as the bus reads and writes it.

use std::sync::{Arc, Mutex};

use plugbus::bus::cloudevents::{draft_from_json, to_json};
use plugbus::bus::{Bus, Delivery, Draft, Event, Payload, PublishError};
use serde_json::Value;

use crate::message;

/// JSON is a draft or is refused with a reason; what the bus accepts means the same when it is written and read again.
pub fn cloudevent(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return };
    match draft_from_json(&json) {
        Ok(draft) => check_draft(draft),
        Err(error) => message::check(&plugbus::report::chain(&error)),
    }
}

/// The same for a draft, however it was made.
pub(crate) fn check_draft(draft: Draft) {
    let Some(event) = accepted(draft) else { return };
    let json = to_json(&event);
    let again = draft_from_json(&json).unwrap_or_else(|error| panic!("{error:?} in {json}"));
    assert_eq!(again.topic, event.topic);
    assert_eq!((again.id, again.source, again.subject), (Some(event.id), Some(event.source), event.subject));
    assert_eq!((again.time_ns, again.extensions), (Some(event.time_ns), event.extensions));
    check_payload(&again.payload, &event.payload);
}

/// The event that the bus makes of a draft; none where it refuses it.
fn accepted(draft: Draft) -> Option<Event> {
    let bus = Bus::default();
    let seen: Arc<Mutex<Option<Event>>> = Arc::default();
    let keep = seen.clone();
    let keep = move |delivery: &Delivery| *keep.lock().unwrap() = Some(Event::clone(&delivery.event));
    let _subscription = bus.subscribe(">").inline(keep).unwrap();
    match bus.try_publish(draft.clone()) {
        Ok(receipt) => {
            assert_eq!((receipt.matched, receipt.dead, receipt.dropped), (1, 0, 0));
            let event = seen.lock().unwrap().take();
            Some(event.expect("an inline handler has seen what was accepted"))
        }
        Err(error @ PublishError::Invalid { .. }) => {
            message::check(&plugbus::report::chain(&error));
            assert_eq!(error.into_draft(), draft, "a refusal hands back what it was given");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// JSON may be written in another way, all other data must be the same bytes.
fn check_payload(read: &Payload, written: &Payload) {
    assert_eq!(read.content_type, written.content_type);
    match (read.parse::<Value>(), written.parse::<Value>()) {
        (Ok(read), Ok(written)) => assert!(is_same(&read, &written), "{read} was {written}"),
        _ => assert_eq!(read.data, written.data),
    }
}

/// Equal, but for the last digits of numbers with a fraction: the reader of JSON may be a little off there.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            (a - b).abs() <= a.abs().max(b.abs()) * 4.0 * f64::EPSILON
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}
