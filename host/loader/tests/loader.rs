//! The loader on a real folder, a real bus and real components.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/host.rs"]
mod host;

#[path = "loader/folder.rs"]
mod folder;
#[path = "loader/reload.rs"]
mod reload;
#[path = "loader/samples.rs"]
mod samples;
#[path = "loader/supervision.rs"]
mod supervision;
#[path = "loader/tick.rs"]
mod tick;
