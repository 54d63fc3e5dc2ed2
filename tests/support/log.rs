//! Keeps the log lines of plugins.

use std::sync::Mutex;

use plugbus::sandbox::{LogLevel, LogLine, LogSink};

/// One line, as the host passed it on.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) plugin: String,
    pub(crate) level: LogLevel,
    pub(crate) context: String,
    pub(crate) message: String,
    pub(crate) event_id: Option<String>,
}

/// All lines so far.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Vec<Line>>);

impl LogSink for Lines {
    fn log(&self, line: &LogLine<'_>) {
        self.0.lock().unwrap().push(Line {
            plugin: line.plugin.into(),
            level: line.level,
            context: line.context.into(),
            message: line.message.into(),
            event_id: line.event_id.map(Into::into),
        });
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    /// What the host said about a plugin, in the plugin's log.
    pub(crate) fn of_host(&self) -> Vec<String> {
        self.all().into_iter().filter(|line| line.context == "host").map(|line| line.message).collect()
    }
}
