//! Events in their JSON format, each made once for all who read it at about the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use plugbus_bus::Event;
use plugbus_bus::cloudevents::raw::write as to_raw_json;
use serde_json::value::RawValue;

/// Events that are kept.
const EVENTS_MAX: usize = 64;
/// Bytes of JSON over which an event is not kept. Worst case in memory: this × [`EVENTS_MAX`], and the events themselves.
const BYTES_MAX: usize = 64 << 10;

/// The last events that were encoded, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Encoded(Mutex<VecDeque<(Arc<Event>, Arc<RawValue>)>>);

impl Encoded {
    /// The event in the JSON format of CloudEvents 1.0, on one line.
    pub(crate) fn json(&self, event: &Arc<Event>) -> Result<Arc<RawValue>, serde_json::Error> {
        if let Some(json) = self.find(event) {
            return Ok(json);
        }
        let json = Arc::<RawValue>::from(to_raw_json(event)?);
        if json.get().len() <= BYTES_MAX {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= EVENTS_MAX {
                kept.pop_front();
            }
            kept.push_back((event.clone(), json.clone()));
        }
        Ok(json)
    }

    fn find(&self, event: &Arc<Event>) -> Option<Arc<RawValue>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|(other, _)| Arc::ptr_eq(other, event)).map(|(_, json)| json.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugbus_bus::{Payload, Topic};

    fn event(bytes: usize) -> Arc<Event> {
        Arc::new(Event {
            id: "1".into(),
            source: "s".into(),
            topic: Topic::parse("a").unwrap(),
            subject: None,
            time_ns: 0,
            payload: Payload::text("x".repeat(bytes)),
            extensions: Vec::new(),
            seq: 1,
            hops: 0,
        })
    }

    #[test]
    fn one_event_is_encoded_once_and_only_few_and_small_ones_are_kept() {
        let encoded = Encoded::default();
        let (one, large) = (event(1), event(BYTES_MAX));
        let first = encoded.json(&one).unwrap();
        assert!(Arc::ptr_eq(&first, &encoded.json(&one).unwrap()));
        assert!(!Arc::ptr_eq(&encoded.json(&large).unwrap(), &encoded.json(&large).unwrap()));
        for _ in 0..EVENTS_MAX {
            encoded.json(&event(1)).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &encoded.json(&one).unwrap()));
        assert_eq!(encoded.0.lock().unwrap().len(), EVENTS_MAX);
    }
}
