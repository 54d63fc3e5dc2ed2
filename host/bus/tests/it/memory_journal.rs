//! A journal in memory, whose commits the test can hold back, fail, or lose in a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use plugbus_bus::journal::{
    Append, AppendOutcome, Appended, Batch, Cursor, Journal, JournalError, Queued, Recovered, Retry, Settle, Sink,
    StateEntry, StateWrite, Write,
};
use plugbus_bus::{BoxFuture, DeadLetter, Event, Name};
use tokio::sync::{Notify, mpsc};

/// What is committed: what a restart finds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) cursors: BTreeMap<Name, Cursor>,
    pub(crate) dead: BTreeMap<u64, DeadLetter>,
    pub(crate) state: BTreeMap<(Name, Arc<str>, Arc<str>), bytes::Bytes>,
    /// Events up to this number are gone.
    pub(crate) retired: u64,
}

#[derive(Debug)]
pub(crate) struct MemoryJournal {
    pub(crate) disk: Arc<Mutex<Disk>>,
    sink: Mutex<Option<Weak<dyn Sink>>>,
    writes: mpsc::UnboundedSender<Queued>,
    /// While it is held, nothing is committed.
    pub(crate) gate: Arc<Gate>,
    capacity: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Mutex<bool>,
    /// Events from outside are refused, and what was to be settled is held with its permit: as on a full disk.
    pub(crate) failing: Mutex<bool>,
    held: Mutex<Vec<Queued>>,
    changed: Notify,
}

impl Gate {
    pub(crate) fn set_closed(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.changed.notify_waiters();
    }

    async fn open(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !*self.closed.lock().unwrap() {
                return;
            }
            changed.await;
        }
    }
}

impl MemoryJournal {
    /// A journal on a disk; its writer is a task of the current runtime.
    pub(crate) fn open(disk: Disk, capacity: usize) -> Arc<Self> {
        let (writes, mut queue) = mpsc::unbounded_channel::<Queued>();
        let (disk, gate) = (Arc::new(Mutex::new(disk)), Arc::default());
        let journal = Arc::new(Self { disk, sink: Mutex::default(), writes, gate, capacity });
        let weak = Arc::downgrade(&journal);
        tokio::spawn(async move {
            while let Some(queued) = queue.recv().await {
                let Some(journal) = weak.upgrade() else { return };
                let gate = journal.gate.clone();
                drop(journal);
                gate.open().await;
                let Some(journal) = weak.upgrade() else { return };
                journal.commit(queued);
            }
        });
        journal
    }

    /// What a crash at this moment would leave.
    pub(crate) fn crash(&self) -> Disk {
        self.disk.lock().unwrap().clone()
    }

    fn commit(&self, queued: Queued) {
        let failing = *self.gate.failing.lock().unwrap();
        if failing && matches!(queued.write, Write::Settle(_) | Write::Retry(_)) {
            return self.gate.held.lock().unwrap().push(queued);
        }
        if !failing {
            let held = std::mem::take(&mut *self.gate.held.lock().unwrap());
            held.into_iter().for_each(|queued| self.commit(queued));
        }
        let appended = match queued.write {
            Write::Append(append) if failing => vec![Appended {
                ticket: append.ticket,
                outcome: AppendOutcome::Refused { event: Box::new(append.event), error: JournalError::DiskFull },
            }],
            write => self.disk.lock().unwrap().apply(write),
        };
        drop(queued.permit);
        let sink = self.sink.lock().unwrap().clone();
        if let Some(sink) = sink.and_then(|sink| sink.upgrade())
            && !appended.is_empty()
        {
            sink.committed(appended);
        }
    }
}

impl Disk {
    fn apply(&mut self, write: Write) -> Vec<Appended> {
        match write {
            Write::Append(append) => return vec![self.append(*append)],
            Write::Settle(settle) => return self.settle(*settle),
            Write::Retry(retry) => {
                let cursor = self.cursor(&retry.cursor);
                cursor.retries.retain(|other| other.seq != retry.seq);
                cursor.retries.push(*retry);
                cursor.retries.sort_by_key(|retry: &Retry| retry.seq);
            }
            Write::Floors(floors) => floors.into_iter().for_each(|(name, floor)| self.raise(&name, floor)),
            Write::Open { cursor, floor } => {
                let new = Cursor {
                    name: cursor.clone(),
                    floor,
                    settled: Vec::new(),
                    retries: Vec::new(),
                    absent_since_ns: None,
                };
                self.cursors.entry(cursor).or_insert(new).absent_since_ns = None;
            }
            Write::Absent { cursor, since_ns } => self.cursor(&cursor).absent_since_ns = Some(since_ns),
            Write::Retire(names) => names.iter().for_each(|name| drop(self.cursors.remove(name))),
            Write::Dead(letter) => drop(self.dead.insert(letter.id, *letter)),
            Write::DeadGone(ids) => ids.iter().for_each(|id| drop(self.dead.remove(id))),
        }
        Vec::new()
    }

