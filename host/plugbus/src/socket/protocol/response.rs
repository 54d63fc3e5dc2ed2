//! What the host answers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ErrorLine;

/// One line from the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// The host is there.
    Pong {
        /// Version of the host.
        version: String,
        /// See [`PROTOCOL`](super::PROTOCOL).
        protocol: u32,
        /// Its process.
        pid: u32,
        /// The file in which hooks leave what it does not take in time; none where it takes nothing in from there, or is older.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spool: Option<std::path::PathBuf>,
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
    /// Events of the past that the journal has no more: the watch goes on with the first it has.
    Retired {
        /// How many numbers, wanted or not.
        count: u64,
        /// The first number that the journal has.
        first: u64,
    },
    /// Events of the past are queued again.
    Replayed {
        /// The first number that was looked at: higher than asked for where what was before it is retired.
        first: u64,
        /// The last number that was looked at.
        last: u64,
        /// Events that were delivered to somebody.
        events: u64,
        /// Deliveries that were queued.
        deliveries: u64,
        /// Numbers that were asked for and are retired.
        retired: u64,
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
