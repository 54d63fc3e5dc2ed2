//! The facade from outside: protocol, configuration, and the socket with clients good and bad.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod config;
mod embed;
mod hostile;
mod http;
mod papers;
mod plugins;
mod protocol;
mod socket;
mod support;