    fn append(&mut self, Append { mut event, ticket }: Append) -> Appended {
        let same = |other: &&Arc<Event>| other.id == event.id && other.source == event.source;
        if let Some(before) = self.events.iter().find(same) {
            return Appended { ticket, outcome: AppendOutcome::Duplicate(before.clone()) };
        }
        event.seq = self.events.len() as u64 + 1;
        let event = Arc::new(event);
        self.events.push(event.clone());
        Appended { ticket, outcome: AppendOutcome::New(event) }
    }

    fn settle(&mut self, settle: Settle) -> Vec<Appended> {
        let cursor = self.cursor(&settle.cursor);
        if settle.seq > 0 {
            assert!(!cursor.settled.contains(&settle.seq) && settle.seq > cursor.floor, "settled twice: {settle:?}");
            cursor.retries.retain(|retry| retry.seq != settle.seq);
            cursor.settled.push(settle.seq);
            cursor.settled.sort_unstable();
        }
        self.raise(&settle.cursor, settle.floor);
        for write in settle.state {
            match write {
                StateWrite::Set { bucket, key, value } => {
                    drop(self.state.insert((settle.cursor.clone(), bucket, key), value));
                }
                StateWrite::Delete { bucket, key } => {
                    drop(self.state.remove(&(settle.cursor.clone(), bucket, key)));
                }
            }
        }
        if let Some(letter) = settle.dead {
            self.dead.insert(letter.id, *letter);
        }
        settle.published.into_iter().map(|append| self.append(append)).collect()
    }

    fn raise(&mut self, name: &Name, floor: u64) {
        let cursor = self.cursor(name);
        cursor.floor = cursor.floor.max(floor);
        let floor = cursor.floor;
        cursor.settled.retain(|seq| *seq > floor);
        cursor.retries.retain(|retry| retry.seq > floor);
    }

    fn cursor(&mut self, name: &Name) -> &mut Cursor {
        self.cursors.get_mut(name).unwrap_or_else(|| panic!("no cursor {name:?}"))
    }
}

impl Journal for MemoryJournal {
    fn attach(&self, sink: Weak<dyn Sink>) {
        *self.sink.lock().unwrap() = Some(sink);
    }

    fn recovered(&self) -> Recovered {
        let disk = self.disk.lock().unwrap();
        Recovered { cursors: disk.cursors.values().cloned().collect(), dead: disk.dead.values().cloned().collect() }
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn submit(&self, write: Queued) {
        drop(self.writes.send(write));
    }

    fn read(&self, from: u64, events_max: usize, _bytes_max: usize) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let disk = self.disk.lock().unwrap();
        let from = from.max(disk.retired + 1);
        let events = disk.events.iter().filter(|event| event.seq >= from).take(events_max).cloned().collect();
        let batch = Batch { events, first: disk.retired + 1, last: disk.events.len() as u64 };
        Box::pin(async move { Ok(batch) })
    }

    fn seq_at(&self, time_ns: u64) -> BoxFuture<'_, Result<u64, JournalError>> {
        let disk = self.disk.lock().unwrap();
        let found = disk.events.iter().find(|event| event.time_ns >= time_ns).map(|event| event.seq);
        let seq = found.unwrap_or(disk.events.len() as u64 + 1);
        Box::pin(async move { Ok(seq) })
    }

    fn state<'a>(&'a self, cursor: &'a Name) -> BoxFuture<'a, Result<Vec<StateEntry>, JournalError>> {
        let disk = self.disk.lock().unwrap();
        let own = disk.state.iter().filter(|((name, ..), _)| name == cursor);
        let entry = |((_, bucket, key), value): (&(Name, Arc<str>, Arc<str>), &bytes::Bytes)| StateEntry {
            bucket: bucket.clone(),
            key: key.clone(),
            value: value.clone(),
        };
        let entries = own.map(entry).collect();
        Box::pin(async move { Ok(entries) })
    }

    fn span(&self) -> (u64, u64) {
        let disk = self.disk.lock().unwrap();
        (disk.retired + 1, disk.events.len() as u64)
    }

    fn close(&self) -> BoxFuture<'_, u64> {
        Box::pin(async { 0 })
    }
}
