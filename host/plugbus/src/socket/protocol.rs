//! What goes over the local socket: newline-delimited JSON, one [`Request`] a line in, one or more [`Response`] lines out.
//!
//! # The rules
//! - A line is one JSON object with one member: the name of the operation, with its arguments as an object.
//!   `{"ping":{}}` is answered by `{"pong":{…}}`. A line ends with a newline; what stands behind the last newline when the
//!   peer closes is never acted upon.
//! - Requests of one connection are carried out one after the other, and answered in the order they came. A client may
//!   send further lines before it has read the answers (pipelining): a stream of `publish` lines is accepted in order, and
//!   each line has its own `accepted` or `error`.
//! - Each request has exactly one answer, `error` included, except `tail`: after `watching` come `event` and `missed`
//!   lines until either side closes. The subscription exists before `watching` is sent, so nothing published after it is
//!   lost. A watching connection takes no further requests; closing it, or its sending half, ends the watch.
//! - `error` says what was wrong, in which line of the connection (counted from 1) and, for broken JSON, in which column.
//!   The connection goes on unless the error has `"closing": true`.
//! - A watcher that reads too slowly loses events and is told how many, in the place where they are missing:
//!   `{"missed":{"count":12}}`. It never slows a publisher and never makes the host grow.
//! - The host closes a connection with `{"bye":{"reason":"…"}}` when it stops.
//!
//! # How it grows
//! Each line says by itself what it is, so there is no greeting and no version to agree on. A new operation is a new
//! member name: an old host answers it with the error `unknown_operation` and goes on. A new argument is optional; an old
//! host refuses arguments that it does not know (an option that is ignored in silence would be a lie). A client must
//! ignore members of an answer that it does not know. Names are never given a new meaning. `pong` has the number of the
//! protocol, for people.
//!
//! # Bounds
//! The length of a line, the number of connections and the time for reading and writing one line are bounded by
//! [`Clients`](crate::config::Clients). The socket's mode is 0600: only the user who runs the host can connect.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod error;
mod response;

pub use error::{ErrorCode, ErrorLine, parse_request};
pub use response::{Accepted, DeadFailed, Response, Settled, SettledAs};

/// The number of this protocol; it rises when an operation is added.
pub const PROTOCOL: u32 = 1;
/// Longest time that a request may ask the host to wait for.
pub const WAIT_MS_MAX: u64 = 600_000;
/// Time that the host waits for outcomes or a reply when the request names none.
pub const WAIT_MS_DEFAULT: u64 = 30_000;
/// Most filters in one `tail`.
pub const FILTERS_MAX: usize = 64;
/// Most ids in one [`Select`].
pub const SELECT_IDS_MAX: usize = 10_000;

/// One line from a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Is anybody there? Answer: `pong`.
    Ping {},
    /// Publish one event. Answer: `accepted` once the bus has taken it; with `wait_ms`, `settled` once every subscription
    /// is done with it or the time is over.
    Publish {
        /// The event in the JSON format of CloudEvents 1.0. `specversion`, `id`, `source` and `time` may be absent: the
        /// host fills them in.
        event: Box<RawValue>,
        /// How long to wait for outcomes; at most [`WAIT_MS_MAX`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Publish one event of a hook: what hooks left in the spool is taken in before it, so that what came first is first. While
    /// that has to wait, the event is refused. Answer: `accepted`.
    Hook {
        /// As for `publish`.
        event: Box<RawValue>,
    },
    /// Publish one event and hand back the first reply that a subscriber gives. Answer: `reply`.
    #[serde(rename = "request")]
    Ask {
        /// As for `publish`.
        event: Box<RawValue>,
        /// How long to wait for the reply; [`WAIT_MS_DEFAULT`] when absent, at most [`WAIT_MS_MAX`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// See events as they are published. Answer: `watching`, then `event` and `missed` lines.
    Tail {
        /// Topic filters; none means `>`.
        #[serde(default)]
        filters: Vec<String>,
        /// Begin with events of the past, out of the journal, or the history of a host without one. From there to the live ones there is neither a gap nor a
        /// double, and such a watcher misses nothing that is still there, however slowly it reads. Answer: `watching`,
        /// then `event`, `retired` and `missed` lines.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Position>,
    },
    /// Every plugin in short. Answer: `plugins`.
    Plugins {},
    /// One plugin in full. Answer: `plugin`.
    Plugin {
        /// Its name.
        name: String,
    },
    /// Load the plugin's file again, changed or not. Answer: `done`.
    Reload {
        /// Its name.
        name: String,
    },
    /// Deliver nothing to the plugin until `resume`; its queue fills up. Answer: `done`.
    Pause {
        /// Its name.
        name: String,
    },
    /// Undo `pause`, and end a suspension at once. Answer: `done`.
    Resume {
        /// Its name.
        name: String,
    },
    /// Look through the plugins folder now, and try again what was refused. Answer: `done`.
    Rescan {},
    /// Dead letters, newest last, in short. Answer: `dead_letters`.
    DeadList {
        /// Which ones; all when absent.
        #[serde(default)]
        select: Select,
    },
    /// One dead letter in full. Answer: `dead_letter`.
    DeadShow {
        /// Its id.
        id: u64,
    },
    /// Deliver dead letters again to the subscription that gave them up. Answer: `dead_done`.
    DeadReplay {
        /// Which ones.
        select: Select,
    },
    /// Forget dead letters. Answer: `dead_done`.
    DeadDrop {
        /// Which ones.
        select: Select,
    },
    /// Deliver events of the past again. Answer: `replayed`, once they are queued.
    Replay {
        /// Which part of the past.
        #[serde(default)]
        past: Range,
        /// Only topics that one of these matches; none means all.
        #[serde(default)]
        filters: Vec<String>,
        /// Only to this plugin; else to every subscription with handlers, each where it subscribes to the topic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugin: Option<String>,
    },
    /// Counters of the bus, its subscriptions and the socket. Answer: `stats`.
    Stats {},
}

/// The names of the operations, for the message about an unknown one.
pub const OPERATIONS: &[&str] = &[
    "ping",
    "publish",
    "hook",
    "request",
    "tail",
    "plugins",
    "plugin",
    "reload",
    "pause",
    "resume",
    "rescan",
    "dead_list",
    "dead_show",
    "dead_replay",
    "dead_drop",
    "replay",
    "stats",
];

/// A place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The event of this number.
    Seq(u64),
    /// The first event accepted at this time or later, in nanoseconds since the Unix epoch.
    TimeNs(u64),
}

/// A part of the past, both ends included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Range {
    /// Where it begins; with the oldest event of the journal when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Position>,
    /// Where it ends; with the last event accepted before the request when absent. A time stands for the last event before
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Position>,
}

/// Chooses dead letters. What is given must hold together; an empty selection chooses nothing where it would change
/// something, so that a forgotten argument is no disaster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Every dead letter.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// These ids, at most [`SELECT_IDS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<u64>,
    /// Of this plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// With a topic that matches this filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

impl Select {
    /// Whether nothing is chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
