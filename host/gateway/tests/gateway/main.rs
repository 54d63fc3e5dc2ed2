//! The gateway as a peer sees it: a real bus, a real port, real bytes.

mod dashboard;
mod dead;
mod ingest;
mod operation;
mod support;
