//! What one plugin may use, with a default for everything.

use std::time::Duration;

use plugbus_bus::{OutboxLimits, StateLimits};
use serde::Serialize;

/// Bounds on one plugin. Every instance has the whole of each: the worst case of a plugin is this × `instances`.
///
/// The depth of the wasm stack is a bound of the whole engine, see
/// [`SandboxConfig::stack_bytes`](crate::SandboxConfig::stack_bytes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Units of fuel (about one wasm instruction each) for one event. Default 500 million.
    pub fuel_per_event: u64,
    /// Units of fuel for instantiation and `init`. Default 5 billion: language runtimes start up in it.
    pub fuel_init: u64,
    /// Wall-clock time for one event, host calls included. Default 5 s.
    #[serde(rename = "deadline_ms", serialize_with = "millis")]
    pub deadline: Duration,
    /// Wall-clock time for instantiation and `init`. Default 30 s.
    #[serde(rename = "deadline_init_ms", serialize_with = "millis")]
    pub deadline_init: Duration,
    /// Bytes of all linear memories of an instance together. Default 128 MiB. An instance that has over three quarters of
    /// it after an event is made anew before the next one.
    pub memory_bytes: u64,
    /// Elements of all tables of an instance together. Default 200,000 (8 bytes each on the host), which is also the most
    /// that one table can have where instances come from a pool.
    pub table_elements: u64,
    /// Core instances in one instance of the component. Default 64: a Rust component has 3 to 5, a Python one about 30.
    pub core_instances: u32,
    /// Tables in one instance. Default 64.
    pub tables: u32,
    /// Linear memories in one instance. Default 8.
    pub memories: u32,
    /// Bytes the host allocates for what the guest passes in one host call or one answer (wasmtime's hostcall fuel, which
    /// counts the host's own structures too), and of all `wasi:messaging` messages that an instance holds, beside the one at
    /// hand. Default 8 MiB.
    pub hostcall_bytes: u64,
    /// Events that one event may publish. Default 64. The outbox enforces it: see [`Limits::outbox`].
    pub publishes_max: usize,
    /// Bytes that one event may publish. Default 1 MiB. The outbox enforces it: see [`Limits::outbox`].
    pub publish_bytes: usize,
    /// Bytes of log lines, stdout and stderr for one event. Default 16 KiB. What is over is cut and counted.
    pub log_bytes: usize,
    /// Bytes of data in one reply. Default 1 MiB; the event limit of the bus applies too.
    pub reply_bytes: usize,
    /// Bytes of a failure's reason or an `init` error; what is over is cut, with a note. Default 4 KiB.
    pub error_bytes: usize,
    /// Outgoing HTTP requests for one event, refused ones included. Default 32.
    pub http_requests_max: u32,
    /// Outgoing TCP connections and lookups of names for one event, refused ones included. Default 64.
    pub tcp_connects_max: u32,
    /// TCP sockets that one instance has at one time. Default 16. They stay open from event to event.
    pub tcp_sockets_max: u32,
    /// Bytes of all keys and values in the plugin's store: each pair counts with its bucket's name and 64 bytes more. Default
    /// 16 MiB. The bus holds all of it in memory and enforces it, see [`Limits::state`]; each delivery in flight may hold
    /// changes of as much again.
    pub kv_bytes: usize,
    /// Bytes of one value in the store. Default 64 KiB.
    pub kv_value_bytes: usize,
    /// Bytes of one key in the store. Default 256.
    pub kv_key_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let state = StateLimits::default();
        Self {
            fuel_per_event: 500_000_000,
            fuel_init: 5_000_000_000,
            deadline: Duration::from_secs(5),
            deadline_init: Duration::from_secs(30),
            memory_bytes: 128 << 20,
            table_elements: 200_000,
            core_instances: 64,
            tables: 64,
            memories: 8,
            hostcall_bytes: 8 << 20,
            publishes_max: 64,
            publish_bytes: 1 << 20,
            log_bytes: 16 << 10,
            reply_bytes: 1 << 20,
            error_bytes: 4 << 10,
            http_requests_max: 32,
            tcp_connects_max: 64,
            tcp_sockets_max: 16,
            kv_bytes: state.total_bytes_max,
            kv_value_bytes: state.value_bytes_max,
            kv_key_bytes: state.key_bytes_max,
        }
    }
}

impl Limits {
    /// The bounds to give to the plugin's subscription for what one event may publish.
    #[must_use]
    pub fn outbox(&self) -> OutboxLimits {
        OutboxLimits { events_max: self.publishes_max, bytes_max: self.publish_bytes }
    }

    /// The bounds to give to the plugin's subscription for what the plugin remembers.
    #[must_use]
    pub fn state(&self) -> StateLimits {
        StateLimits {
            key_bytes_max: self.kv_key_bytes,
            value_bytes_max: self.kv_value_bytes,
            total_bytes_max: self.kv_bytes,
        }
    }
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_shown_with_their_units() {
        let json = serde_json::to_value(Limits::default()).unwrap();
        assert_eq!(json["deadline_ms"], 5000);
        assert_eq!(json["memory_bytes"], 128 << 20);
    }
}
