//! Carries writes out within one transaction. Whether it is committed is decided elsewhere.
//!
//! What a write does to a cursor that is not there (any more) is void: floors, retries, key-values. The events and dead
//! letters in it are kept.

use plugbus_bus::journal::{Append, JournalError, Retry, Settle, StateWrite, Write};
use plugbus_bus::{DeadLetter, Name};
use rusqlite::{Connection, params};

use crate::codec::{self, CodecError};
use crate::history;
use crate::ledger::{Ledger, Meta};
use crate::schema::{self, Head, PUT_HEAD};
use crate::trouble::Trouble;

/// What will become of an event, if the transaction is committed.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It has a number of its own.
    New,
    /// It has the number of the one before.
    Duplicate,
    /// It has none.
    Refused(JournalError),
}

/// One transaction in the making.
#[derive(Debug)]
pub(crate) struct Apply<'a> {
    conn: &'a Connection,
    ledger: &'a mut Ledger,
    /// Why events from outside are refused, if they are.
    full: Option<&'a JournalError>,
    record: Vec<u8>,
    fates: Vec<Fate>,
}

type Applied = Result<(), Trouble>;

impl<'a> Apply<'a> {
    /// Begins. `now_ns` is the time of acceptance, unless the last one was later.
    pub(crate) fn new(
        conn: &'a Connection,
        ledger: &'a mut Ledger,
        full: Option<&'a JournalError>,
        now_ns: u64,
    ) -> Self {
        ledger.accepted_ns = ledger.accepted_ns.max(now_ns);
        ledger.seen.expire(ledger.accepted_ns);
        Self { conn, ledger, full, record: Vec::new(), fates: Vec::new() }
    }

    /// Carries one write out. Gives the events in it their numbers.
    pub(crate) fn write(&mut self, write: &mut Write) -> Applied {
        match write {
            Write::Append(append) => self.append(append, true),
            Write::Settle(settle) => self.settle(settle),
            Write::Retry(retry) => self.retry(retry),
            Write::Floors(floors) => {
                floors.iter().for_each(|(name, floor)| self.raise(name, *floor));
                Ok(())
            }
            Write::Open { cursor, floor } => self.open(cursor, *floor),
            Write::Absent { cursor, since_ns } => {
                if let Some(meta) = self.ledger.cursor_mut(cursor) {
                    meta.absent_ns = Some(*since_ns);
                    meta.moved = true;
                }
                Ok(())
            }
            Write::Retire(names) => names.iter().try_for_each(|name| self.retire(name)),
            Write::Dead(letter) => self.bury(letter),
            Write::DeadGone(ids) => {
                ids.iter().try_for_each(|id| self.execute("DELETE FROM dead WHERE id = ?", params![id.cast_signed()]))
            }
        }
    }

    /// Writes what was collected, and says what becomes of each event, in order.
    pub(crate) fn finish(mut self) -> Result<Vec<Fate>, Trouble> {
        for name in self.ledger.changed() {
            self.write_cursor(&name)?;
        }
        Ok(self.fates)
    }

    /// Takes events out up to a number, and lifts the cursors over them. Says which cursors had not settled how many of
    /// them. The time is that of the acceptance of the last one that goes.
    pub(crate) fn retire_events(&mut self, to: u64, accepted_ns: u64) -> Result<Vec<(Name, u64)>, Trouble> {
        let behind = self.ledger.cursors().filter(|(_, meta)| meta.floor < to);
        let behind: Vec<_> = behind.map(|(name, meta)| (name.clone(), meta.id, meta.floor)).collect();
        let first = self.ledger.head.first;
        let mut lost = Vec::new();
        for (name, id, floor) in behind {
            let settled = self.count_settled(id, to)?;
            lost.push((name.clone(), (to + 1).saturating_sub(first.max(floor + 1)).saturating_sub(settled)));
            self.raise(&name, to);
        }
        self.execute("DELETE FROM events WHERE seq <= ?", params![to.cast_signed()])?;
        self.ledger.head = Head { first: to + 1, accepted_ns, ..self.ledger.head };
        self.execute(PUT_HEAD, self.ledger.head.params())?;
        Ok(lost)
    }

    fn count_settled(&self, cursor: i64, to: u64) -> Result<u64, Trouble> {
        let sql = "SELECT count(*) FROM settled WHERE cursor = ? AND seq <= ?";
        let count = self.conn.prepare_cached(sql).and_then(|mut statement| {
            statement.query_row(params![cursor, to.cast_signed()], |row| row.get::<_, i64>(0))
        });
        count.map(i64::cast_unsigned).map_err(|error| Trouble::new(WRITE, &error))
    }

