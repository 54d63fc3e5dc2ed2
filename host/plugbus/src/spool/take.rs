//! The daemon takes in what hooks left: at its start, again and again, and before each event that a hook sends.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugbus_bus::{Bus, Disposition, Draft, PublishError, Publishing};
use plugbus_journal::DiskJournal;
use rustix::fs::OFlags;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::line::{SpooledLine, parse_line};
use super::read::{self, Lines, Raw};
use super::seen::{Seen, Window};
use super::{Spool, aside};
use crate::config::{Clients, Config};
use crate::report::chain;
use crate::socket::parse_event;

/// Events that are published at one time: they share the journal's commits.
const BATCH: usize = 64;

/// What became of what hooks left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct SpoolStats {
    /// Events taken in.
    pub(crate) taken: u64,
    /// Of these, how many the bus had already.
    pub(crate) duplicates: u64,
    /// Lines put aside that were torn or changed.
    pub(crate) malformed: u64,
    /// Lines put aside whose event the bus will not have.
    pub(crate) refused: u64,
    /// Times that the rest was left for later: the bus had no room, or the file could not be read.
    pub(crate) postponed: u64,
    /// Bytes that wait now.
    pub(crate) bytes: u64,
}

/// Takes in. One for each host.
#[derive(Debug)]
pub(crate) struct Taker {
    spool: Spool,
    /// Longest line of a spool.
    line_max: usize,
    bus: Bus,
    journal: Option<Arc<DiskJournal>>,
    window: Window,
    counters: Counters,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Counters {
    taken: AtomicU64,
    duplicates: AtomicU64,
    malformed: AtomicU64,
    refused: AtomicU64,
    postponed: AtomicU64,
}

/// How far it has come in the file.
#[derive(Debug, Default)]
struct State {
    /// Device and inode.
    file: (u64, u64),
    /// Everything before is done.
    to: u64,
    /// The ends of lines behind that are done too: what stood before them was refused for the time. At most [`BATCH`].
    ahead: HashSet<u64>,
    seen: Seen,
}

/// Why the rest must wait.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error("the spool waits")]
    Refused(#[from] PublishError),
    #[error("cannot use the spool")]
    Io(#[from] io::Error),
    #[error("cannot compare the spool with the journal")]
    Journal(#[from] plugbus_bus::journal::JournalError),
}

/// What became of one line.
enum Taking {
    /// Nothing is to be done, any more or at all.
    Done,
    /// On its way.
    Begun(Box<Publishing>),
    /// To be put aside.
    Aside(Why),
}

/// Why a line is put aside.
enum Why {
    Malformed(String),
    Refused(String),
}

impl Taker {
    pub(crate) fn new(config: &Config, bus: Bus, journal: Option<Arc<DiskJournal>>) -> Self {
        let window = Window {
            events: config.journal.dedupe_events_max,
            age_ns: config.journal.dedupe_age_ms.saturating_mul(1_000_000),
        };
        Self {
            spool: Spool::of(config),
            line_max: Clients::line_bytes_max(config.events.data_bytes_max),
            bus,
            journal,
            window,
            counters: Counters::default(),
            state: Mutex::default(),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        self.spool.path()
    }

    pub(crate) fn stats(&self) -> SpoolStats {
        SpoolStats {
            taken: self.counters.taken.load(Relaxed),
            duplicates: self.counters.duplicates.load(Relaxed),
            malformed: self.counters.malformed.load(Relaxed),
            refused: self.counters.refused.load(Relaxed),
            postponed: self.counters.postponed.load(Relaxed),
            bytes: self.waiting(),
        }
    }

    fn waiting(&self) -> u64 {
        fs::symlink_metadata(self.path()).map_or(0, |found| found.len())
    }

    /// Takes in all that is there, in order, and empties the file. What cannot be taken now stays, with everything behind
    /// it.
    ///
    /// # Errors
    /// [`TakeError`] says why something stays.
    pub(crate) async fn take_in(&self) -> Result<(), TakeError> {
        if self.waiting() == 0 {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        let before = self.stats();
        let result = self.take_all(&mut state).await;
        state.seen = Seen::default();
        let after = self.stats();
        let (taken, duplicates) = (after.taken - before.taken, after.duplicates - before.duplicates);
        if taken > 0 {
            tracing::info!(taken, duplicates, spool = %self.path().display(), "took in what hooks had left");
        }
        let (malformed, refused) = (after.malformed - before.malformed, after.refused - before.refused);
        if malformed + refused > 0 {
            let aside = aside::path(self.path());
            tracing::warn!(malformed, refused, aside = %aside.display(), "lines of the spool were put aside");
        }
        if let Err(error) = &result {
            let postponed = self.counters.postponed.fetch_add(1, Relaxed) + 1;
            // At 1, 2, 4, 8 …: a full journal is a state, not an event.
            if postponed.is_power_of_two() {
                tracing::warn!(postponed, reason = chain(error), "what hooks left in the spool waits");
            }
        }
        result
    }

    async fn take_all(&self, state: &mut State) -> Result<(), TakeError> {
        loop {
            let (path, line_max, from) = (self.path().to_owned(), self.line_max, (state.file, state.to));
            let Some((file, to, lines)) = blocking(move || look(&path, from, line_max)).await? else {
                return Ok(());
            };
            if (file, to) != (state.file, state.to) {
                (state.file, state.to) = (file, to);
                state.ahead.clear();
            }
            if lines.lines.is_empty() {
                let (path, to) = (self.path().to_owned(), state.to);
                match blocking(move || empty(&path, file, to)).await? {
                    Emptied::Torn => self.counters.malformed.fetch_add(1, Relaxed),
                    Emptied::Whole => 0,
                    Emptied::More => continue,
                    // A hook holds the lock: next time.
                    Emptied::Locked => return Ok(()),
                };
                (state.to, state.ahead) = (0, HashSet::new());
                return Ok(());
            }
            self.take_lines(state, lines.lines).await?;
        }
    }

    /// Takes some lines; all of them are begun before the first is waited for.
    async fn take_lines(&self, state: &mut State, lines: Vec<(Raw, u64)>) -> Result<(), TakeError> {
        self.reach(state, &lines).await?;
        let mut begun = VecDeque::with_capacity(lines.len());
        let mut stopped = None;
        for (raw, end) in lines {
            let taking =
                if state.ahead.contains(&end) { Ok(Taking::Done) } else { self.begin(&state.seen, &raw).await };
            match taking {
                Ok(taking) => begun.push_back((raw, end, taking)),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        let mut is_prefix = true;
        while let Some((raw, end, taking)) = begun.pop_front() {
            match self.finish(raw, taking).await {
                Ok(()) if is_prefix => {
                    state.ahead.remove(&end);
                    state.to = end;
                }
                Ok(()) => {
                    state.ahead.insert(end);
                }
                Err(error) => {
                    is_prefix = false;
                    stopped.get_or_insert(error);
                }
            }
        }
        stopped.map_or(Ok(()), Err)
    }

    /// Sees to it that what the journal has already is recognised.
    async fn reach(&self, state: &mut State, lines: &[(Raw, u64)]) -> Result<(), TakeError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let times = lines.iter().filter_map(|(raw, _)| match raw {
            Raw::Line(line) => parse_line(line).ok().map(|line| line.time_ms),
            Raw::TooLong(_) => None,
        });
        let Some(oldest_ms) = times.min() else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        state.seen.reach(journal, self.window, oldest_ms.saturating_mul(1_000_000), now_ns).await?;
        Ok(())
    }

    async fn begin(&self, seen: &Seen, raw: &Raw) -> Result<Taking, TakeError> {
        let draft = match draft(raw) {
            Ok(Some(draft)) => draft,
            Ok(None) => return Ok(Taking::Done),
            Err(why) => return Ok(Taking::Aside(why)),
        };
        if let (Some(id), Some(source)) = (&draft.id, &draft.source)
            && seen.has(id, source)
        {
            self.counters.taken.fetch_add(1, Relaxed);
            self.counters.duplicates.fetch_add(1, Relaxed);
            return Ok(Taking::Done);
        }
        match self.bus.begin_publish(draft).await {
            Ok(publishing) => Ok(Taking::Begun(Box::new(publishing))),
            Err(error) => for_good(error).map(Taking::Aside),
        }
    }

    async fn finish(&self, raw: Raw, taking: Taking) -> Result<(), TakeError> {
        let why = match taking {
            Taking::Done => return Ok(()),
            Taking::Aside(why) => why,
            Taking::Begun(publishing) => match publishing.finish().await {
                Ok(receipt) => {
                    self.counters.taken.fetch_add(1, Relaxed);
                    let known = u64::from(receipt.disposition == Disposition::Duplicate);
                    self.counters.duplicates.fetch_add(known, Relaxed);
                    return Ok(());
                }
                Err(error) => for_good(error)?,
            },
        };
        let (Raw::Line(line) | Raw::TooLong(line)) = raw;
        let path = self.path().to_owned();
        blocking(move || aside::put(&path, &line)).await?;
        let (counter, reason) = match why {
            Why::Malformed(reason) => (&self.counters.malformed, reason),
            Why::Refused(reason) => (&self.counters.refused, reason),
        };
        counter.fetch_add(1, Relaxed);
        tracing::debug!(reason, "a line of the spool is put aside");
        Ok(())
    }
}

/// The event of a line; none where there is nothing on it.
fn draft(raw: &Raw) -> Result<Option<Draft>, Why> {
    let line = match raw {
        Raw::Line(line) if line.is_empty() => return Ok(None),
        Raw::Line(line) => line,
        Raw::TooLong(line) => return Err(Why::Malformed(format!("a line of more than {} bytes", line.len()))),
    };
    let SpooledLine { event, .. } = parse_line(line).map_err(|error| Why::Malformed(error.to_string()))?;
    parse_event(event).map(Some).map_err(|error| Why::Refused(error.message))
}

/// Why the event will never be taken; an error where it may be later.
fn for_good(error: PublishError) -> Result<Why, TakeError> {
    match error {
        PublishError::Invalid { .. } | PublishError::Undeclared { .. } => Ok(Why::Refused(chain(&error))),
        error => Err(error.into()),
    }
}

type Identity = (u64, u64);

/// Opens the file and reads the next lines; `None` where there is nothing. Begins anew where it is another file than before,
/// or a shorter one.
fn look(path: &Path, (known, to): (Identity, u64), line_max: usize) -> io::Result<Option<(Identity, u64, Lines)>> {
    let Some((file, identity, bytes)) = open(path)? else { return Ok(None) };
    let from = if identity == known && to <= bytes { to } else { 0 };
    let lines = read::lines(&file, from, BATCH, line_max)?;
    Ok(Some((identity, from, lines)))
}

fn open(path: &Path) -> io::Result<Option<(File, Identity, u64)>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, format!("{} is no file", path.display())));
    }
    let (identity, bytes) = ((found.dev(), found.ino()), found.len());
    Ok((bytes > 0).then_some((file, identity, bytes)))
}

/// What came of emptying the file.
enum Emptied {
    /// It is empty; every line in it was done.
    Whole,
    /// It is empty; behind the last line stood a torn one, which was put aside.
    Torn,
    /// It has more lines.
    More,
    /// Somebody writes.
    Locked,
}

/// Empties the file, if everything in it is done. Under the lock, so that what stands behind the last whole line is no
/// line that is being written.
fn empty(path: &Path, identity: Identity, done_to: u64) -> io::Result<Emptied> {
    let Some((file, found, _)) = open(path)? else { return Ok(Emptied::Whole) };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(Emptied::Locked),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    let rest = match file.metadata()?.len().checked_sub(done_to) {
        Some(_) if found != identity => return Ok(Emptied::More),
        Some(0) => None,
        Some(_) => read::lines(&file, done_to, 1, aside::BYTES_MAX.try_into().unwrap_or(usize::MAX)).map(Some)?,
        None => return Ok(Emptied::More),
    };
    let emptied = match rest {
        None => Emptied::Whole,
        Some(Lines { lines, .. }) if !lines.is_empty() => return Ok(Emptied::More),
        Some(Lines { rest: Some(Raw::Line(torn) | Raw::TooLong(torn)), .. }) => {
            aside::put(path, &torn)?;
            Emptied::Torn
        }
        Some(_) => Emptied::Whole,
    };
    file.set_len(0)?;
    Ok(emptied)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Looks now and then whether hooks left something. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Looking(JoinHandle<()>);

impl Looking {
    pub(crate) fn start(taker: Arc<Taker>, every: Duration) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                // Said and counted there.
                drop(taker.take_in().await);
            }
        }))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}
