//! How many events a second are acknowledged: publishers that each wait for their receipt before they publish the next.
//!
//! Beside it the raw storage does the same writes with as many syncs: as many rows as there were events, in as many
//! transactions as the journal made. Where there is a `nats-server`, a JetStream with file storage stands beside it too,
//! over loopback, with as many messages on their way as there are publishers. All take turns, and the median turn counts: a disk that others
//! write to may stand still for seconds, and how often is no matter of who had the turn.

use std::time::{Duration, Instant};

use plugbus::bus::Bus;
use plugbus::journal::{JournalConfig, SyncMode};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::disk::{OnDisk, Rate, folder, median};
use crate::effort;
use crate::host::{draft, two_threads};
use crate::nats::{self, Client, Server};
use crate::raw::Raw;
use crate::record::{Record, Records};

const MODES: [SyncMode; 3] = [SyncMode::Always, SyncMode::Group, SyncMode::Os];
const PUBLISHERS: [usize; 2] = [1, 64];
/// Turns of each: many and short, since what a sync costs changes with whatever else the disk is asked to do.
const TURNS: usize = 15;
/// How long publishers publish in one of them.
const TURN: Duration = Duration::from_millis(300);

pub(crate) fn acknowledged(records: &mut Records) {
    let version = nats::version();
    if version.is_none() {
        println!("acknowledged: no `nats-server`, nothing is set beside JetStream");
    }
    for mode in MODES {
        for publishers in PUBLISHERS {
            let measured = Measured::take(mode, publishers, version.is_some());
            let plural = if publishers == 1 { "" } else { "s" };
            let name = format!("acknowledged/sync {mode}, {publishers} publisher{plural}");
            let own = |name: String| Record::new(name, median(&measured.own), "events/s");
            let rows = measured.own.iter().map(|turn| turn.events).sum::<u64>() as f64 / measured.commits as f64;
            let raw = format!("raw SQLite, {rows:.1} rows a commit");
            records.add(&own(name.clone()).beside(raw, median(&measured.raw)));
            if let Some(version) = &version {
                let beside = format!("JetStream {version}, {}", synced(mode));
                records.add(&own(format!("{name}, beside a server")).beside(beside, median(&measured.jetstream)));
            }
        }
    }
}

/// When a JetStream server syncs for the promise that comes nearest to a mode.
fn synced(mode: SyncMode) -> &'static str {
    if mode == SyncMode::Os { "synced by the system" } else { "synced always" }
}

struct Measured {
    own: Vec<Rate>,
    /// Of the journal.
    commits: u64,
    raw: Vec<Rate>,
    /// Empty without a server.
    jetstream: Vec<Rate>,
}

impl Measured {
    fn take(mode: SyncMode, publishers: usize, with_jetstream: bool) -> Self {
        let runtime = two_threads();
        let folders: [TempDir; 3] = std::array::from_fn(|_| folder());
        let [own_folder, raw_folder, jetstream_folder] = folders.each_ref().map(TempDir::path);
        let on_disk = OnDisk::open(JournalConfig { sync: mode, ..JournalConfig::new(own_folder) });
        let mut raw = Raw::create(raw_folder, mode).expect("the raw storage is made");
        let mut jetstream = with_jetstream.then(|| {
            let server = Server::start(jetstream_folder, mode != SyncMode::Os);
            let client = Client::connect(server.address());
            (server, client)
        });
        let mut measured = Self { own: Vec::new(), commits: 0, raw: Vec::new(), jetstream: Vec::new() };
        runtime.block_on(on_disk.grow_log());
        raw.grow_log().expect("the raw storage takes rows");
        for _ in 0..effort::times(TURNS) {
            let before = on_disk.stats().commits;
            let own = publish_for(&runtime, &on_disk.bus, publishers, effort::lasting(TURN));
            let commits = on_disk.stats().commits - before;
            measured.own.push(own);
            measured.commits += commits;
            measured.raw.push(raw.insert(own.events, commits).expect("the raw storage takes rows"));
            if let Some((_, client)) = &mut jetstream {
                measured.jetstream.push(client.publish_for(publishers, effort::lasting(TURN)));
            }
        }
        runtime.block_on(on_disk.close());
        measured
    }
}

/// So many publishers at once, for so long.
fn publish_for(runtime: &Runtime, bus: &Bus, publishers: usize, time: Duration) -> Rate {
    let began = Instant::now();
    let publisher = |bus: Bus| async move {
        let (draft, mut events) = (draft(), 0);
        while began.elapsed() < time {
            bus.publish(draft.clone()).await.expect("the bus takes an event");
            events += 1;
        }
        events
    };
    let tasks: Vec<_> = (0..publishers).map(|_| runtime.spawn(publisher(bus.clone()))).collect();
    let events = tasks.into_iter().map(|task| runtime.block_on(task).expect("the publisher ends")).sum();
    Rate::since(began, events)
}
