//! What a bad guest is, and what must become of it.

use std::fs;

use plugbus_fixtures::built;

use crate::support::host::{PLENTY_OF_TIME, TestHost};

/// One bad guest.
pub(super) struct Case {
    pub(super) file: File,
    /// Lines at the top of its manifest, in `[limits]` and in `[config]`.
    top: &'static str,
    limits: &'static str,
    config: &'static str,
    /// Data of the events that it gets.
    pub(super) events: &'static [&'static str],
    pub(super) expected: Expected,
}

/// What is put into the folder.
pub(super) enum File {
    /// The component with these bytes.
    Bytes(Vec<u8>),
    /// So many zero bytes that take no room on the disk.
    Sparse(u64),
}

/// What becomes of it.
#[derive(Debug, Default, Clone)]
pub(super) struct Expected {
    pub(super) end: End,
    /// The limit in the report, with its value.
    pub(super) limit: Option<&'static str>,
    /// Parts of the reason, the cause or the reply.
    pub(super) says: &'static [&'static str],
    /// A part of what the guest wrote to stderr.
    pub(super) stderr: Option<&'static str>,
    /// A part of some frame of its backtrace.
    pub(super) frame: Option<&'static str>,
}

/// Where it ends.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum End {
    /// It never runs: `plugbus.plugin.rejected` of this kind.
    Rejected(&'static str),
    /// Every attempt is a fault of this kind; then the event is a dead letter.
    Faults(&'static str),
    /// The guest gives each event up in its own words, `reject`; or asks again until its attempts are used up, `retry`.
    Fails(&'static str),
    /// The host refuses what the guest wants, and the guest replies with what it was told.
    Told,
    /// What is over the limit is cut; the event is acked.
    #[default]
    Acks,
}

impl Case {
    /// A guest from `tests/fixtures/examples`.
    pub(super) fn fixture(name: &str) -> Self {
        Self::bytes(built::fixture_bytes(name))
    }

    /// Any bytes.
    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self::file(File::Bytes(bytes))
    }

    pub(super) fn file(file: File) -> Self {
        let top = "filters = [\"bad.>\"]";
        Self { file, top, limits: "", config: "", events: &["one", "two"], expected: Expected::default() }
    }

    /// Other lines at the top of the manifest than the filter `bad.>`.
    pub(super) fn top(self, top: &'static str) -> Self {
        Self { top, ..self }
    }

    pub(super) fn limits(self, limits: &'static str) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn config(self, config: &'static str) -> Self {
        Self { config, ..self }
    }

    pub(super) fn events(self, events: &'static [&'static str]) -> Self {
        Self { events, ..self }
    }

    pub(super) fn ends(mut self, end: End) -> Self {
        self.expected.end = end;
        self
    }

    pub(super) fn limit(mut self, limit: &'static str) -> Self {
        self.expected.limit = Some(limit);
        self
    }

    pub(super) fn says(mut self, says: &'static [&'static str]) -> Self {
        self.expected.says = says;
        self
    }

    pub(super) fn stderr(mut self, stderr: &'static str) -> Self {
        self.expected.stderr = Some(stderr);
        self
    }

    pub(super) fn frame(mut self, frame: &'static str) -> Self {
        self.expected.frame = Some(frame);
        self
    }

    /// Its manifest. Two attempts, close together: what follows from an attempt that failed is seen, and soon. A case that
    /// is not about time has plenty.
    pub(super) fn manifest(&self) -> String {
        let retry = "[retry]\nattempts = 2\nbackoff_min_ms = 1\nbackoff_max_ms = 1";
        let time = if self.limits.contains("deadline") { "" } else { PLENTY_OF_TIME };
        format!("{}\n{retry}\n[limits]\n{time}\n{}\n[config]\n{}\n", self.top, self.limits, self.config)
    }
}

impl File {
    /// Puts it into the plugins folder.
    pub(super) fn put(&self, host: &TestHost, file: &str) {
        match self {
            Self::Bytes(bytes) => host.put_bytes(file, bytes),
            Self::Sparse(bytes) => {
                let part = host.beside("sparse");
                fs::File::create(&part).unwrap().set_len(*bytes).unwrap();
                fs::rename(part, host.path(file)).unwrap();
            }
        }
    }
}
