//! What a handler publishes while it handles: staged, released on ack, thrown away otherwise.
//!
//! Bounded in number and bytes per delivery. Nobody waits here: over the limit the draft is refused and handed back.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::event::{Draft, Event};

/// Bounds on what one delivery may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Number of events. Default 64.
    pub events_max: usize,
    /// Bytes of data, attributes and extensions in all. Default 1 MiB.
    pub bytes_max: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { events_max: 64, bytes_max: 1 << 20 }
    }
}

/// Staged drafts of one delivery.
#[derive(Debug)]
pub struct Outbox {
    limits: OutboxLimits,
    staged: Mutex<Staged>,
}

#[derive(Debug, Default)]
struct Staged {
    drafts: Vec<Draft>,
    bytes: usize,
    /// The attempt is over: nothing would release what is staged now.
    over: bool,
}

/// The outbox is full, or its attempt is over; the draft comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct OutboxFull {
    /// The draft that did not fit.
    pub draft: Box<Draft>,
    /// The bounds.
    pub limits: OutboxLimits,
    /// Events with this one.
    pub events: usize,
    /// Bytes with this one.
    pub bytes: usize,
    /// Whether the attempt is over: the handler has answered, or was cut off.
    pub over: bool,
}

impl OutboxFull {
    fn text(&self) -> String {
        if self.over {
            return "the attempt is over: what its handler publishes now would never be released".into();
        }
        let OutboxLimits { events_max, bytes_max } = self.limits;
        let (events, bytes) = (self.events, self.bytes);
        format!(
            "one event may publish at most {events_max} events and {bytes_max} bytes; this would be {events} events and {bytes} bytes"
        )
    }
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new(limits: OutboxLimits) -> Self {
        Self { limits, staged: Mutex::default() }
    }

    /// Stages a draft as a consequence of `cause` (see [`Draft::caused_by`]) and returns the id it will have.
    ///
    /// Without an id of its own the draft gets one derived from the cause, the publisher and the position in the outbox
    /// (UUIDv5), so that a repeated delivery publishes under the same ids.
    ///
    /// # Errors
    /// [`OutboxFull`] hands the draft back.
    pub fn publish(&self, publisher: &str, cause: &Event, draft: Draft) -> Result<String, OutboxFull> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let events = staged.drafts.len() + 1;
        let bytes = staged.bytes.saturating_add(size_bytes(&draft));
        if staged.over || events > self.limits.events_max || bytes > self.limits.bytes_max {
            return Err(OutboxFull { draft: Box::new(draft), limits: self.limits, events, bytes, over: staged.over });
        }
        let mut draft = draft.caused_by(cause);
        let id = match &draft.id {
            Some(id) => id.to_string(),
            None => derived_id(publisher, cause, events),
        };
        draft.id = Some(id.as_str().into());
        staged.bytes = bytes;
        staged.drafts.push(draft);
        Ok(id)
    }

    /// Takes out what was staged, in the order it was published. The attempt is over: nothing is staged any more.
    #[must_use]
    pub fn take(&self) -> Vec<Draft> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *staged, Staged { over: true, ..Staged::default() }).drafts
    }
}

impl Outbox {
    /// Takes out what was staged where nobody else has the outbox, and leaves it as new.
    pub(crate) fn drain(&mut self) -> Vec<Draft> {
        std::mem::take(self.staged.get_mut().unwrap_or_else(PoisonError::into_inner)).drafts
    }
}

fn size_bytes(draft: &Draft) -> usize {
    let extensions: usize = draft.extensions.iter().map(|(k, v)| k.len() + v.len()).sum();
    draft.payload.data.len() + draft.payload.content_type.len() + draft.topic.as_str().len() + extensions
}

/// The id of what a handler publishes: the same each time the same event is handled.
fn derived_id(publisher: &str, cause: &Event, position: usize) -> String {
    // Lengths go before texts, so that no two different inputs make the same name.
    let name = format!(
        "{}:{}{}:{}{}:{publisher}{position}",
        cause.source.len(),
        cause.source,
        cause.id.len(),
        cause.id,
        publisher.len()
    );
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use crate::topic::Topic;

    fn cause() -> Event {
        Event {
            id: "1".into(),
            source: "s".into(),
            topic: Topic::parse("a").unwrap(),
            subject: None,
            time_ns: 0,
            payload: Payload::empty(),
            extensions: Vec::new(),
            seq: 1,
            hops: 0,
        }
    }

    #[test]
    fn ids_repeat_with_the_event_and_differ_by_position_and_publisher() {
        let (one, two) = (Outbox::new(OutboxLimits::default()), Outbox::new(OutboxLimits::default()));
        let publish = |outbox: &Outbox, by| outbox.publish(by, &cause(), Event::draft("b").unwrap()).unwrap();
        let (first, second) = (publish(&one, "p"), publish(&one, "p"));
        assert_ne!(first, second);
        assert_eq!(publish(&two, "p"), first);
        assert_ne!(publish(&two, "q"), second);
    }

    #[test]
    fn limits_refuse_and_hand_back() {
        let outbox = Outbox::new(OutboxLimits { events_max: 2, bytes_max: 100 });
        let big = Event::draft("b").unwrap().text("x".repeat(200));
        let refused = outbox.publish("p", &cause(), big.clone()).unwrap_err();
        assert_eq!((*refused.draft, refused.events), (big, 1));
        for _ in 0..2 {
            outbox.publish("p", &cause(), Event::draft("b").unwrap()).unwrap();
        }
        assert_eq!(outbox.publish("p", &cause(), Event::draft("b").unwrap()).unwrap_err().events, 3);
        let taken = outbox.take();
        assert_eq!((taken.len(), taken.first().map(|d| d.hops)), (2, Some(1)));
        assert!(outbox.take().is_empty());
    }
}
