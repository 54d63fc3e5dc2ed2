//! Keeps the events that a bus delivers, in their order.

use std::sync::{Arc, Mutex};

use plugbus::bus::{Bus, Delivery, Event, Subscription};
use serde_json::Value;

use super::wait::until_or;

/// Every event that matched some filters, from the moment the recorder was made. Inline: what has been published has been
/// recorded.
pub(crate) struct Recorder {
    seen: Arc<Mutex<Vec<Arc<Event>>>>,
    _subscription: Subscription,
}

impl Recorder {
    /// Begins to record.
    pub(crate) fn on(bus: &Bus, filter: &str) -> Self {
        let seen: Arc<Mutex<Vec<Arc<Event>>>> = Arc::default();
        let kept = seen.clone();
        let keep = move |delivery: &Delivery| kept.lock().unwrap().push(delivery.event.clone());
        Self { seen, _subscription: bus.subscribe(filter).inline(keep).unwrap() }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Event>> {
        self.seen.lock().unwrap().clone()
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The data of those on one topic, as JSON.
    pub(crate) fn json(&self, topic: &str) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        let found = seen.iter().filter(|event| event.topic.as_str() == topic);
        found.map(|event| event.payload.parse().unwrap()).collect()
    }

    /// The data of all of them, as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.all().iter().map(|event| String::from_utf8(event.payload.data.to_vec()).unwrap()).collect()
    }

    /// Waits for an event on the topic whose data satisfies the predicate, from the beginning of the recording on.
    pub(crate) async fn until_json(&self, topic: &str, predicate: impl Fn(&Value) -> bool) -> Value {
        let find = || self.json(topic).into_iter().find(|data| predicate(data));
        until_or(&format!("an event on {topic}"), || find().is_some(), || self.describe()).await;
        find().unwrap()
    }

    /// What was seen, for messages.
    pub(crate) fn describe(&self) -> String {
        let line = |event: &Arc<Event>| format!("{} {}", event.topic, String::from_utf8_lossy(&event.payload.data));
        self.all().iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
