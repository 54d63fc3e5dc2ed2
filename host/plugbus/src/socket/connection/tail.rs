//! A watching connection: live events, and on request the past before them.
//!
//! A watch without a past loses events when it reads too slowly, and is told. One with a past reads them from the journal
//! again: its bounded queue of live events is then only what need not be read from there.

use std::sync::Arc;

use plugbus_bus::Filter;
use plugbus_bus::journal::{Batch, Journal, JournalError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::{Ended, FLUSH_BYTES, Out, at, reached};
use crate::report::chain;
use crate::socket::counters::Gauge;
use crate::socket::lines::{Disturbance, Lines};
use crate::socket::protocol::{ErrorCode, ErrorLine, FILTERS_MAX, Position, Response};
use crate::socket::watch_queue::{Seen, Watch};
use crate::socket::{Phase, Services, event, operations};

/// Most events in one read of the journal.
const READ_EVENTS: usize = 256;
/// About the most bytes in one read of the journal.
const READ_BYTES: usize = 1 << 20;

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
    let watch = Arc::new(Watch::new(services.limits.watch_events_max, services.limits.watch_bytes_max));
    let begun = async {
        let subscription = subscribe(services, &filters, &watch)?;
        Ok((subscription, Past::begin(services, &filters, from).await?))
    };
    let (_subscription, mut past) = match begun.await {
        Ok(begun) => begun,
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
            next = next(&watch, past.as_mut()) => show(next, past.as_mut(), out)?,
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
                while let Some(seen) = watch.take() {
                    show(Next::Live(seen), past.as_mut(), out)?;
                }
                out.timeout = Some(services.limits.write_timeout);
                return out.bye("the host has stopped").await;
            }
        }
        while out.buffer.len() < FLUSH_BYTES
            && past.as_ref().is_none_or(|past| past.is_over())
            && let Some(seen) = watch.take()
        {
            show(Next::Live(seen), past.as_mut(), out)?;
        }
        out.flush().await?;
    }
}

fn subscribe(
    services: &Arc<Services>,
    filters: &[String],
    watch: &Arc<Watch>,
) -> Result<plugbus_bus::Subscription, ErrorLine> {
    if filters.len() > FILTERS_MAX {
        let message = format!("{} filters; at most {FILTERS_MAX} are allowed in one watch", filters.len());
        return Err(ErrorLine::new(ErrorCode::BadRequest, message));
    }
    operations::watch(services, filters, watch)
}

/// What a watcher is shown next.
enum Next {
    Live(Seen),
    Past(Result<Batch, JournalError>),
}

/// The past while there is one to read, then what is live. Cancel-safe.
async fn next(watch: &Watch, past: Option<&mut Past>) -> Next {
    match past {
        Some(past) if !past.is_over() => Next::Past(past.journal.read(past.next, READ_EVENTS, READ_BYTES).await),
        _ => Next::Live(watch.next().await),
    }
}

fn show<W: AsyncWrite + Unpin>(next: Next, past: Option<&mut Past>, out: &mut Out<W>) -> Result<(), Ended> {
    match (next, past) {
        (Next::Live(Seen::Event(event)), past) => {
            // The host's own events have no number: they are never in the journal.
            let shown_before = past.is_some_and(|past| event.seq > 0 && !past.goes_on_with(event.seq));
            if !shown_before {
                out.push(&Response::Event(event::to_json(&event)?))?;
            }
        }
        (Next::Live(Seen::Missed(_)), Some(past)) => past.read_again(),
        (Next::Live(Seen::Missed(count)), None) => out.push(&Response::Missed { count })?,
        (Next::Past(read), Some(past)) => past.show(read, out)?,
        (Next::Past(_), None) => {}
    }
    Ok(())
}

/// What a watcher reads from the journal.
struct Past {
    journal: Arc<dyn Journal>,
    filters: Vec<Filter>,
    /// The next number to show.
    next: u64,
    /// The last number to read before what is live goes on.
    until: u64,
}

impl Past {
    async fn begin(services: &Services, filters: &[String], from: Option<Position>) -> Result<Option<Self>, ErrorLine> {
        let Some(from) = from else { return Ok(None) };
        let Some(journal) = services.bus.journal().cloned() else {
            let message = "this host keeps no journal, so there is no past to begin with (`journal.enabled`)";
            return Err(ErrorLine::new(ErrorCode::BadRequest, message));
        };
        let filters = filters.iter().map(Filter::parse).collect::<Result<_, _>>();
        let filters = filters.map_err(|error| ErrorLine::new(ErrorCode::BadRequest, format!("filter {error}")))?;
        let next = operations::past::seq_of(journal.as_ref(), from).await?.max(1);
        // The subscription is there: whatever it does not see is committed up to here.
        let until = journal.span().1;
        Ok(Some(Self { journal, filters, next, until }))
    }

    fn is_over(&self) -> bool {
        self.next > self.until
    }

    /// Whether a live event is the next one to be shown; notes that it is.
    fn goes_on_with(&mut self, seq: u64) -> bool {
        let is_next = seq >= self.next;
        if is_next {
            (self.next, self.until) = (seq + 1, seq);
        }
        is_next
    }

    /// What was live has been lost: it is read from the journal.
    fn read_again(&mut self) {
        self.until = self.until.max(self.journal.span().1);
    }

    fn show<W: AsyncWrite + Unpin>(
        &mut self,
        read: Result<Batch, JournalError>,
        out: &mut Out<W>,
    ) -> Result<(), Ended> {
        let batch = match read {
            Ok(batch) => batch,
            Err(error) => {
                out.push(&Response::Error(ErrorLine::new(ErrorCode::Failed, chain(&error))))?;
                // Not read again and again: what is live goes on, and says nothing of what was not shown here.
                out.push(&Response::Missed { count: self.until.saturating_sub(self.next) + 1 })?;
                self.next = self.until + 1;
                return Ok(());
            }
        };
        if batch.first > self.next {
            out.push(&Response::Retired { count: batch.first - self.next, first: batch.first })?;
            self.next = batch.first;
        }
        for event in batch.events.iter().filter(|event| event.seq >= self.next && event.seq <= self.until) {
            if self.filters.iter().any(|filter| filter.matches(&event.topic)) {
                out.push(&Response::Event(event::to_json(event)?))?;
            }
        }
        let last = batch.events.last().map_or(self.until, |event| event.seq.min(self.until));
        self.next = self.next.max(last + 1);
        Ok(())
    }
}
