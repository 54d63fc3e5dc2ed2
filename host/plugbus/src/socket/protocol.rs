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

/// The number of this protocol; it rises when an operation is added.
pub const PROTOCOL: u32 = 1;
/// Longest time that a request may ask the host to wait for.
pub const WAIT_MS_MAX: u64 = 600_000;
/// Time that the host waits for outcomes or a reply when the request names none.
pub const WAIT_MS_DEFAULT: u64 = 30_000;
/// Most filters in one `tail`.
pub const FILTERS_MAX: usize = 64;

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
    /// Look through the plugins folder now. Answer: `done`.
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
    /// Counters of the bus, its subscriptions and the socket. Answer: `stats`.
    Stats {},
}

/// The names of the operations, for the message about an unknown one.
pub const OPERATIONS: &[&str] = &[
    "ping",
    "publish",
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
    "stats",
];

/// Chooses dead letters. What is given must hold together; an empty selection chooses nothing where it would change
/// something, so that a forgotten argument is no disaster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Every dead letter.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// These ids.
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

/// One line from the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// The host is there.
    Pong {
        /// Version of the host.
        version: String,
        /// See [`PROTOCOL`].
        protocol: u32,
        /// Its process.
        pid: u32,
    },
    /// The bus has the event: it will reach every matching subscription or become a dead letter.
    Accepted(Accepted),
    /// The event was accepted, and this became of it.
    Settled {
        /// The acceptance.
        #[serde(flatten)]
        accepted: Accepted,
        /// One entry a subscription; watchers are left out.
        results: Vec<Settled>,
    },
    /// The first reply.
    Reply {
        /// Its media type.
        content_type: String,
        /// Data that is text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Any other data, in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_base64: Option<String>,
    },
    /// The watch has begun.
    Watching {
        /// The filters in force.
        filters: Vec<String>,
    },
    /// An event in the JSON format of CloudEvents 1.0, with the host's `seq`.
    Event(Box<RawValue>),
    /// Events that this watcher read too slowly to see.
    Missed {
        /// How many, since the last `event` or `missed`.
        count: u64,
    },
    /// Every plugin.
    Plugins {
        /// In the order of their names.
        plugins: Vec<serde_json::Value>,
    },
    /// One plugin.
    Plugin(serde_json::Value),
    /// The operation was carried out.
    Done {
        /// What was done, for people.
        message: String,
    },
    /// Dead letters.
    DeadLetters {
        /// Those chosen.
        dead_letters: Vec<serde_json::Value>,
    },
    /// One dead letter.
    DeadLetter(Box<RawValue>),
    /// What became of each dead letter that was to be replayed or dropped.
    DeadDone {
        /// Ids that were.
        done: Vec<u64>,
        /// Ids that were not, and why.
        failed: Vec<DeadFailed>,
    },
    /// Counters.
    Stats(serde_json::Value),
    /// The request was not carried out.
    Error(ErrorLine),
    /// The host closes the connection, not for a mistake of the client's.
    Bye {
        /// Why.
        reason: String,
    },
}

/// The acceptance of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The event's id, the host's own where the client gave none.
    pub id: String,
    /// The bus's number.
    pub seq: u64,
    /// How many subscriptions matched, watchers included.
    pub matched: u64,
    /// Of these, how many have it as a dead letter already.
    #[serde(default)]
    pub dead: u64,
    /// Of these, how many dropped it by their policy for a full queue.
    #[serde(default)]
    pub dropped: u64,
    /// `delivered`, or why it was not: `muted`, `held`, `too-many-hops`.
    #[serde(default)]
    pub disposition: String,
}

/// What became of an event at one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The subscription.
    pub subscription: String,
    /// What became of it.
    pub outcome: SettledAs,
    /// The reason, for all but `acked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Media type of the reply, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_content_type: Option<String>,
    /// The reply where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_text: Option<String>,
    /// The reply where it is not text, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_base64: Option<String>,
}

/// The ways an event is settled at a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SettledAs {
    /// Handled.
    Acked,
    /// Given up: a dead letter.
    Dead,
    /// Dropped by the subscription's own policy for a full queue.
    Dropped,
    /// Not settled in the time that was allowed; it goes on.
    Pending,
}

/// A dead letter that could not be replayed or dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadFailed {
    /// Its id.
    pub id: u64,
    /// Why.
    pub reason: String,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLine {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what, where, and how to mend it.
    pub message: String,
    /// The line of the connection, counted from 1; absent where no line is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The byte in the line, counted from 1, for broken JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Whether the host closes the connection now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closing: bool,
}

impl ErrorLine {
    /// An error without a place.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), line: None, column: None, closing: false }
    }

    /// The same, closing the connection.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }
}

/// The kinds of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The line is not JSON.
    BadJson,
    /// The operation is not known to this host.
    UnknownOperation,
    /// The operation's arguments are wrong.
    BadRequest,
    /// The event is not acceptable.
    InvalidEvent,
    /// A subscription's queue is full and its policy is to refuse: publish again later.
    Full,
    /// The host is stopping.
    Stopping,
    /// Nobody replied in time.
    NoReply,
    /// No plugin or dead letter of that name.
    NotFound,
    /// The host tried and failed.
    Failed,
    /// The line is too long.
    LineTooLong,
    /// The peer took too long to send a line, or sent nothing for too long.
    TimedOut,
    /// More connections than the host takes.
    TooManyConnections,
    /// A kind of a newer host.
    #[serde(other)]
    Other,
}

/// Reads one line of a client. Never panics, whatever the bytes.
///
/// # Errors
/// The error line to answer with, without the line's number.
pub fn parse_request(line: &[u8]) -> Result<Request, ErrorLine> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    serde_json::from_slice(line).map_err(|error| explain(&error, line))
}

/// Says what is wrong with a line. Pure.
fn explain(error: &serde_json::Error, line: &[u8]) -> ErrorLine {
    use serde_json::error::Category;
    // serde_json's own " at line 1 column 7" goes: the line it counts is not the connection's.
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let column = u64::try_from(error.column()).ok().filter(|column| *column > 0);
    if line.is_empty() {
        let message = "an empty line is no request; a request is one JSON object on one line, such as {\"ping\":{}}";
        return ErrorLine { column: Some(1), ..ErrorLine::new(ErrorCode::BadJson, message) };
    }
    let (code, message) = match error.classify() {
        Category::Data if text.starts_with("unknown variant") => {
            let name = text.split('`').nth(1).unwrap_or_default();
            let name: String = name.chars().take(40).collect();
            let known = OPERATIONS.join(", ");
            (ErrorCode::UnknownOperation, format!("unknown operation `{name}`; this host knows {known}"))
        }
        Category::Data => {
            (ErrorCode::BadRequest, format!("not a request: {text}; a request looks like {{\"ping\":{{}}}}"))
        }
        Category::Syntax | Category::Eof | Category::Io => (ErrorCode::BadJson, format!("not JSON: {text}")),
    };
    let message = message.chars().take(600).collect::<String>();
    ErrorLine { column, ..ErrorLine::new(code, message) }
}
