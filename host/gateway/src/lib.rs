//! How events get in and out of a plugbus host without Rust: HTTP on one port and, the same routes, on the local socket.
//!
//! A [`Gateway`] is made over a [`Bus`](plugbus_bus::Bus) and, for what plugins and dead letters need, an [`Admin`].
//! [`Gateway::bind`] serves it on a port, [`Gateway::serve_stream`] on a connection that somebody else accepted, and
//! [`Gateway::router`] hands out the routes for an axum app of your own.
//!
//! Every peer is hostile until the contrary is shown: what bounds it stands in [`Settings`], what was hit in
//! [`GatewayStats`]. The bus never waits for a peer.

mod admin;
mod app;
mod auth;
mod counters;
mod dashboard;
mod gateway;
mod guard;
mod health;
mod ingest;
mod manage;
mod metrics;
mod openapi;
mod problem;
mod rate;
mod reread;
mod serve;
mod settings;
mod shared;
mod socketio;
mod stream;
mod trace;

pub use admin::{Action, Admin, AdminError, Check, Done, Upload};
pub use auth::TokensError;
pub use counters::GatewayStats;
pub use gateway::{Gateway, GatewayError};
pub use http;
pub use ingest::binary;
pub use metrics::{Family, Field, Kind, Labels, Number, Sample, read};
pub use problem::Problem;
pub use serve::{Bound, Server, TlsError};
pub use settings::{Settings, TlsFiles};
