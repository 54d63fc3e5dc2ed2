//! What a guest may call: `plugbus:plugin/publisher` and `wasi:logging`; how anything that it publishes is staged.
//!
//! Everything that comes in here is untrusted. It is bounded by the hostcall fuel before it arrives; topic, attributes and
//! sizes are checked here, and the outbox of the delivery bounds number and bytes. Nothing waits.

use std::sync::Arc;

use bytes::Bytes;
use plugbus_bus::{Delivery, Draft, Event, EventLimits, InvalidEvent, Payload, Topic, TopicError};

use crate::bindings::plugbus::plugin::publisher::{self, PublishError};
use crate::bindings::plugbus::plugin::types::{self, BodyResult, PayloadResult};
use crate::bindings::wasi::logging::logging;
use crate::log::LogLevel;
use crate::metrics::Metrics;
use crate::state::State;
use crate::template::Inner;

impl types::Host for State {}

impl publisher::Host for State {
    fn publish(
        &mut self,
        topic: String,
        payload: PayloadResult,
        extensions: Vec<(String, String)>,
    ) -> Result<String, PublishError> {
        stage(self, &topic, |_| (from_guest(payload), extensions)).map_err(|error| match error {
            NotStaged::Denied(_) => PublishError::Denied(error.to_string()),
            NotStaged::Topic(_) | NotStaged::Event(_) => PublishError::Invalid(error.to_string()),
            NotStaged::Full(_) => PublishError::OverLimit(error.to_string()),
        })
    }
}

/// Why something was not taken for publishing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStaged {
    /// The manifest or the moment does not allow it.
    #[error("{0}")]
    Denied(String),
    /// The topic is none.
    #[error("topic {0}")]
    Topic(TopicError),
    /// It is no acceptable event.
    #[error(transparent)]
    Event(InvalidEvent),
    /// Over the number or bytes for one event.
    #[error("{0}")]
    Full(String),
}

/// Checks what a guest publishes and stages it in the outbox of the event at hand; what becomes of it is counted, whichever
/// interface it came by. `parts` makes payload and extensions, given the event that they follow from.
pub(crate) fn stage(
    state: &State,
    topic: &str,
    parts: impl FnOnce(&Event) -> (Payload, Vec<(String, String)>),
) -> Result<String, NotStaged> {
    let result = try_stage(&state.template, state.log.delivery().as_deref(), topic, parts);
    let metrics = &state.template.metrics;
    let counter = match &result {
        Ok(_) => &metrics.publishes,
        Err(NotStaged::Denied(_)) => &metrics.publishes_denied,
        Err(NotStaged::Topic(_) | NotStaged::Event(_)) => &metrics.publishes_invalid,
        Err(NotStaged::Full(_)) => &metrics.publishes_over_limit,
    };
    Metrics::add(counter, 1);
    if let Err(NotStaged::Denied(why)) = &result {
        state.template.denials.note("publish", why);
    }
    result
}

fn try_stage(
    template: &Inner,
    delivery: Option<&Delivery>,
    topic: &str,
    parts: impl FnOnce(&Event) -> (Payload, Vec<(String, String)>),
) -> Result<String, NotStaged> {
    let Some(delivery) = delivery else {
        return Err(NotStaged::Denied("publishing is not allowed in init; publish while handling an event".into()));
    };
    let topic = Topic::parse(topic).map_err(NotStaged::Topic)?;
    if topic.is_host() {
        return Err(NotStaged::Denied(InvalidEvent::HostTopic(topic).to_string()));
    }
    if !template.spec.publish.iter().any(|filter| filter.matches(&topic)) {
        return Err(NotStaged::Denied(format!(
            "the `publish` filters of the manifest do not cover `{topic}`; add `publish = [\"{topic}\"]`"
        )));
    }
    let (payload, extensions) = parts(&delivery.event);
    let mut draft = Draft::new(topic).source(template.publisher.clone()).payload(payload);
    draft.extensions = extensions.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    // With what is passed on, so that what is staged here is not refused when it is released.
    let draft = draft.caused_by(&delivery.event);
    template.spec.event_limits.check(&draft).map_err(NotStaged::Event)?;
    delivery
        .outbox
        .publish(&template.publisher, &delivery.event, draft)
        .map_err(|full| NotStaged::Full(full.to_string()))
}

impl logging::Host for State {
    fn log(&mut self, level: logging::Level, context: String, message: String) {
        let level = match level {
            logging::Level::Trace => LogLevel::Trace,
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
            logging::Level::Critical => LogLevel::Critical,
        };
        self.log.line(level, &context, &message);
    }
}

/// Checks a reply against the limits of an event and of the plugin.
pub(crate) fn check_reply(template: &Inner, topic: &Topic, payload: &Payload) -> Result<(), InvalidEvent> {
    let event_limits = template.spec.event_limits;
    let data_bytes_max = event_limits.data_bytes_max.min(template.spec.limits.reply_bytes);
    let draft = Draft::new(topic.clone()).payload(payload.clone());
    EventLimits { data_bytes_max, ..event_limits }.check(&draft)
}

/// Takes the guest's bytes over without another copy.
pub(crate) fn from_guest(payload: PayloadResult) -> Payload {
    let data = match payload.body {
        BodyResult::Text(text) => Bytes::from(text),
        BodyResult::Bytes(bytes) => Bytes::from(bytes),
    };
    let content_type: Arc<str> = match payload.content_type {
        text if text.is_empty() => "application/octet-stream".into(),
        text => text.into(),
    };
    Payload { content_type, data }
}
