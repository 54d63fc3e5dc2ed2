//! The gateway as a peer sees it: a real bus, a real port, real bytes.

mod auth;
mod events;
mod foreign;
mod limits;
mod openapi;
mod requests;
mod socketio;
mod stream;
mod support;
mod tls;
mod topics;
mod ws;
