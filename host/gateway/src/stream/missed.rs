//! What a reader is told of events that it will not see.

use plugbus_bus::Watched;
use serde::Serialize;
use utoipa::ToSchema;

/// Events that are missing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Missed {
    /// How many: events for `slow`, numbers (wanted or not) otherwise; null where nobody can know.
    #[schema(example = 12)]
    pub(crate) count: Option<u64>,
    /// Why.
    pub(crate) reason: Reason,
    /// The first number that is still there, where older ones are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// They were read too slowly.
    Slow,
    /// The past no longer has them.
    Retired,
    /// The past cannot be read.
    Unreadable,
    /// The position is of another life of the host: its numbers have begun anew.
    Restart,
    /// The host remembers nothing.
    NoHistory,
}

impl Missed {
    pub(crate) fn unknown(reason: Reason, first: Option<u64>) -> Self {
        Self { count: None, reason, first }
    }

    /// What is missing, where it is no event that was seen.
    pub(crate) fn of(seen: &Watched) -> Option<Self> {
        match seen {
            Watched::Event(_) => None,
            Watched::Missed { count } => Some(Self { count: Some(*count), reason: Reason::Slow, first: None }),
            Watched::Retired { count, first } => {
                Some(Self { count: Some(*count), reason: Reason::Retired, first: Some(*first) })
            }
            Watched::Unreadable { count, error } => {
                tracing::warn!(error = error as &dyn std::error::Error, count, "a reader's past cannot be read");
                Some(Self { count: Some(*count), reason: Reason::Unreadable, first: None })
            }
        }
    }
}
