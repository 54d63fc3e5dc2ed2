//! A watching connection: live events, and on request the past before them.
//!
//! A watch without a past loses events when it reads too slowly, and is told. One with a past reads them from the journal
//! (or the history) again: its bounded queue of live events is then only what need not be read from there.

use std::sync::Arc;

use plugbus_bus::Watched;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::{Ended, FLUSH_BYTES, Out, at, reached};
use crate::report::chain;
use crate::socket::counters::Gauge;
use crate::socket::lines::{Disturbance, Lines};
use crate::socket::protocol::{ErrorCode, ErrorLine, Position, Response};
use crate::socket::{Phase, Services, event, operations};

/// What a client asked to see.
pub(super) struct Wanted {
    pub(super) filters: Vec<String>,
    pub(super) from: Option<Position>,
    /// The number of its line.
    pub(super) number: u64,
}

/// Streams events to a watcher until it closes, breaks a rule, or the host stops.
pub(super) async fn tail<R, W>(
    services: &Arc<Services>,
    wanted: Wanted,
    lines: &mut Lines<R>,
    out: &mut Out<W>,
    phase: &mut watch::Receiver<Phase>,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Wanted { filters, from, number } = wanted;
    let filters = if filters.is_empty() { vec![">".into()] } else { filters };
    let mut watcher = match operations::watch(services, &filters, from).await {
        Ok(watcher) => watcher,
        Err(error) => {
            out.push(&at(Response::Error(ErrorLine::closing(error)), number))?;
            return out.flush().await;
        }
    };
    let _gauge = Gauge::enter(&services.counters.watchers);
    out.push(&Response::Watching { filters })?;
    out.flush().await?;
    // From here on a slow reader loses events instead of its connection.
    out.timeout = None;
    loop {
        tokio::select! {
            next = watcher.next() => match next {
                Some(seen) => show(seen, out)?,
                None => {
                    // The bus has ended, or somebody has ended this watch.
                    out.timeout = Some(services.limits.write_timeout);
                    return out.bye("the host has stopped").await;
                }
            },
            disturbance = lines.disturbed() => return match disturbance {
                Disturbance::Closed => Ok(()),
                Disturbance::Bytes => {
                    let error = ErrorLine::new(ErrorCode::BadRequest, "a watching connection takes no further requests; open another one");
                    out.timeout = Some(services.limits.write_timeout);
                    out.push(&at(Response::Error(error.closing()), number + 1))?;
                    out.flush().await
                }
            },
            () = reached(phase, Phase::Closed) => {
                while let Some(seen) = watcher.try_next() {
                    show(seen, out)?;
                }
                out.timeout = Some(services.limits.write_timeout);
                return out.bye("the host has stopped").await;
            }
        }
        while out.buffer.len() < FLUSH_BYTES
            && let Some(seen) = watcher.try_next()
        {
            show(seen, out)?;
        }
        out.flush().await?;
    }
}

fn show<W: AsyncWrite + Unpin>(seen: Watched, out: &mut Out<W>) -> Result<(), Ended> {
    match seen {
        Watched::Event(event) => out.push(&Response::Event(event::to_json(&event)?)),
        Watched::Missed { count } => out.push(&Response::Missed { count }),
        Watched::Retired { count, first } => out.push(&Response::Retired { count, first }),
        Watched::Unreadable { count, error } => {
            out.push(&Response::Error(ErrorLine::new(ErrorCode::Failed, chain(&error))))?;
            out.push(&Response::Missed { count })
        }
    }
}
