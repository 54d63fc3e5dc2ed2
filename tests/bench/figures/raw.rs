//! The storage under the journal, used by hand: a table with the same columns, the same settings of SQLite, and nothing
//! else: no queue, no checks, no cursors, no recognition of duplicates, nobody to be told.

use std::path::Path;
use std::time::{Duration, Instant};

use plugbus::bus::{Event, Topic};
use plugbus::journal::{SyncMode, codec};
use rusqlite::{Connection, OpenFlags};

use crate::disk::{GROWTH_BYTES, GROWTH_ROWS, Rate};
use crate::host::{TOPIC, draft};

/// Pages of the write-ahead log after which it is written back, as the journal does.
const LOG_PAGES: u32 = 2048;

/// A database that is written to.
pub(crate) struct Raw {
    conn: Connection,
    record: Vec<u8>,
    next: i64,
}

impl Raw {
    /// Makes an empty one.
    pub(crate) fn create(folder: &Path, sync: SyncMode) -> rusqlite::Result<Self> {
        let conn = Connection::open(folder.join("raw.db"))?;
        conn.pragma_update(None, "page_size", 4096)?;
        conn.execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT")?;
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", if sync == SyncMode::Os { "NORMAL" } else { "FULL" })?;
        conn.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
        conn.pragma_update(None, "cache_size", -16_384)?;
        Ok(Self { conn, record: record(), next: 1 })
    }

    /// As [`grow_log`](crate::disk::OnDisk::grow_log) of the journal.
    pub(crate) fn grow_log(&mut self) -> rusqlite::Result<()> {
        for _ in 0..GROWTH_ROWS {
            let insert = "INSERT INTO events (seq, record) VALUES (?, zeroblob(?))";
            self.conn.execute(insert, (self.next, GROWTH_BYTES.cast_signed()))?;
            self.next += 1;
        }
        Ok(())
    }

    /// Inserts so many rows in so many transactions, as evenly as it goes.
    pub(crate) fn insert(&mut self, rows: u64, commits: u64) -> rusqlite::Result<Rate> {
        let began = Instant::now();
        for commit in 0..commits {
            let transaction = self.conn.transaction()?;
            for _ in rows * commit / commits..rows * (commit + 1) / commits {
                let mut insert = transaction.prepare_cached("INSERT INTO events (seq, record) VALUES (?, ?)")?;
                insert.execute((self.next, &self.record))?;
                self.next += 1;
            }
            transaction.commit()?;
        }
        Ok(Rate::since(began, rows))
    }
}

/// Reads the rows of a journal's events in their order, and no more than that.
pub(crate) fn read_events(database: &Path) -> rusqlite::Result<Rate> {
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let began = Instant::now();
    let mut statement = conn.prepare("SELECT seq, record FROM events ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let (mut events, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        bytes += std::hint::black_box(row.get_ref(1)?.as_blob()?).len();
        events += 1;
    }
    std::hint::black_box(bytes);
    Ok(Rate::since(began, events))
}

/// The bytes that the journal makes of [`draft`].
fn record() -> Vec<u8> {
    let time_ns = Duration::from_secs(1_767_225_600).as_nanos().try_into().expect("it is not far off");
    let event = Event {
        id: "0199a1f2-7c3e-7d21-9f00-5a3c1b2d4e6f".into(),
        source: "native".into(),
        topic: Topic::parse(TOPIC).expect("it is a topic"),
        subject: None,
        time_ns,
        payload: draft().payload,
        extensions: Vec::new(),
        seq: 1,
        hops: 0,
    };
    let mut record = Vec::new();
    codec::encode(&event, time_ns, &mut record).expect("the event is within its bounds");
    record
}
