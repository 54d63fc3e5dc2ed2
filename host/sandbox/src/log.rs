//! Where a plugin's log lines go.

use std::borrow::Cow;
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

/// Passes lines on to `tracing`, target `plugbus::plugin`. The default. Control characters are escaped: a plugin must not
/// write lines of the host's log that look like others'.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingLog;

impl LogSink for TracingLog {
    fn log(&self, line: &LogLine<'_>) {
        let LogLine { plugin, context, message, event_id, level } = *line;
        let (context, message) = (&*one_line(context), one_line(message));
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

/// The text without control characters but tabs.
fn one_line(text: &str) -> Cow<'_, str> {
    let hostile = |c: char| c.is_control() && c != '\t';
    if !text.contains(hostile) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if hostile(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        assert!(matches!(one_line("plain\tü \\ \"x\""), Cow::Borrowed(_)));
        assert_eq!(one_line("a\nERROR forged \u{1b}[31m"), "a\\nERROR forged \\u{1b}[31m");
    }
}
