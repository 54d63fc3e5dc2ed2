//! A folder of components as plugins on the bus: watch, plan, load, swap, supervise.
//!
//! `<dir>/<name>.wasm` is a plugin, with an optional [manifest] `<dir>/<name>.toml`. Put one there and it runs;
//! write another in its place and a new generation takes over between two events; take it away and it is unloaded. What
//! cannot run is refused with the reason, and the last good generation goes on.
//!
//! # The way of a change
//!
//! ```text
//! watch (hint) ─┐
//! every 2 s ────┼─► scan ─► plan ─► for each slot: settle ─► read ─► compile ─► link ─► init ─► replace ─► drain the old
//! a command ────┘   truth   pure                   └─ capture ─┘     └────── load ──────┘     └──── job ────┘
//! ```
//!
//! `scan` lists the folder and the stamps of its files; `plan` says from these and from what is known what to do, with no
//! clock, file or task of its own; a `job` for each slot carries it out. Start-up is the same with nothing known.
//! `supervise` decides when a plugin that faults is suspended.
//!
//! # What is promised
//!
//! A reload loses no event and runs none on a half-loaded plugin: handlers are replaced only when the new ones have been
//! through `init`. Whatever fails before that leaves the old generation as it was. Refused content is not tried again until
//! it changes or somebody asks. One plugin's slow compile, changing file or hanging handler holds up no other plugin.

pub mod manifest;

mod capture;
mod clock;
mod config;
mod engine;
mod faults;
mod host_events;
mod job;
mod load;
mod loader;
mod name;
mod op_queue;
mod plan;
mod scan;
mod slots;
mod stamp;
mod stats;
mod status;
mod supervise;
mod tick;
mod watch;

pub use capture::{CaptureError, Identity};
pub use config::LoaderConfig;
pub use faults::{FAULTS_KEPT_MAX, FaultRecord};
pub use load::LoadError;
pub use loader::{Loader, LoaderError, Reload, ReloadError};
pub use manifest::{Manifest, ManifestError};
pub use name::{PLUGIN_NAME_BYTES_MAX, PluginName, PluginNameError};
pub use scan::{ScanError, Unusable};
pub use stats::LoaderStats;
pub use status::{PluginState, PluginStatus, QueueStatus, Rejection, RetryStatus, RunningStatus, SupervisionStatus};
pub use supervise::SupervisionPolicy;
