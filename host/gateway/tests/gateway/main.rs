//! The gateway as a peer sees it: a real bus, a real port, real bytes.

mod ingest;
mod support;
