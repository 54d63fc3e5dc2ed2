//! The daemon's log: structured, to stderr.

use std::io::{self, IsTerminal};

use plugbus::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Sets the log up, once for the process.
pub(super) fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(&log.level).map_err(|error| {
        Failure::usage(format!(
            "log level `{}` is none: {error}; write error, warn, info, debug, trace, or directives such as info,plugbus_loader=debug",
            log.level.escape_debug()
        ))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(format!("cannot start the log: {error}")))
}
