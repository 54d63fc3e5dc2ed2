//! plugbus sandbox: one WebAssembly component as a metered [`plugbus_bus::Handler`]. The only crate that names wasmtime.
//!
//! ```text
//! bytes ──Sandbox::compile──► Component ──link(PluginSpec)──► Template ──start──► SandboxHandler
//!         what is it?                     grants, folders,            init,        one event at a time,
//!         of which world?                 types                       filters      a new instance after a fault
//! ```
//!
//! What bounds a guest, each with its own fault, counter and test:
//!
//! | what | by | when it is hit |
//! | --- | --- | --- |
//! | computing | fuel for each call ([`Limits::fuel_per_event`]) | fault `fuel` |
//! | time, host calls included | the epoch callback, and a timer for calls that wait ([`Limits::deadline`]) | fault `deadline` |
//! | the thread it runs on | a yield every [`SandboxConfig::tick`] | others run |
//! | memory, tables, instances | a limiter that sums over the whole instance | growth fails; if the guest then traps, fault `memory` or `table` |
//! | stack | [`SandboxConfig::stack_bytes`] | fault `stack` |
//! | what it makes the host allocate | wasmtime's hostcall fuel, the messages it holds ([`Limits::hostcall_bytes`]) | fault `host-call` |
//! | resources of the host's | 1024 of them, and 1024 handles, in one instance | fault `handles` |
//! | publishes | the delivery's outbox, the manifest's filters | the guest gets an error |
//! | log, stdout, stderr | [`Limits::log_bytes`] for each call | cut, counted, said once |
//! | replies, reasons | [`Limits::reply_bytes`], [`Limits::error_bytes`] | fault `contract`; cut with a note |
//! | its store | [`Limits::kv_bytes`] and its neighbours, checked by the bus | the guest gets an error |
//! | HTTP | granted origins, public addresses, [`Limits::http_requests_max`], the deadline | the guest gets an error, the plugin's log a line |
//! | secrets | [`SECRETS_MAX`] of [`SECRET_CHARS`], their origins | the guest gets an error, the plugin's log a line |
//! | TCP | granted hosts and ports, public addresses, [`Limits::tcp_connects_max`], [`Limits::tcp_sockets_max`], the deadline | the same |
//!
//! A guest that faulted is never entered again: its instance is thrown away, memory, files and connections with it, and the
//! next delivery makes a new one. The same happens where a call is dropped (the bus stops, the generation is replaced).

mod address;
mod allocation;
mod bindings;
mod cache;
mod compile;
mod config;
mod contract;
mod denials;
mod endpoint;
mod fault;
mod grants;
mod guest;
mod handler;
mod http;
mod imports;
mod inspect;
mod instance;
mod keyvalue;
mod limiter;
mod limits;
mod link;
mod log;
mod messaging;
mod metrics;
mod origin;
mod plugin_log;
mod sandbox;
mod secrets;
mod sockets;
mod state;
mod template;
mod text;

pub use compile::{CompileError, Component, ComponentInfo};
pub use config::{PluginSpec, Pooling, SandboxConfig};
pub use contract::{Contract, INCOMING_HANDLER, SUBSCRIBER, WORLD};
pub use denials::Denial;
pub use endpoint::{Endpoint, EndpointError};
pub use grants::{DirGrant, DirMode, Grants};
pub use handler::SandboxHandler;
pub use inspect::{Anatomy, Need, NeededImport, Producer, inspect};
pub use limits::Limits;
pub use link::{LinkError, MissingGrant};
pub use log::{LogLevel, LogLine, LogSink, TracingLog};
pub use metrics::{FUEL_STEPS, MetricsSnapshot};
pub use origin::{Host, Origin, OriginError, Scheme};
pub use sandbox::{Sandbox, SandboxError};
pub use secrets::{
    SECRET_CHARS, SECRETS_MAX, SecretError, SecretGrant, SecretName, SecretNameError, SecretProblem, SecretSource,
};
pub use template::{StartError, Template};

/// Most filters that `init` may register.
pub const FILTERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
