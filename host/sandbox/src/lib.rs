//! plugbus sandbox: one WebAssembly component as a metered [`plugbus_bus::Handler`]. The only crate that names wasmtime.
//!
//! [`Sandbox::compile`] → [`Component::link`] → [`Template::start`] → [`SandboxHandler`].

mod allocation;
mod bindings;
mod compile;
mod config;
mod contract;
mod fault;
mod grants;
mod handler;
mod http;
mod imports;
mod instance;
mod limiter;
mod limits;
mod link;
mod log;
mod metrics;
mod origin;
mod plugin_log;
mod sandbox;
mod state;
mod template;
mod text;

pub use compile::{CompileError, Component, ComponentInfo};
pub use config::{PluginSpec, Pooling, SandboxConfig};
pub use contract::{SUBSCRIBER, WORLD};
pub use grants::{DirGrant, DirMode, Grants};
pub use handler::SandboxHandler;
pub use limits::Limits;
pub use link::{LinkError, MissingGrant};
pub use log::{LogLevel, LogLine, LogSink, TracingLog};
pub use metrics::MetricsSnapshot;
pub use origin::{Host, Origin, OriginError, Scheme};
pub use sandbox::{Sandbox, SandboxError};
pub use template::{StartError, Template};

/// Most filters that `init` may register.
pub const FILTERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
