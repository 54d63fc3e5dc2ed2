//! The real binary: daemons on temporary folders, and every command against them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod author;
mod check;
mod damage;
mod emit;
mod explain;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod floods;
mod folder;
mod hook;
mod http;
mod inspect;
mod install;
mod journal;
mod kill;
mod life;
mod messaging;
mod otlp;
mod output;
mod plugins;
mod readme;
mod room;
mod support;
#[cfg(target_os = "linux")]
mod threads;
mod usage;

/// Components in WebAssembly text, shared with the loader's tests.
#[path = "../../../loader/tests/support/guest.rs"]
#[allow(dead_code)]
mod guest;
