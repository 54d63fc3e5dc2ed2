//! Events for tests.

use serde::Serialize;

use crate::{Event, Payload};

/// Starts an event for a test: id `event-1`, source `test`, 2026-01-01T00:00:00Z, first attempt, no data.
pub fn event(topic: impl Into<String>) -> EventBuilder {
    EventBuilder(Event {
        id: "event-1".into(),
        source: "test".into(),
        topic: topic.into(),
        subject: None,
        time_ns: 1_767_225_600_000_000_000,
        payload: Payload::new("", ""),
        extensions: Vec::new(),
        attempt: 1,
    })
}

/// An event in the making; see [`event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBuilder(Event);

impl EventBuilder {
    /// Sets the data to a value as JSON.
    ///
    /// # Panics
    /// Where the value has no JSON form: a mistake in the test.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match Payload::json(value) {
            Ok(payload) => self.payload(payload),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sets the data to a text that calls itself JSON, whether it is or not.
    #[must_use]
    pub fn raw_json(self, text: impl Into<String>) -> Self {
        self.payload(Payload::new("application/json", text.into()))
    }

    /// Sets the data to plain text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.payload(Payload::text(text))
    }

    /// Sets the data.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.0.payload = payload;
        self
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.0.id = id.into();
        self
    }

    /// Sets the source.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.0.source = source.into();
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

    /// Sets the time, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn time_ns(mut self, time_ns: u64) -> Self {
        self.0.time_ns = time_ns;
        self
    }

    /// Adds an extension attribute.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.extensions.push((name.into(), value.into()));
        self.0.extensions.sort();
        self
    }

    /// Sets the number of the attempt; 1 is the first.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.0.attempt = attempt;
        self
    }
}

impl From<EventBuilder> for Event {
    fn from(builder: EventBuilder) -> Self {
        builder.0
    }
}
