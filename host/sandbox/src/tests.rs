//! Tests of the whole crate on hand-made components: no toolchain for WebAssembly is needed.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use plugbus_bus::{
    Delivery, Event, Fault, FaultKind, Handler as _, Name, Outbox, OutboxLimits, Outcome, Payload, Topic,
};

use crate::{LogLevel, LogLine, LogSink, PluginSpec, Pooling, Sandbox, SandboxConfig, SandboxHandler, Template};
use guest::Guest;

mod faults;
pub(crate) mod guest;
mod http_gate;
mod keyvalue;
mod lifecycle;
mod loading;
mod publishing;
mod wasi;

/// An engine for one test, allocating on demand: many tests run at once.
fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { pooling: Pooling::Off, ..SandboxConfig::default() }).unwrap()
}

pub(crate) async fn template(guest: &Guest, spec: PluginSpec) -> Template {
    sandbox().compile(guest.binary()).await.unwrap().link(spec).unwrap()
}

async fn start(guest: &Guest, spec: PluginSpec) -> SandboxHandler {
    template(guest, spec).await.start().await.unwrap()
}

/// A plugin with tight limits, so that tests are quick.
fn spec() -> PluginSpec {
    let mut spec = PluginSpec::new("probe");
    spec.limits.fuel_per_event = 50_000_000;
    spec.limits.fuel_init = 50_000_000;
    spec.limits.memory_bytes = 16 << 20;
    spec
}

fn event(data: impl Into<Bytes>) -> Event {
    Event {
        id: "event-1".into(),
        source: "test".into(),
        topic: Topic::parse("hook.raw").unwrap(),
        subject: Some("session".into()),
        time_ns: 1_790_000_000_000_000_000,
        payload: Payload::new("application/json", data),
        extensions: vec![("traceparent".into(), "00-aa".into())],
        seq: 1,
        hops: 0,
    }
}

fn delivery(event: Event) -> Arc<Delivery> {
    Arc::new(Delivery {
        event: Arc::new(event),
        attempt: 1,
        subscription: Name::parse("plugin/probe").unwrap(),
        outbox: Outbox::new(OutboxLimits::default()),
        state: plugbus_bus::State::detached(plugbus_bus::StateLimits::default()),
        notes: plugbus_bus::Notes::default(),
    })
}

async fn handle(handler: &mut SandboxHandler) -> Outcome {
    handler.handle(&delivery(event("{}"))).await
}

async fn fault(handler: &mut SandboxHandler) -> Fault {
    handle(handler).await.unwrap_err().fault().cloned().unwrap()
}

async fn fault_kind(handler: &mut SandboxHandler) -> FaultKind {
    fault(handler).await.kind
}

/// Keeps log lines.
#[derive(Default)]
struct Lines(Mutex<Vec<Line>>);

/// Level, context, message and the event's id.
type Line = (LogLevel, String, String, Option<String>);

impl LogSink for Lines {
    fn log(&self, line: &LogLine<'_>) {
        let line = (line.level, line.context.into(), line.message.into(), line.event_id.map(String::from));
        self.0.lock().unwrap().push(line);
    }
}

impl Lines {
    fn messages(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(level, context, message, _)| format!("{level} {context}: {message}"))
            .collect()
    }
}
