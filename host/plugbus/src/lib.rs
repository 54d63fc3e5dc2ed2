//! The plugbus host to embed: a bus, a folder of sandboxed plugins and a local socket behind one builder.
#![doc = ""]
pub mod config;
mod host;
pub mod report;
pub mod socket;

pub use host::{Host, HostBuilder, HostError};
pub use plugbus_bus as bus;
