//! The whole host from outside: real components in a real folder, through loader, sandbox and bus. What a guest does wrong
//! must stay with that guest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod backlog;
mod bad;
mod conformance;
mod delivery;
mod engines;
mod grants;
mod kv;
mod logs;
mod manage;
mod messaging;
mod plugins;
mod released;
mod reload;
mod spin;

/// What the tests share.
#[path = "../support"]
mod support {
    pub(crate) mod alone;
    pub(crate) mod events;
    pub(crate) mod healthy;
    pub(crate) mod host;
    pub(crate) mod log;
    pub(crate) mod memory;
    pub(crate) mod server;
    pub(crate) mod shipped;
    pub(crate) mod wait;
}
