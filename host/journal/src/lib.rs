//! The embedded durable log of plugbus.

pub mod codec;
