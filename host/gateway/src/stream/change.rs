//! Filters that come to a reader while it lives.

use plugbus_bus::{Filter, WatchError, Watcher};

use super::begin::{Begin, Wanted, begin};
use super::missed::Missed;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// Adds filters, with a past of their own where `from` says so. What of it cannot be there is returned.
///
/// # Errors
/// 400 where they cannot be added, 503 where the watch has ended.
pub(crate) fn add(
    shared: &Shared,
    watcher: &mut Watcher,
    filters: Vec<Filter>,
    from: Option<u64>,
) -> Result<Option<Missed>, Problem> {
    let span = shared.bus.event_log().map(|log| log.span());
    // A peer names the number that it wants first; one over the next is of another life of the host.
    let wanted = from.map_or(Wanted::Live, |from| Wanted::After(from.saturating_sub(1)));
    let Begin { from, missed } = begin(wanted, span)?;
    let added = watcher.add(filters, from);
    added.map_err(|error| match error {
        WatchError::Ended => Problem::unavailable(chain(&error)),
        error => Problem::bad_request(chain(&error)),
    })?;
    Ok(missed)
}
