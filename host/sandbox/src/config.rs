//! Settings of the engine, and what describes one plugin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{EventLimits, Filter};

use crate::grants::Grants;
use crate::limits::Limits;
use crate::log::{LogSink, TracingLog};

/// Settings of a [`Sandbox`](crate::Sandbox).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Folder of the on-disk compile cache; none by default (then each start compiles again: seconds of CPU for a
    /// JavaScript or Python plugin). It holds machine code that the host runs: a folder that
    /// others own or may write into is refused.
    pub cache_dir: Option<PathBuf>,
    /// Largest component that is looked at. Default 64 MiB.
    pub component_bytes_max: usize,
    /// Compilations at one time. They share threads that use every core nobody else wants. Default 1. The others wait.
    pub compiles_max: usize,
    /// Live instances at one time that the pooling allocator has room for (address space, not memory). Default 256.
    /// Without pooling this is no limit.
    pub instances_max: u32,
    /// How memory for instances is allocated. Default [`Pooling::Auto`].
    pub pooling: Pooling,
    /// Bytes of wasm stack. Default 512 KiB. Each call has a host stack of 2 MiB more address space.
    pub stack_bytes: usize,
    /// How often a running guest is made to look at the clock and to let other tasks run. Default 2 ms: a spinning guest
    /// delays what shares its thread by no more than that, and one thread waking 500 times a second costs well under 1 %
    /// of a core. Deadlines are exact to one tick. At most 1 s.
    pub tick: Duration,
}

/// How memory for instances is allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pooling {
    /// From a pool where the address space allows one (halves the time to instantiate), on demand otherwise.
    #[default]
    Auto,
    /// Always on demand.
    Off,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            component_bytes_max: 64 << 20,
            compiles_max: 1,
            instances_max: 256,
            pooling: Pooling::Auto,
            stack_bytes: 512 << 10,
            tick: Duration::from_millis(2),
        }
    }
}

/// What makes a component into one plugin: its manifest, in effect.
#[derive(Clone)]
pub struct PluginSpec {
    /// The plugin's name. Events it publishes have the source `plugin/<name>`.
    pub name: String,
    /// The `[config]` table as a JSON object; handed to `init`, and to `wasi:config/store` where that is granted.
    pub config_json: String,
    /// Bounds.
    pub limits: Limits,
    /// What it may touch.
    pub grants: Grants,
    /// Topics it may publish to. None by default.
    pub publish: Vec<Filter>,
    /// One instance per event instead of a long-lived one.
    pub fresh: bool,
    /// Where its log goes.
    pub log: Arc<dyn LogSink>,
    /// The bus's bounds on one event: what the plugin publishes and replies must keep to them.
    pub event_limits: EventLimits,
}

impl PluginSpec {
    /// A plugin with default limits, no config and no grants, logging to `tracing`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            config_json: "{}".into(),
            limits: Limits::default(),
            grants: Grants::default(),
            publish: Vec::new(),
            fresh: false,
            log: Arc::new(TracingLog),
            event_limits: EventLimits::default(),
        }
    }
}

/// Leaves out the config, which may hold secrets.
impl fmt::Debug for PluginSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSpec")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .field("grants", &self.grants)
            .field("publish", &self.publish)
            .field("fresh", &self.fresh)
            .finish_non_exhaustive()
    }
}
