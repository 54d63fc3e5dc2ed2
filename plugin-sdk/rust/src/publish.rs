//! Publishing.

use serde::Serialize;

use crate::{Payload, Result, host};

/// Publishes a value as JSON. It leaves the sandbox when the handler returns `Ok`. Returns the event's id.
///
/// ```
/// # use plugbus_sdk::prelude::*;
/// # fn handle() -> Result<Reply> {
/// publish("stats.total", &json!({ "events": 3 }))?;
/// # Ok(Reply::none())
/// # }
/// ```
///
/// # Errors
/// Where the value has no JSON form or the host refuses the event; either rejects the handled event through `?`.
pub fn publish<T: Serialize + ?Sized>(topic: &str, value: &T) -> Result<String> {
    Ok(Draft::new(topic).json(value)?.publish()?)
}

/// An event to publish, where [`publish`] is not enough: other data than JSON, extension attributes.
///
/// The host sets the source to `plugin/<name>`, the time and the id. `traceparent` and `subject` of the handled event are
/// passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a draft does nothing until `publish` is called"]
pub struct Draft {
    topic: String,
    payload: Payload,
    extensions: Vec<(String, String)>,
}

impl Draft {
    /// An event without data.
    pub fn new(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), payload: Payload::new("", ""), extensions: Vec::new() }
    }

    /// Sets the data to a value as JSON.
    ///
    /// # Errors
    /// Where the value has no JSON form.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, crate::JsonError> {
        Ok(self.payload(Payload::json(value)?))
    }

    /// Sets the data to plain text.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.payload(Payload::text(text))
    }

    /// Sets the data.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Adds an extension attribute: its name is lower-case ASCII letters and digits, at most 20 of them.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// Stages the event; it leaves the sandbox when the handler returns `Ok`. Returns its id.
    ///
    /// # Errors
    /// [`PublishError`] says why the host does not take it. Nothing was staged then.
    pub fn publish(self) -> Result<String, PublishError> {
        host::publish(self.topic, self.payload, self.extensions)
    }
}

/// Why the host did not take an event. Nothing was staged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The manifest's `publish` filters do not cover the topic, or it is the host's own (`plugbus.`), or no event is being
    /// handled.
    #[error("publish denied: {0}")]
    Denied(String),
    /// The topic, content type or an extension is malformed.
    #[error("publish of a malformed event: {0}")]
    Invalid(String),
    /// Over the number or bytes of publishes for one event (64 and 1 MiB by default).
    #[error("publish over the limit: {0}")]
    OverLimit(String),
}
