//! Where a reader begins.

use plugbus_bus::{Filter, WatchLimits, Watcher};

use super::READER_PREFIX;
use super::missed::{Missed, Reason};
use crate::counters::count;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// Where a reader wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// With the next event.
    Live,
    /// With the event of this number.
    From(u64),
    /// Behind the event of this number, which it has seen, in this life of the host or an earlier one.
    After(u64),
}

/// Where it begins, and what it is told of first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) from: Option<u64>,
    pub(crate) missed: Option<Missed>,
}

/// What a wish comes to, where this is what the host remembers: the first and the last number. Pure.
///
/// # Errors
/// Where somebody asks for a past by its number and there is none. One who only reconnects goes on, and is told.
pub(crate) fn begin(wanted: Wanted, span: Option<(u64, u64)>) -> Result<Begin, Problem> {
    let at = |from| Begin { from: Some(from), missed: None };
    match (wanted, span) {
        (Wanted::Live, _) => Ok(Begin { from: None, missed: None }),
        (Wanted::From(from), Some(_)) => Ok(at(from)),
        (Wanted::From(_), None) => Err(no_past()),
        (Wanted::After(last), Some((first, head))) if last > head => {
            let missed = Some(Missed::unknown(Reason::Restart, Some(first)));
            tracing::debug!(last, head, "a reader comes with a position of another life of the host");
            Ok(Begin { from: Some(first), missed })
        }
        (Wanted::After(last), Some(_)) => Ok(at(last + 1)),
        (Wanted::After(_), None) => Ok(Begin { from: None, missed: Some(Missed::unknown(Reason::NoHistory, None)) }),
    }
}

/// Nothing is remembered.
pub(crate) fn no_past() -> Problem {
    Problem::bad_request(
        "this host keeps no journal and no history, so there is no past to begin with (`journal.enabled`, \
         `history.events_max`)",
    )
}

/// Begins a watch for a reader.
///
/// # Errors
/// Where it cannot begin: 400, or 503 while the host stops.
pub(crate) fn watch(shared: &Shared, filters: Vec<Filter>, from: Option<u64>) -> Result<Watcher, Problem> {
    let number = count(&shared.counters.readers);
    let settings = &shared.settings;
    let limits = WatchLimits { events_max: settings.watch_events_max, bytes_max: settings.watch_bytes_max };
    let watch = shared.bus.watch(filters).name(format!("{READER_PREFIX}{number}"));
    let watch = watch.limits(limits).counters(shared.counters.watching.clone());
    let watch = if let Some(from) = from { watch.from(from) } else { watch };
    watch.begin().map_err(|error| if shared.bus.is_open() { Problem::bad_request(chain(&error)) } else { stopping() })
}

/// The host takes nothing more.
pub(crate) fn stopping() -> Problem {
    Problem::unavailable("the host is stopping; try again when it is back")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_begins_where_it_asked_to_or_is_told_why_not() {
        let from = |wanted, span| begin(wanted, span).unwrap();
        let some = |from| Begin { from: Some(from), missed: None };
        let told = |from, reason, first| Begin { from, missed: Some(Missed::unknown(reason, first)) };
        assert_eq!(from(Wanted::Live, Some((1, 9))), Begin { from: None, missed: None });
        assert_eq!(from(Wanted::From(3), Some((5, 9))), some(3), "the watcher says what is gone");
        assert_eq!(from(Wanted::After(9), Some((5, 9))), some(10));
        assert_eq!(from(Wanted::After(10), Some((5, 9))), told(Some(5), Reason::Restart, Some(5)));
        assert_eq!(from(Wanted::After(u64::MAX), Some((1, 0))), told(Some(1), Reason::Restart, Some(1)));
        assert_eq!(from(Wanted::After(3), None), told(None, Reason::NoHistory, None));
        assert!(begin(Wanted::From(3), None).is_err());
    }
}
