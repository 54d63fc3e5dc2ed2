//! The host's own events, on `plugbus.` topics.
//!
//! They never wait and never fail their cause: where a queue has no room they become dead letters of that subscription. A
//! report about a host event is not itself reported, and a report counts as a hop, so reports cannot loop. Nothing is built
//! that nobody listens to.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::accept::Publisher;
use crate::bus::{HOPS_MAX, Inner};
use crate::dead::{AttemptRecord, DeadReason};
use crate::delivery::Next;
use crate::event::{Draft, Event, Payload};
use crate::handler::HandlerError;
use crate::name::Name;
use crate::topic::Topic;

/// The source of the host's own events.
pub const HOST_SOURCE: &str = "plugbus";

impl Inner {
    /// Publishes on one of the host's topics, if anybody listens.
    pub(crate) fn publish_host<T: Serialize>(&self, topic: &str, data: impl FnOnce() -> T) {
        self.publish_host_after(0, topic, data);
    }

    /// The same, of an event so many hops from its origin: a report is one hop further, so that a handler that answers
    /// reports with events that fail comes to an end.
    fn publish_host_after<T: Serialize>(&self, hops: u8, topic: &str, data: impl FnOnce() -> T) {
        let topic = match Topic::parse(topic) {
            Ok(topic) if topic.is_host() => topic,
            _ => return tracing::error!(topic, "not a topic of the host; nothing published"),
        };
        if self.matching(&topic).is_empty() {
            return;
        }
        let payload = match Payload::json(&data()) {
            Ok(payload) => payload,
            Err(error) => return tracing::error!(%topic, %error, "host event has no JSON form"),
        };
        let draft = Draft { hops, ..Draft::new(topic).source(HOST_SOURCE).payload(payload) };
        if let Err(error) = self.accept(draft, Publisher::Host, None, None) {
            // Only when the bus is closed: whoever listened is gone.
            tracing::debug!(%error, "host event not published");
        }
    }

    /// Tells of a topic that was not known before.
    pub(crate) fn tell_topic(&self, topic: &Topic) {
        self.publish_host("plugbus.topic.added", || json!({ "topic": topic }));
    }

    /// Reports an attempt that did not succeed.
    pub(crate) fn report_failed(
        &self,
        by: &Name,
        event: &Event,
        record: &AttemptRecord,
        error: &HandlerError,
        next: &Next,
    ) {
        tracing::debug!(subscription = %by, topic = %event.topic, event = %event.id, attempt = record.attempt, %error, "attempt failed");
        if is_reported(event) {
            let data = || failed_json(by, event, record, error, next);
            self.publish_host_after(event.hops.saturating_add(1), "plugbus.delivery.failed", data);
        }
    }

    /// Reports a dead letter.
    pub(crate) fn report_dead(&self, id: u64, event: &Arc<Event>, by: Option<&Name>, reason: &DeadReason) {
        // At 1, 2, 4, 8 …: a flood of dead letters must not become a flood of log lines.
        if id.is_power_of_two() {
            tracing::warn!(letter = id, subscription = ?by, topic = %event.topic, event = %event.id, %reason, "dead letter");
        } else {
            tracing::debug!(letter = id, subscription = ?by, topic = %event.topic, event = %event.id, %reason, "dead letter");
        }
        if !is_reported(event) {
            return;
        }
        self.publish_host_after(event.hops.saturating_add(1), "plugbus.delivery.dead", || {
            json!({
                "letter": id,
                "subscription": by,
                "event": event_json(event),
                "kind": reason.name(),
                "reason": reason.to_string(),
            })
        });
    }
}

/// Whether what happens to an event is told. Not of a report, and not of what a handler made of the report about an event
/// that had too many hops itself.
fn is_reported(event: &Event) -> bool {
    !event.topic.is_host() && event.hops <= HOPS_MAX + 1
}

fn failed_json(by: &Name, event: &Event, record: &AttemptRecord, error: &HandlerError, next: &Next) -> Value {
    let next = match next {
        Next::Retry { after } => json!({ "retry_after_ms": after.as_millis() }),
        Next::Again | Next::Ack => json!({ "retry_after_ms": 0 }),
        Next::Dead(_) => json!("dead"),
    };
    json!({
        "subscription": by,
        "event": event_json(event),
        "attempt": record.attempt,
        "kind": record.kind,
        "is_fault": error.fault().is_some(),
        "limit": error.fault().and_then(|fault| fault.kind.limit()),
        "reason": record.reason,
        "stderr": record.stderr,
        "backtrace": record.backtrace,
        "next": next,
    })
}

/// What a report says of the event it is about: enough to find it, without its data.
fn event_json(event: &Event) -> Value {
    json!({ "id": event.id, "source": event.source, "topic": event.topic, "subject": event.subject, "seq": event.seq })
}
