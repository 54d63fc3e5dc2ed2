//! The past: events out of the journal, delivered again.

use plugbus_bus::{EventLog, Filter, Name, Past, PastError};
use plugbus_journal::JournalStats;
use serde_json::{Value, json};

use super::super::Services;
use super::super::protocol::{ErrorCode, ErrorLine, FILTERS_MAX, Position, Range, Response};
use super::Result;
use crate::report::chain;

/// The number that a position means.
pub(super) async fn seq_of(log: &EventLog, position: Position) -> Result<u64> {
    match position {
        Position::Seq(seq) => Ok(seq),
        Position::TimeNs(time_ns) => {
            log.seq_at(time_ns).await.map_err(|error| ErrorLine::new(ErrorCode::Failed, chain(&error)))
        }
    }
}

pub(super) async fn replay(
    services: &Services,
    range: &Range,
    filters: &[String],
    plugin: Option<String>,
) -> Result<Response> {
    let Some(journal) = services.bus.journal().cloned().map(EventLog::Journal) else {
        let message = "this host keeps no journal: there is no past to replay (`journal.enabled`)";
        return Err(ErrorLine::new(ErrorCode::BadRequest, message));
    };
    let wrong = |message: String| ErrorLine::new(ErrorCode::BadRequest, message);
    if filters.len() > FILTERS_MAX {
        return Err(wrong(format!("{} filters; at most {FILTERS_MAX} are allowed", filters.len())));
    }
    let filters = filters.iter().map(|text| Filter::parse(text).map_err(|error| wrong(format!("filter {error}"))));
    let subscription = plugin.map(|plugin| Name::parse(format!("plugin/{plugin}"))).transpose();
    let from = match range.from {
        Some(position) => seq_of(&journal, position).await?,
        None => 0,
    };
    let to = match range.to {
        Some(Position::TimeNs(time_ns)) => Some(seq_of(&journal, Position::TimeNs(time_ns)).await?.saturating_sub(1)),
        Some(Position::Seq(seq)) => Some(seq),
        None => None,
    };
    let past = Past {
        from,
        to,
        filters: filters.collect::<Result<_>>()?,
        subscription: subscription.map_err(|error| wrong(error.to_string()))?,
    };
    let done = services.bus.replay(&past).await.map_err(|error| {
        let code = match error {
            PastError::NoSubscription(_) => ErrorCode::NotFound,
            PastError::Full { .. } => ErrorCode::Full,
            _ => ErrorCode::Failed,
        };
        ErrorLine::new(code, chain(&error))
    })?;
    let plugbus_bus::PastReplayed { first, last, events, deliveries, retired } = done;
    Ok(Response::Replayed { first, last, events, deliveries, retired })
}

/// Figures of the journal, and who is away and holds events in it.
pub(crate) fn stats(services: &Services, stats: &JournalStats) -> Value {
    let times = &stats.commit_times;
    json!({
        "first_seq": stats.first,
        "last_seq": stats.last,
        "appended": stats.appended,
        "duplicates": stats.duplicates,
        "refused": stats.refused,
        "unwritten": stats.unwritten,
        "retired": stats.retired,
        "dropped": stats.dropped.iter().map(|(name, count)| json!({ "subscription": name, "events": count })).collect::<Vec<_>>(),
        "writes": stats.writes,
        "writes_waiting": stats.queued,
        "commits": stats.commits,
        "commits_failed": stats.failed_commits,
        "commit_ns_p50": nanos(times.quantile(0.5)),
        "commit_ns_p99": nanos(times.quantile(0.99)),
        "commit_ns_max": nanos(times.max()),
        "checkpoints": stats.checkpoints,
        "bytes": stats.bytes,
        "file_bytes": stats.file_bytes,
        "trouble": stats.trouble,
        "absent": services.bus.absent_cursors(),
    })
}

fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
