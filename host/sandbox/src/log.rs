//! Where a plugin's log lines go.

use std::fmt;

/// Takes the log lines of plugins. Called from inside a guest's call: it must not block.
pub trait LogSink: Send + Sync + 'static {
    /// Takes one line.
    fn log(&self, line: &LogLine<'_>);
}

/// One line of a plugin's log. Bounded by the plugin's `log_bytes`; may contain any characters, so escape it where that
/// matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// How important.
    pub level: LogLevel,
    /// The guest's name for the part it comes from; `stdout` or `stderr` for what it printed; `host` for what the host
    /// says about the plugin.
    pub context: &'a str,
    /// The text.
    pub message: &'a str,
    /// The id of the event being handled; none during `init`.
    pub event_id: Option<&'a str>,
}

/// The levels of `wasi:logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Values of variables and the flow of control.
    Trace,
    /// For debugging.
    Debug,
    /// For monitoring.
    Info,
    /// Hazardous situations.
    Warn,
    /// Serious errors.
    Error,
    /// Fatal errors.
    Critical,
}

impl LogLevel {
    /// The name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Passes lines on to `tracing`, target `plugbus::plugin`. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingLog;

impl LogSink for TracingLog {
    fn log(&self, line: &LogLine<'_>) {
        let LogLine { plugin, context, message, event_id, level } = *line;
        match level {
            LogLevel::Trace => tracing::trace!(target: "plugbus::plugin", plugin, context, event_id, "{message}"),
            LogLevel::Debug => tracing::debug!(target: "plugbus::plugin", plugin, context, event_id, "{message}"),
            LogLevel::Info => tracing::info!(target: "plugbus::plugin", plugin, context, event_id, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "plugbus::plugin", plugin, context, event_id, "{message}"),
            LogLevel::Error | LogLevel::Critical => {
                tracing::error!(target: "plugbus::plugin", plugin, context, event_id, "{message}");
            }
        }
    }
}
