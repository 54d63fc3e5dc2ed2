//! What a guest may call: `plugbus:plugin/publisher` and `wasi:logging`.
//!
//! Everything that comes in here is untrusted. It is bounded by the hostcall fuel before it arrives; topic, attributes and
//! sizes are checked here, and the outbox of the delivery bounds number and bytes. Nothing waits.

use std::sync::Arc;

use bytes::Bytes;
use plugbus_bus::{Delivery, Draft, EventLimits, InvalidEvent, Payload, Topic};

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
        let result = publish(&self.template, self.log.delivery().as_deref(), &topic, payload, extensions);
        let metrics = &self.template.metrics;
        let counter = match &result {
            Ok(_) => &metrics.publishes,
            Err(PublishError::Denied(_)) => &metrics.publishes_denied,
            Err(PublishError::Invalid(_)) => &metrics.publishes_invalid,
            Err(PublishError::OverLimit(_)) => &metrics.publishes_over_limit,
        };
        Metrics::add(counter, 1);
        if let Err(PublishError::Denied(why)) = &result {
            self.template.denials.note("publish", why);
        }
        result
    }
}

fn publish(
    template: &Inner,
    delivery: Option<&Delivery>,
    topic: &str,
    payload: PayloadResult,
    extensions: Vec<(String, String)>,
) -> Result<String, PublishError> {
    let Some(delivery) = delivery else {
        return Err(PublishError::Denied("publishing is not allowed in init; publish while handling an event".into()));
    };
    let topic = Topic::parse(topic).map_err(|error| PublishError::Invalid(format!("topic {error}")))?;
    if topic.is_host() {
        return Err(PublishError::Denied(InvalidEvent::HostTopic(topic).to_string()));
    }
    if !template.spec.publish.iter().any(|filter| filter.matches(&topic)) {
        return Err(PublishError::Denied(format!(
            "the `publish` filters of the manifest do not cover `{topic}`; add `publish = [\"{topic}\"]`"
        )));
    }
    let mut draft = Draft::new(topic).source(template.publisher.clone()).payload(from_guest(payload));
    draft.extensions = extensions.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    // With what is passed on, so that what is staged here is not refused when it is released.
    let draft = draft.caused_by(&delivery.event);
    template.spec.event_limits.check(&draft).map_err(|error| PublishError::Invalid(error.to_string()))?;
    delivery
        .outbox
        .publish(&template.publisher, &delivery.event, draft)
        .map_err(|full| PublishError::OverLimit(full.to_string()))
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

/// A reply, checked against the limits of an event and of the plugin.
pub(crate) fn reply(payload: PayloadResult, topic: &Topic, limits: EventLimits) -> Result<Payload, InvalidEvent> {
    let draft = Draft::new(topic.clone()).payload(from_guest(payload));
    limits.check(&draft)?;
    Ok(draft.payload)
}

/// Takes the guest's bytes over without another copy.
fn from_guest(payload: PayloadResult) -> Payload {
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
