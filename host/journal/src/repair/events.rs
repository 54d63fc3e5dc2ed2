//! Takes events over from a damaged database, and puts others in the place of those that are lost between them.

use plugbus_bus::{Event, Payload, Topic};
use rusqlite::Connection;

use super::LOST_TOPIC;
use crate::codec;
use crate::schema::Head;

/// Most numbers without an event in a row: where the database is whole again behind them is not found.
const MISSES_MAX: u64 = 1_000_000;
/// Most of them behind the number that the database says is its last.
const MISSES_AT_END_MAX: u64 = 10_000;

/// Which events are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) first: u64,
    pub(super) last: u64,
    /// A time before which none of them was accepted.
    pub(super) accepted_ns: u64,
}

/// Takes every event over that checks out. What is lost before the first of them is as good as retired; what is lost behind
/// it is stood in for.
pub(super) fn salvage_events(
    from: &Connection,
    into: &Connection,
    head: Option<Head>,
    lost: &mut Vec<(u64, u64)>,
) -> rusqlite::Result<Kept> {
    let begin = head.map(|head| head.first).or_else(|| first_good(from)).unwrap_or(1);
    let highest = number(from, "SELECT max(seq) FROM events").unwrap_or(0);
    let mut take = Take { into, lost, last: begin.saturating_sub(1), accepted_ns: None };
    let mut kept = Kept { first: begin, last: 0, accepted_ns: head.map_or(0, |head| head.accepted_ns) };
    for seq in begin.. {
        if let Some((record, accepted_ns)) = event(from, seq) {
            if take.accepted_ns.is_none() {
                kept.first = seq;
            }
            take.lose_until(seq)?;
            put(into, seq, &record)?;
            (take.last, take.accepted_ns) = (seq, Some(accepted_ns));
        }
        let misses = seq - take.last;
        if misses >= MISSES_MAX || (seq > highest && misses >= MISSES_AT_END_MAX) {
            break;
        }
    }
    if (1..MISSES_MAX).contains(&highest.saturating_sub(take.last)) {
        take.lose_until(highest + 1)?;
    }
    if take.accepted_ns.is_none() {
        kept.first = take.last + 1;
    }
    kept.last = take.last;
    Ok(kept)
}

struct Take<'a> {
    into: &'a Connection,
    lost: &'a mut Vec<(u64, u64)>,
    /// The last number that was dealt with.
    last: u64,
    /// When the last event that was taken over was accepted; none before the first.
    accepted_ns: Option<u64>,
}

impl Take<'_> {
    /// Gives up the events up to, not including, a number.
    fn lose_until(&mut self, seq: u64) -> rusqlite::Result<()> {
        let (first, last) = (self.last + 1, seq - 1);
        if first > last {
            return Ok(());
        }
        self.lost.push((first, last));
        self.last = last;
        let Some(accepted_ns) = self.accepted_ns else { return Ok(()) };
        (first..=last).try_for_each(|seq| stand_in(self.into, seq, accepted_ns))
    }
}

fn number(from: &Connection, sql: &str) -> Option<u64> {
    from.query_row(sql, [], |row| row.get::<_, i64>(0)).ok().map(i64::cast_unsigned)
}

/// The number of the first event that checks out.
fn first_good(from: &Connection) -> Option<u64> {
    let mut statement = from.prepare("SELECT seq, record FROM events ORDER BY seq").ok()?;
    let mut rows = statement.query([]).ok()?;
    while let Some(row) = rows.next().ok()? {
        let seq = row.get::<_, i64>(0).ok()?.cast_unsigned();
        if row.get_ref(1).ok()?.as_blob().is_ok_and(|record| codec::read(seq, record).is_ok()) {
            return Some(seq);
        }
    }
    None
}

/// The record of an event, if it checks out, and when it was accepted.
fn event(from: &Connection, seq: u64) -> Option<(Vec<u8>, u64)> {
    let mut statement = from.prepare_cached("SELECT record FROM events WHERE seq = ?").ok()?;
    let record: Vec<u8> = statement.query_row([seq.cast_signed()], |row| row.get(0)).ok()?;
    let accepted_ns = codec::read(seq, &record).ok()?.accepted_ns;
    Some((record, accepted_ns))
}

fn put(into: &Connection, seq: u64, record: &[u8]) -> rusqlite::Result<()> {
    let mut statement = into.prepare_cached("INSERT INTO events (seq, record) VALUES (?, ?)")?;
    statement.execute((seq.cast_signed(), record)).map(drop)
}

/// Puts an event in the place of one that is lost.
fn stand_in(into: &Connection, seq: u64, accepted_ns: u64) -> rusqlite::Result<()> {
    // The topic and the data are ours, and within every bound.
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| rusqlite::Error::ToSqlConversionFailure(error);
    let event = Event {
        id: format!("lost-{seq}").into(),
        source: "plugbus:journal".into(),
        topic: Topic::parse(LOST_TOPIC).map_err(|error| failed(error.into()))?,
        subject: None,
        time_ns: accepted_ns,
        payload: Payload::json(&serde_json::json!({ "seq": seq })).map_err(|error| failed(error.into()))?,
        extensions: Vec::new(),
        seq,
        hops: 0,
    };
    let mut record = Vec::new();
    codec::encode(&event, accepted_ns, &mut record).map_err(|error| failed(error.into()))?;
    put(into, seq, &record)
}
