//! Random publishes, failures, pauses, reloads and crashes of a bus on a journal against a reference model: every event that
//! was acknowledged is settled once as the journal sees it, in order of its lane, and handled at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugbus_bus::*;
use proptest::prelude::*;

use crate::memory_journal::{Disk, MemoryJournal};
use crate::support::*;

/// What happens to the bus.
#[derive(Debug, Clone)]
enum Op {
    /// An event whose handler fails so many times, or rejects.
    Publish {
        failures: u8,
        rejects: bool,
    },
    Pause,
    Resume,
    Reload,
    Crash,
    Stall,
    Sleep(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (0..7u8, prop::bool::weighted(0.1)).prop_map(|(failures, rejects)| Op::Publish { failures, rejects }),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
        1 => Just(Op::Reload),
        1 => Just(Op::Crash),
        1 => Just(Op::Stall),
        2 => (0..500u16).prop_map(Op::Sleep),
    ]
}

/// Events that a handler saw: number, attempt, and the life of the bus.
type Log = Arc<Mutex<Vec<(u64, u32, u32)>>>;

fn handler(log: &Log, life: u32) -> Box<dyn Handler> {
    let log = log.clone();
    Box::new(Sync(move |delivery: &Delivery| {
        log.lock().unwrap().push((delivery.event.seq, delivery.attempt, life));
        let (failures, rejects): (u32, bool) = delivery.event.payload.parse().unwrap();
        if delivery.attempt <= failures {
            return Err(Failure::retry("scripted").into());
        }
        if rejects { Err(Failure::reject("scripted").into()) } else { Ok(Reply(None)) }
    }))
}

struct World {
    bus: Bus,
    journal: Arc<MemoryJournal>,
    sub: Subscription,
    log: Log,
    life: u32,
    concurrency: u32,
}

impl World {
    fn start(disk: Disk, log: &Log, life: u32, concurrency: u32) -> Self {
        let journal = MemoryJournal::open(disk, 16);
        let bus = Bus::builder().journal(journal.clone()).build();
        let handlers = (0..concurrency).map(|_| handler(log, life)).collect();
        let sub = bus.subscribe("e").name("s").durable(Start::Earliest).queue_events_max(3).handlers(handlers).unwrap();
        Self { bus, journal, sub, log: log.clone(), life, concurrency }
    }

    /// Kills the process: what is not committed is gone, and nothing of the old life goes on.
    async fn crash(self) -> Self {
        let disk = self.journal.crash();
        self.journal.gate.set_closed(true);
        drop(self.sub.control());
        self.bus.unsubscribe(self.sub.name());
        let Self { bus, log, life, concurrency, .. } = self;
        drop(bus);
        Self::start(disk, &log, life + 1, concurrency)
    }
}

async fn run(ops: Vec<Op>, concurrency: u32) {
    let log = Log::default();
    let mut world = World::start(Disk::default(), &log, 0, concurrency);
    let mut accepted: BTreeMap<u64, (u32, bool)> = BTreeMap::new();
    for op in ops {
        match op {
            Op::Publish { failures, rejects } => {
                let script = (u32::from(failures), rejects);
                let receipt = world.bus.publish(draft("e").json(&script).unwrap()).await.unwrap();
                accepted.insert(receipt.seq, script);
            }
            Op::Pause => world.sub.pause(),
            Op::Resume => world.sub.resume(),
            Op::Sleep(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
            Op::Reload => {
                let handlers = (0..concurrency).map(|_| handler(&log, world.life)).collect();
                let new = Replace { filters: world.sub.filters(), handlers, settings: None };
                assert_eq!(world.sub.replace(new, LONG).await.unwrap().cut_off, 0);
            }
            Op::Stall => {
                world.journal.gate.set_closed(true);
                tokio::time::sleep(Duration::from_millis(50)).await;
                world.journal.gate.set_closed(false);
            }
            Op::Crash => world = world.crash().await,
        }
    }
    world.sub.resume();
    assert!(world.bus.wait_idle(Duration::from_secs(100_000)).await, "{:#?}", world.bus.subscriptions());
    check(&world, &accepted).await;
}

async fn check(world: &World, accepted: &BTreeMap<u64, (u32, bool)>) {
    let numbers: Vec<u64> = accepted.keys().copied().collect();
    assert_eq!(numbers, (1..=accepted.len() as u64).collect::<Vec<_>>(), "acknowledged is what is in the journal");
    let log = world.log.lock().unwrap().clone();
    let letters: BTreeSet<u64> =
        world.bus.dead_letters().list(&DeadFilter::default()).iter().map(|letter| letter.event.seq).collect();
    for (seq, (failures, rejects)) in accepted {
        let attempts: Vec<u32> = log.iter().filter(|(s, ..)| s == seq).map(|(_, attempt, _)| *attempt).collect();
        assert!(!attempts.is_empty(), "event {seq} was never handled");
        let last = if *failures >= 5 { 5 } else { failures + 1 };
        assert_eq!(attempts.iter().max(), Some(&last), "event {seq}: {attempts:?}");
        assert_eq!(letters.contains(seq), *failures >= 5 || *rejects, "event {seq}");
    }
    if world.concurrency == 1 {
        for life in 0..=world.life {
            let own: Vec<u64> = log.iter().filter(|(.., l)| *l == life).map(|(seq, ..)| *seq).collect();
            assert!(own.is_sorted(), "order, retries included, in life {life}: {own:?}");
        }
    }
    let stats = world.sub.stats();
    assert_eq!((stats.waiting, stats.in_flight), (0, 0));
    // The journal agrees, once everything submitted before is committed.
    world.bus.publish(draft("barrier")).await.unwrap();
    let disk = world.journal.crash();
    let cursor = disk.cursors.values().next().unwrap();
    assert!(cursor.floor >= accepted.len() as u64, "{cursor:?}");
    assert!(cursor.retries.is_empty() && cursor.settled.is_empty(), "{cursor:?}");
    assert_eq!(disk.dead.len(), letters.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_was_acknowledged_is_settled_in_spite_of_crashes(
        ops in prop::collection::vec(op(), 1..40), concurrency in 1..4u32
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(ops, concurrency));
    }
}
