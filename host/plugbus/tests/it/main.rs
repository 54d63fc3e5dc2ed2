//! The facade from outside: protocol, configuration, and the socket with clients good and bad.

mod config;
mod embed;
mod hostile;
mod protocol;
mod socket;
mod support;
