//! Those who publish: each a thread with a source of its own, which numbers its events and notes what the daemon answered.
//!
//! When the connection breaks, some publish again what has no answer, under the same id, until it has one: each such event
//! must be in the journal once. The others give it up: it may be there or not, once at most.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::{Answer, Connection, FLOOD, Through};
use super::random::Random;
use crate::live::{Cli, LIMIT, LiveError};

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

/// Large events that are published at once: with what plugins pass on of them more than the journal's write-ahead log holds
/// before it is written back.
const FLOOD_EVENTS: u64 = 24;

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
    pub(super) fn finish(mut self) -> Result<Vec<Published>, LiveError> {
        self.word.store(FINISH, Relaxed);
        let begun = Instant::now();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if begun.elapsed() > LIMIT {
                return Err(LiveError::slow("the last answers to the publishers"));
            }
            thread::sleep(AWAY);
        }
        // One that panicked has published nothing that counts; its events then are in nobody's list, which is noticed.
        Ok(self.threads.drain(..).filter_map(|thread| thread.join().ok()).collect())
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        self.word.store(ABANDON, Relaxed);
    }
}

/// Publishes large events on a thread of its own, and gives up what has no answer. What it did comes back once the
/// connection is broken or all have one.
pub(super) fn flood(cli: &Cli, mut published: Published) -> JoinHandle<Published> {
    let cli = cli.clone();
    published.source = FLOOD.to_owned();
    thread::spawn(move || {
        let numbers: Vec<u64> = (published.sent + 1..=published.sent + FLOOD_EVENTS).collect();
        published.sent += FLOOD_EVENTS;
        let Ok(mut connection) = Connection::open(&cli, Through::Socket) else { return published };
        for number in numbers {
            // Each waits for its answer: what is sent at once would wait in the socket, and not in the daemon.
            let answered = connection.send(FLOOD, &[number]).and_then(|()| connection.receive());
            let Ok(Answer::Accepted { seq, .. }) = answered else { return published };
            published.accepted.insert(number, seq);
        }
        published
    })
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
