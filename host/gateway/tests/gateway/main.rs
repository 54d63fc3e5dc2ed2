//! The gateway as a peer sees it: a real bus, a real port, real bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod auth;
mod dashboard;
mod dead;
mod events;
mod foreign;
mod limits;
mod openapi;
mod operation;
mod requests;
mod socketio;
mod stream;
mod support;
mod tls;
mod topics;
mod ws;
