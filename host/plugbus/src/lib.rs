//! The plugbus host to embed: a bus, a folder of sandboxed plugins and a local socket behind one builder.
//!
//! ```no_run
//! use std::time::Duration;
//! use plugbus::{Host, bus::Event};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().plugins_dir("./plugins.d").start().await?;
//! host.bus().publish(Event::draft("build.done")?.json(&true)?).await?;
//! host.shutdown(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! It lives inside a tokio runtime of the embedder's: no global state, no logging set up, no signal handlers, no environment
//! variables read. [`socket`] is how other processes on the machine reach it, [`check`] runs one component on one event
//! without a host, and [`inspect`] looks at one without running it.

mod admin;
pub mod check;
pub mod config;
mod host;
pub mod inspect;
pub mod report;
pub mod socket;
pub mod spool;

pub use host::{Host, HostBuilder, HostError};
pub use plugbus_bus as bus;
pub use plugbus_gateway as gateway;
pub use plugbus_journal as journal;
pub use plugbus_loader as loader;
pub use plugbus_sandbox as sandbox;
