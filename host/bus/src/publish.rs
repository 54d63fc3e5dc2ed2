//! What publishing gives back.

use std::sync::Arc;

use serde::Serialize;

use crate::event::{Draft, InvalidEvent};
use crate::journal::JournalError;
use crate::name::Name;

/// The bus has accepted an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The event's id.
    pub id: Arc<str>,
    /// The bus's number; 0 for an event that was muted or is held back, or is still on its way into the journal.
    pub seq: u64,
    /// Subscriptions that the event matched. Each will ack it or have it as a dead letter, but for those in `dropped`.
    pub matched: usize,
    /// Of these, how many have it as a dead letter already (queue full, inline handler failed).
    pub dead: usize,
    /// Of these, how many dropped this event by their policy.
    pub dropped: usize,
    /// The inline handler that stopped the event, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<Name>,
    /// What became of it if it was not delivered.
    pub disposition: Disposition,
}

/// Whether an accepted event went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// To all subscriptions that match.
    Delivered,
    /// To none: a [`MuteGuard`](crate::MuteGuard) swallowed it.
    Muted,
    /// Later: a [`HoldGuard`](crate::HoldGuard) keeps it.
    Held,
    /// To none: over the bound on hops; it is a dead letter.
    TooManyHops,
    /// To none: an event of this id and source was accepted before, within the journal's window. The receipt has its number.
    Duplicate,
    /// Not yet: the journal has it in hand, and [`Bus::try_publish`](crate::Bus::try_publish) does not wait for it. Should the
    /// journal refuse it, it becomes a dead letter.
    Journaling,
}

impl Disposition {
    fn words(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Muted => "muted",
            Self::Held => "held back",
            Self::TooManyHops => "over the bound on hops",
            Self::Duplicate => "accepted before",
            Self::Journaling => "not in the journal yet",
        }
    }
}

/// The bus has not accepted an event. The draft comes back with [`PublishError::into_draft`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event is malformed or over a limit.
    #[error("event not acceptable")]
    Invalid {
        /// The draft.
        draft: Box<Draft>,
        /// What is wrong.
        #[source]
        source: InvalidEvent,
    },
    /// A subscription (or a hold) has no room and does not let publishers wait.
    #[error("queue of `{by}` is full; try again later, or publish with `publish().await`, which waits for room")]
    Full {
        /// The draft.
        draft: Box<Draft>,
        /// Whose queue.
        by: Name,
    },
    /// The bus takes only declared topics, and this is none.
    #[error("topic `{}` is not declared; declare it first (`Bus::declare`)", draft.topic)]
    Undeclared {
        /// The draft.
        draft: Box<Draft>,
    },
    /// The journal did not take the event.
    #[error("the journal did not take the event")]
    Journal {
        /// The draft.
        draft: Box<Draft>,
        /// Why.
        #[source]
        source: JournalError,
    },
    /// As many writes as may be are on their way into the journal.
    #[error("the journal is behind; try again later, or publish with `publish().await`, which waits for it")]
    Busy(Box<Draft>),
    /// The bus is shutting down.
    #[error("the bus is shutting down")]
    Closed(Box<Draft>),
}

impl PublishError {
    /// The draft as it was given.
    #[must_use]
    pub fn into_draft(self) -> Draft {
        match self {
            Self::Invalid { draft, .. }
            | Self::Full { draft, .. }
            | Self::Journal { draft, .. }
            | Self::Undeclared { draft }
            | Self::Busy(draft)
            | Self::Closed(draft) => *draft,
        }
    }
}

/// Why a request got no reply.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The event was not accepted.
    #[error("request not published")]
    Publish(#[from] PublishError),
    /// No subscription matches the topic.
    #[error("nobody subscribes to `{topic}`")]
    NoSubscriber {
        /// The topic.
        topic: String,
    },
    /// Nobody got it now: a mute swallowed it, a hold keeps it (and publishes it later), or it had too many hops.
    #[error("no reply: `{topic}` was not delivered, it was {}", disposition.words())]
    Withheld {
        /// The topic.
        topic: String,
        /// What became of the event.
        disposition: Disposition,
    },
    /// Every subscription settled, none with a reply.
    #[error("no subscriber of `{topic}` replied ({settled} settled)")]
    NoReply {
        /// The topic.
        topic: String,
        /// How many settled.
        settled: usize,
    },
    /// The time was up first. Handlers go on.
    #[error("no reply within {timeout_ms} ms")]
    TimedOut {
        /// The time allowed.
        timeout_ms: u128,
    },
}
