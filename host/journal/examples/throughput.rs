//! How many events a second a journal acknowledges, for each sync mode with 1 and 64 publishers, 256 bytes of data each.
//!
//! `cargo run --release -p plugbus-journal --example throughput [SECONDS [FOLDER]]`

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugbus_bus::journal::{Append, Appended, Journal, Permit, Queued, Sink, Ticket, Write};
use plugbus_bus::{Event, Payload, Topic};
use plugbus_journal::{DiskJournal, JournalConfig, SyncMode};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Lets one publisher go on for each event that was acknowledged.
#[derive(Debug)]
struct Gate(Mutex<SyncSender<()>>);

impl Sink for Gate {
    fn committed(&self, appended: Vec<Appended>) {
        if let Ok(sender) = self.0.lock() {
            for _ in appended {
                // Nobody counts any more where this fails.
                let _ = sender.send(());
            }
        }
    }
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().map_or(Ok(3), |text| text.parse())?;
    let root = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    println!("mode    publishers  events/s    p50        p99");
    for sync in [SyncMode::Always, SyncMode::Group, SyncMode::Os] {
        for publishers in [1, 64] {
            let dir = root.join(format!("plugbus-throughput-{}-{sync}-{publishers}", std::process::id()));
            let measured = measure(JournalConfig { sync, ..JournalConfig::new(&dir) }, publishers, seconds);
            std::fs::remove_dir_all(&dir)?;
            let (rate, p50, p99) = measured?;
            println!("{:<8}{publishers:<12}{rate:<12.0}{p50:<11.1?}{p99:.1?}", sync.as_str());
        }
    }
    Ok(())
}

/// Events a second, and the middle and 99th hundredth of the time from submitting to acknowledgement.
fn measure(config: JournalConfig, publishers: usize, seconds: u64) -> Result<(f64, Duration, Duration), Failure> {
    let journal = DiskJournal::open(config)?;
    let (sender, acknowledged) = sync_channel(publishers);
    let gate: Arc<dyn Sink> = Arc::new(Gate(Mutex::new(sender)));
    journal.attach(Arc::downgrade(&gate));
    let times = publish(&journal, &acknowledged, publishers, Duration::from_secs(seconds))?;
    let mut sorted = times.clone();
    sorted.sort_unstable();
    let part = |hundredths: usize| sorted.get(sorted.len() * hundredths / 100).copied().unwrap_or_default();
    let rate = f64::from(u32::try_from(times.len())?) / f64::from(u32::try_from(seconds)?);
    Ok((rate, part(50), part(99)))
}

/// Keeps as many events on their way as there are publishers. They are acknowledged in the order they came in.
fn publish(
    journal: &DiskJournal,
    acknowledged: &Receiver<()>,
    publishers: usize,
    time: Duration,
) -> Result<Vec<Duration>, Failure> {
    let begun = Instant::now();
    let mut sent = std::collections::VecDeque::new();
    let mut times = Vec::new();
    for number in 0u64.. {
        if begun.elapsed() >= time && sent.is_empty() {
            break;
        }
        if begun.elapsed() < time && sent.len() < publishers {
            sent.push_back(Instant::now());
            let append = Append { event: event(number)?, ticket: Ticket::free() };
            journal.submit(Queued { write: Write::Append(Box::new(append)), permit: Permit::free() });
            continue;
        }
        acknowledged.recv()?;
        times.extend(sent.pop_front().map(|at: Instant| at.elapsed()));
    }
    Ok(times)
}

fn event(number: u64) -> Result<Event, Failure> {
    Ok(Event {
        id: format!("0190f0f0-0000-7000-8000-{number:012x}").into(),
        source: "throughput".into(),
        topic: Topic::parse("bench.event")?,
        subject: None,
        time_ns: 0,
        payload: Payload::new("application/octet-stream", vec![7; 256]),
        extensions: Vec::new(),
        seq: 0,
        hops: 0,
    })
}
