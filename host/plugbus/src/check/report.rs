//! What a check saw, put together.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use plugbus_bus::journal::StateWrite;
use plugbus_bus::{Delivery, Draft, Event, Filter, HandlerError, Outcome, Payload};
use plugbus_sandbox::{Contract, LogLevel, LogLine, LogSink, MetricsSnapshot, Template};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::socket::{event_json, text_or_encoded};

/// What the component did.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The plugin's name: the file's stem.
    pub name: String,
    /// The filters in force: the manifest's, or else those that `init` registered.
    pub filters: Vec<Filter>,
    /// Whether one of them matches the event. If not, a daemon would not have given the event to the plugin.
    pub matches: bool,
    /// The contract that the component follows, with its version.
    pub contract: Contract,
    /// What the component imports.
    pub imports: Vec<String>,
    /// `acked`, `retry`, `reject` or the kind of the fault.
    pub outcome: &'static str,
    /// The guest's or the host's reason, unless acked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the guest wrote to stderr, where it faulted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// The wasm backtrace, where it faulted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// The reply, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyText>,
    /// What it published. Released only when acked.
    pub published: Vec<Box<RawValue>>,
    /// What it changed in its store, which was empty. Committed only when acked.
    pub stored: Vec<StoreChange>,
    /// Whether a daemon would have released what it published and committed what it stored.
    pub released: bool,
    /// Its log, `init` included.
    pub log: Vec<LogEntry>,
    /// Fuel that the event took.
    pub fuel: u64,
    /// Wall-clock nanoseconds that the event took, host calls included.
    pub time_ns: u64,
    /// Bytes of linear memory after the event.
    pub memory_bytes: u64,
    /// All counters of the sandbox.
    pub metrics: MetricsSnapshot,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplyText {
    /// Its media type.
    pub content_type: String,
    /// Data that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Any other data, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

/// A change of one key in the plugin's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreChange {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// A value that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Any other value, in base64. A key that is deleted has neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

/// A line of the plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// How important.
    pub level: LogLevel,
    /// The part it comes from; `stdout` or `stderr` for what was printed.
    pub context: String,
    /// The text.
    pub message: String,
    /// During `init`.
    pub init: bool,
}

/// Collects a plugin's log. Bounded by the sandbox: `log_bytes` for `init` and again for the event.
#[derive(Debug, Default)]
pub(crate) struct Collected(Mutex<Vec<LogEntry>>);

impl Collected {
    /// Takes what there is.
    pub(super) fn take(&self, init: bool) -> Vec<LogEntry> {
        let entries = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        entries.into_iter().map(|entry| LogEntry { init, ..entry }).collect()
    }
}

impl LogSink for Collected {
    fn log(&self, line: &LogLine<'_>) {
        let entry = LogEntry {
            level: line.level,
            context: line.context.into(),
            message: line.message.into(),
            init: line.event_id.is_none(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// Puts the report together.
pub(super) fn make(
    name: String,
    filters: Vec<Filter>,
    template: &Template,
    delivery: &Delivery,
    outcome: Outcome,
    log: Vec<LogEntry>,
) -> Result<CheckReport, serde_json::Error> {
    let metrics = template.metrics();
    let publisher = format!("plugin/{name}");
    let published = delivery.outbox.take().into_iter().zip(2..);
    let published = published.map(|(draft, seq)| event_json(&stamp(draft, &publisher, seq)));
    let fault = outcome.as_ref().err().and_then(HandlerError::fault);
    Ok(CheckReport {
        matches: filters.iter().any(|filter| filter.matches(&delivery.event.topic)),
        name,
        filters,
        contract: template.info().contract,
        imports: template.info().imports.clone(),
        outcome: outcome.as_ref().map_or_else(HandlerError::kind_name, |_| "acked"),
        reason: outcome.as_ref().err().map(ToString::to_string),
        stderr: fault.and_then(|fault| fault.stderr.clone()),
        backtrace: fault.map(|fault| fault.backtrace.clone()).unwrap_or_default(),
        released: outcome.is_ok(),
        reply: outcome.ok().and_then(|reply| reply.0).map(|payload| reply_text(&payload)),
        published: published.collect::<Result<_, _>>()?,
        stored: delivery.state.changes().into_iter().map(change).collect(),
        log,
        fuel: metrics.fuel_last,
        time_ns: metrics.time_ns_last,
        memory_bytes: metrics.memory_bytes_last,
        metrics,
    })
}

fn change(write: StateWrite) -> StoreChange {
    let (bucket, key, value) = match write {
        StateWrite::Set { bucket, key, value } => (bucket, key, Some(value)),
        StateWrite::Delete { bucket, key } => (bucket, key, None),
    };
    let (text, data_base64) = value.map(|value| text_or_encoded(&Payload::new("", value))).unwrap_or_default();
    StoreChange { bucket: bucket.to_string(), key: key.to_string(), text, data_base64 }
}

fn reply_text(payload: &Payload) -> ReplyText {
    let (text, data_base64) = text_or_encoded(payload);
    ReplyText { content_type: payload.content_type.to_string(), text, data_base64 }
}

/// An event as a bus would have accepted it.
pub(super) fn stamp(draft: Draft, source: &str, seq: u64) -> Event {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Event {
        id: draft.id.unwrap_or_else(|| format!("check-{seq}").into()),
        source: draft.source.unwrap_or_else(|| source.into()),
        topic: draft.topic,
        subject: draft.subject,
        time_ns: draft.time_ns.unwrap_or_else(|| u64::try_from(now).unwrap_or(u64::MAX)),
        payload: draft.payload,
        extensions: draft.extensions,
        seq,
        hops: draft.hops,
    }
}
