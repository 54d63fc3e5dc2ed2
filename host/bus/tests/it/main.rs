//! The bus from outside: every promise of `host/ARCHITECTURE.md` that needs no sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod control;
mod crowd;
mod defaults;
mod delivery;
mod durable;
mod durable_model;
mod full;
mod gates;
mod inline;
mod lifecycle;
mod memory_journal;
mod model;
mod old_buses;
mod publish;
mod reuse;
mod stream;
mod support;
mod threads;
mod tick;
mod watch;
