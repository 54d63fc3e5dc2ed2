//! Those who publish: each a thread with a source of its own, which numbers its events and notes what the daemon answered.
//!
//! When the connection breaks, some publish again what has no answer, under the same id, until it has one: each such event
//! must be in the journal once. The others give it up: it may be there or not, once at most.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::connection::{Answer, Connection, Through};
use super::random::Random;
use crate::live::Cli;

/// Most events that are published at once.
const BURST_MAX: u64 = 8;
/// Times between two bursts, in milliseconds.
const PAUSE_MS: (u64, u64) = (20, 120);
/// Before the next try to reach a daemon that is not there.
const AWAY: Duration = Duration::from_millis(10);

const STREAM: u8 = 0;
const FINISH: u8 = 1;
const ABANDON: u8 = 2;

/// A source, how it publishes, and whether it publishes again what has no answer.
pub(super) const SOURCES: [(&str, Through, bool); 4] = [
    ("a", Through::Socket, true),
    ("b", Through::Socket, true),
    ("c", Through::Socket, false),
    ("d", Through::Emit, false),
];

/// What a publisher did.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    pub(super) source: String,
    /// Whether everything it sent was published again until it had an answer.
    pub(super) repeats: bool,
    /// The last number that it sent; the first is 1.
    pub(super) sent: u64,
    /// The events that the daemon has accepted, with the number that it gave them.
    pub(super) accepted: BTreeMap<u64, u64>,
    /// Answers that said that an event had been there before.
    pub(super) duplicates: u64,
}

/// Everybody who publishes. Given up when dropped.
pub(super) struct Publishers {
    word: Arc<AtomicU8>,
    threads: Vec<JoinHandle<Published>>,
}

impl Publishers {
    pub(super) fn start(cli: &Cli, random: &mut Random) -> Self {
        let word = Arc::new(AtomicU8::new(STREAM));
        let start = |(source, through, repeats): (&str, Through, bool)| {
            let published = Published { source: source.to_owned(), repeats, ..Published::default() };
            let publisher = Publisher {
                cli: cli.clone(),
                through,
                word: word.clone(),
                random: random.fork(),
                published,
                open: VecDeque::new(),
            };
            thread::spawn(move || publisher.run())
        };
        let threads = SOURCES.into_iter().map(start).collect();
        Self { word, threads }
    }

    /// Lets them end once nothing is without an answer, for which there must be a daemon. What each of them did.
    pub(super) fn finish(mut self) -> Vec<Published> {
        self.word.store(FINISH, Relaxed);
        // One that panicked has published nothing that counts; its events then are in nobody's list, which is noticed.
        self.threads.drain(..).filter_map(|thread| thread.join().ok()).collect()
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        self.word.store(ABANDON, Relaxed);
    }
}

struct Publisher {
    cli: Cli,
    through: Through,
    word: Arc<AtomicU8>,
    random: Random,
    published: Published,
    /// Sent and without an answer.
    open: VecDeque<u64>,
}

impl Publisher {
    fn run(mut self) -> Published {
        loop {
            match self.word.load(Relaxed) {
                STREAM => {}
                FINISH if !self.open.is_empty() => {}
                _ => return self.published,
            }
            if let Ok(mut connection) = Connection::open(&self.cli, self.through) {
                // However it ended: the daemon is gone, or is about to go, or all is said.
                let _ = self.converse(&mut connection);
            }
            if !self.published.repeats {
                self.open.clear();
            }
            thread::sleep(AWAY);
        }
    }

    /// Publishes until the connection breaks, the daemon takes nothing more, or it is enough.
    fn converse(&mut self, connection: &mut Connection) -> io::Result<()> {
        loop {
            let streams = self.word.load(Relaxed) == STREAM;
            if !streams && self.open.is_empty() {
                return Ok(());
            }
            let new = if streams { self.random.between(1, BURST_MAX) } else { 0 };
            self.open.extend(self.published.sent + 1..=self.published.sent + new);
            self.published.sent += new;
            connection.send(&self.published.source, self.open.make_contiguous())?;
            while let Some(number) = self.open.front().copied() {
                match connection.receive()? {
                    Answer::Accepted { seq, is_duplicate } => {
                        self.published.accepted.insert(number, seq);
                        self.published.duplicates += u64::from(is_duplicate);
                        self.open.pop_front();
                    }
                    Answer::Refused => return Ok(()),
                }
            }
            if streams {
                thread::sleep(self.random.time(PAUSE_MS.0, PAUSE_MS.1));
            }
        }
    }
}
