//! What the loader tells the world: the events on `plugbus.plugin.…`, and the same in the host's log.

use std::time::Duration;

use plugbus_bus::{Bus, Filter};
use serde_json::{Value, json};

use crate::capture::Identity;
use crate::faults::FaultRecord;
use crate::name::PluginName;
use crate::status::Rejection;

/// Which generation an event is about.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) plugin: PluginName,
    pub(crate) generation: u64,
    pub(crate) sha256: Identity,
}

impl About {
    fn json(&self) -> Value {
        json!({ "plugin": self.plugin, "generation": self.generation, "sha256": self.sha256 })
    }
}

/// A plugin runs that did not run before, or another generation of it has taken over from `before`.
pub(crate) fn loaded(bus: &Bus, about: &About, before: Option<&About>, filters: &[Filter], instances: u32) {
    let mut data = about.json();
    set(&mut data, "filters", json!(filters));
    set(&mut data, "instances", json!(instances));
    match before {
        None => {
            tracing::info!(plugin = %about.plugin, generation = about.generation, sha256 = %about.sha256, "plugin loaded");
            bus.publish_host("plugbus.plugin.loaded", &data);
        }
        Some(before) => {
            set(&mut data, "from_generation", json!(before.generation));
            set(&mut data, "from_sha256", json!(before.sha256));
            tracing::info!(plugin = %about.plugin, generation = about.generation, from = before.generation, sha256 = %about.sha256, "plugin reloaded");
            bus.publish_host("plugbus.plugin.reloaded", &data);
        }
    }
}

/// What the folder holds was refused; `running` goes on, where there is one.
pub(crate) fn rejected(bus: &Bus, plugin: &str, running: Option<&About>, rejection: &Rejection) {
    let generation = running.map(|about| about.generation);
    tracing::warn!(plugin, running = generation, cause = %rejection.cause, "plugin rejected");
    let mut data = json!(rejection);
    set(&mut data, "plugin", json!(plugin));
    set(&mut data, "generation", json!(generation));
    bus.publish_host("plugbus.plugin.rejected", &data);
}

/// A plugin was suspended by its supervisor.
pub(crate) fn suspended(bus: &Bus, about: &About, pause: Duration, cause: Option<&FaultRecord>) {
    let kind = cause.map(|fault| fault.kind);
    let text = cause.map(|fault| fault.message.as_str());
    let suspend_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(plugin = %about.plugin, generation = about.generation, suspend_ms, kind, cause = text, "plugin suspended");
    let mut data = about.json();
    set(&mut data, "suspend_ms", json!(suspend_ms));
    set(&mut data, "cause", json!(text));
    set(&mut data, "kind", json!(kind));
    set(&mut data, "fault", json!(cause));
    bus.publish_host("plugbus.plugin.suspended", &data);
}

/// A suspension has ended.
pub(crate) fn resumed(bus: &Bus, about: &About) {
    tracing::info!(plugin = %about.plugin, generation = about.generation, "plugin resumed");
    bus.publish_host("plugbus.plugin.resumed", &about.json());
}

/// A plugin's file is gone, and its subscription has ended.
pub(crate) fn unloaded(bus: &Bus, about: &About, cut_off: usize) {
    tracing::info!(plugin = %about.plugin, generation = about.generation, cut_off, "plugin unloaded");
    let mut data = about.json();
    set(&mut data, "cut_off", json!(cut_off));
    bus.publish_host("plugbus.plugin.unloaded", &data);
}

fn set(data: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = data {
        map.insert(key.to_owned(), value);
    }
}