    fn append(&mut self, append: &mut Append, outside: bool) -> Applied {
        let event = &mut append.event;
        let hash = self.ledger.seen.hash(&event.id, &event.source);
        if let Some(seq) = self.ledger.seen.get(hash) {
            event.seq = seq;
            self.fates.push(Fate::Duplicate);
            return Ok(());
        }
        if let (true, Some(full)) = (outside, self.full) {
            self.fates.push(Fate::Refused(full.clone()));
            return Ok(());
        }
        event.seq = self.ledger.next;
        if let Err(error) = codec::encode(event, self.ledger.accepted_ns, &mut self.record) {
            event.seq = 0;
            self.fates.push(Fate::Refused(cannot_encode(&error)));
            return Ok(());
        }
        let (seq, record) = (event.seq, std::mem::take(&mut self.record));
        self.execute("INSERT INTO events (seq, record) VALUES (?, ?)", params![seq.cast_signed(), record])?;
        self.record = record;
        self.ledger.next += 1;
        self.ledger.seen.stage(hash, seq, self.ledger.accepted_ns);
        self.fates.push(Fate::New);
        Ok(())
    }

    fn settle(&mut self, settle: &mut Settle) -> Applied {
        for append in &mut settle.published {
            self.append(append, false)?;
        }
        if let Some(letter) = &settle.dead {
            self.bury(letter)?;
        }
        self.raise(&settle.cursor, settle.floor);
        let Some(meta) = self.ledger.cursor_mut(&settle.cursor) else { return Ok(()) };
        if settle.seq > meta.floor {
            meta.fresh.push(settle.seq);
        }
        let (id, has_retries) = (meta.id, meta.has_retries);
        if has_retries {
            let key = params![id, settle.seq.cast_signed()];
            self.execute("DELETE FROM retries WHERE cursor = ? AND seq = ?", key)?;
        }
        settle.state.iter().try_for_each(|change| self.change_state(id, change))
    }

    fn change_state(&self, cursor: i64, change: &StateWrite) -> Applied {
        match change {
            StateWrite::Set { bucket, key, value } => {
                let crc = schema::state_check(cursor, bucket, key, value);
                self.execute(
                    "INSERT OR REPLACE INTO state (cursor, bucket, key, value, crc) VALUES (?, ?, ?, ?, ?)",
                    params![cursor, bucket, key, &**value, crc],
                )
            }
            StateWrite::Delete { bucket, key } => self
                .execute("DELETE FROM state WHERE cursor = ? AND bucket = ? AND key = ?", params![cursor, bucket, key]),
        }
    }

    fn retry(&mut self, retry: &Retry) -> Applied {
        let Some(meta) = self.ledger.cursor_mut(&retry.cursor) else { return Ok(()) };
        if retry.seq <= meta.floor {
            return Ok(());
        }
        meta.has_retries = true;
        let (seq, due_ns) = (retry.seq.cast_signed(), retry.due_ns.cast_signed());
        let numbers = [meta.id, seq, retry.attempt.into(), due_ns];
        let history = history::write(&retry.history);
        let crc = schema::retry_check(numbers, &history);
        let [cursor, seq, attempt, due_ns] = numbers;
        self.execute(
            "INSERT OR REPLACE INTO retries (cursor, seq, attempt, due_ns, history, crc) VALUES (?, ?, ?, ?, ?, ?)",
            params![cursor, seq, attempt, due_ns, history, crc],
        )
    }

    /// Raises the floor of a cursor, never over what SQLite can store.
    fn raise(&mut self, name: &Name, floor: u64) {
        let floor = floor.min(FLOOR_MAX);
        if self.ledger.cursor(name).is_some_and(|meta| meta.floor < floor)
            && let Some(meta) = self.ledger.cursor_mut(name)
        {
            meta.floor = floor;
            meta.moved = true;
        }
    }

    fn open(&mut self, name: &Name, floor: u64) -> Applied {
        if let Some(meta) = self.ledger.cursor_mut(name) {
            meta.moved |= meta.absent_ns.take().is_some();
            return Ok(());
        }
        let id = self.ledger.head.cursor;
        self.ledger.head.cursor += 1;
        self.execute(PUT_HEAD, self.ledger.head.params())?;
        let floor = floor.min(FLOOR_MAX);
        let meta =
            Meta { id, floor, absent_ns: None, has_settled: false, has_retries: false, fresh: Vec::new(), moved: true };
        self.ledger.add(name.clone(), meta);
        Ok(())
    }

