//! Settings of the loader, each with its default, unit and cost.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::EventLimits;
use plugbus_sandbox::{LogSink, TracingLog};

/// Settings of a [`Loader`](crate::Loader).
#[derive(Clone)]
pub struct LoaderConfig {
    /// The plugins folder.
    pub dir: PathBuf,
    /// How often the folder is looked at even without a hint. Default 2 s. One look costs two `stat` calls for each plugin.
    pub rescan: Duration,
    /// A file is read when two looks, so far apart, see it unchanged. Default 100 ms. Each reload waits that long; a shorter
    /// time sees more half-written files, which are refused and tried again.
    pub settle: Duration,
    /// Longest wait for a replaced or unloaded generation to finish what it holds. Default 5 s. Then it is cut off, and its
    /// event goes to the new generation.
    pub drain_grace: Duration,
    /// How long a file must be missing before its plugin is unloaded. Default 2 s: one that is deleted and created again
    /// keeps its plugin running in between.
    pub unload_grace: Duration,
    /// Plugins that may be loaded at once. Default 256. The others are rejected with that reason.
    pub plugins_max: usize,
    /// Largest component that is read, in bytes. Default 64 MiB. Memory while loading: this × `loads_max`.
    pub wasm_bytes_max: u64,
    /// Plugins that are read, compiled and started at one time. Default 2: a slow compile does not hold up the others.
    pub loads_max: NonZeroUsize,
    /// Where the plugins' log lines go. Default: `tracing`.
    pub log: Arc<dyn LogSink>,
    /// The bus's bounds on one event; what plugins publish must keep to them.
    pub event_limits: EventLimits,
}

impl LoaderConfig {
    /// The defaults, for a plugins folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            rescan: Duration::from_secs(2),
            settle: Duration::from_millis(100),
            drain_grace: Duration::from_secs(5),
            unload_grace: Duration::from_secs(2),
            plugins_max: 256,
            wasm_bytes_max: 64 << 20,
            loads_max: NonZeroUsize::MIN.saturating_add(1),
            log: Arc::new(TracingLog),
            event_limits: EventLimits::default(),
        }
    }
}

impl fmt::Debug for LoaderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoaderConfig")
            .field("dir", &self.dir)
            .field("rescan", &self.rescan)
            .field("settle", &self.settle)
            .field("drain_grace", &self.drain_grace)
            .field("unload_grace", &self.unload_grace)
            .field("plugins_max", &self.plugins_max)
            .field("wasm_bytes_max", &self.wasm_bytes_max)
            .field("loads_max", &self.loads_max)
            .finish_non_exhaustive()
    }
}