    fn retire(&mut self, name: &Name) -> Applied {
        let Some(meta) = self.ledger.remove(name) else { return Ok(()) };
        self.execute("DELETE FROM settled WHERE cursor = ?", params![meta.id])?;
        self.execute("DELETE FROM retries WHERE cursor = ?", params![meta.id])?;
        self.execute("DELETE FROM state WHERE cursor = ?", params![meta.id])?;
        self.execute("DELETE FROM cursors WHERE id = ?", params![meta.id])
    }

    fn bury(&mut self, letter: &DeadLetter) -> Applied {
        let mut record = std::mem::take(&mut self.record);
        // The bus has the same bounds as the record, so that this is a fault of ours. It must not hold the journal up.
        if let Err(error) = codec::encode(&letter.event, letter.time_ns, &mut record) {
            let (event, topic) = (&letter.event.id, &letter.event.topic);
            tracing::error!(%event, %topic, letter = letter.id, %error, "a dead letter is not in the journal");
            return Ok(());
        }
        let attempts = history::write(&letter.attempts);
        let (reason, text) = (letter.reason.name(), letter.reason.to_string());
        let subscription = letter.subscription.as_ref().map(Name::as_str);
        let numbers = [letter.id, letter.time_ns, letter.event.seq].map(u64::cast_signed);
        let crc = schema::dead_check(numbers, subscription, [reason, &text, &attempts]);
        let [id, time_ns, seq] = numbers;
        self.execute(
            "INSERT OR REPLACE INTO dead (id, time_ns, subscription, reason, text, attempts, seq, record, crc)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![id, time_ns, subscription, reason, text, attempts, seq, record, crc],
        )?;
        self.record = record;
        Ok(())
    }

    /// Writes a cursor that changed: its row, its new gaps, and away with what its floor has passed.
    fn write_cursor(&mut self, name: &Name) -> Applied {
        let Some(meta) = self.ledger.cursor_mut(name) else { return Ok(()) };
        let fresh = std::mem::take(&mut meta.fresh);
        let moved = std::mem::take(&mut meta.moved);
        let (id, floor, absent_ns) = (meta.id, meta.floor, meta.absent_ns.map(u64::cast_signed));
        let (had_settled, had_retries) = (meta.has_settled, meta.has_retries);
        let floor_row = floor.cast_signed();
        if moved {
            let crc = schema::cursor_check(id, name.as_str(), floor_row, absent_ns);
            self.execute(
                "INSERT OR REPLACE INTO cursors (id, name, floor, absent_ns, crc) VALUES (?, ?, ?, ?, ?)",
                params![id, name.as_str(), floor_row, absent_ns, crc],
            )?;
        }
        let mut has_settled = had_settled;
        if moved && had_settled {
            self.execute("DELETE FROM settled WHERE cursor = ? AND seq <= ?", params![id, floor_row])?;
            has_settled = self.exists("SELECT EXISTS (SELECT 1 FROM settled WHERE cursor = ?)", id)?;
        }
        for seq in fresh.into_iter().filter(|seq| *seq > floor) {
            let crc = schema::settled_check(id, seq.cast_signed());
            self.execute(
                "INSERT OR REPLACE INTO settled (cursor, seq, crc) VALUES (?, ?, ?)",
                params![id, seq.cast_signed(), crc],
            )?;
            has_settled = true;
        }
        let mut has_retries = had_retries;
        if moved && had_retries {
            self.execute("DELETE FROM retries WHERE cursor = ? AND seq <= ?", params![id, floor_row])?;
            has_retries = self.exists("SELECT EXISTS (SELECT 1 FROM retries WHERE cursor = ?)", id)?;
        }
        if let Some(meta) = self.ledger.cursor_mut(name) {
            (meta.has_settled, meta.has_retries) = (has_settled, has_retries);
        }
        Ok(())
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Applied {
        let done = self.conn.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
        done.map(drop).map_err(|error| Trouble::new(WRITE, &error))
    }

    fn exists(&self, sql: &str, cursor: i64) -> Result<bool, Trouble> {
        let found =
            self.conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([cursor], |row| row.get(0)));
        found.map_err(|error| Trouble::new(WRITE, &error))
    }
}

/// The highest floor there is: SQLite's integers end here.
const FLOOR_MAX: u64 = i64::MAX.cast_unsigned();

/// What was being done when something here failed.
const WRITE: &str = "write to";

fn cannot_encode(error: &CodecError) -> JournalError {
    JournalError::Failed { doing: WRITE, cause: format!("the event cannot be a record: {error}").into() }
}
