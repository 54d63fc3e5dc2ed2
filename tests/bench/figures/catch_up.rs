//! How fast a durable subscription catches up from the journal: a handler that does nothing has every event from the
//! earliest on, and each is settled in the journal. Beside it reading the same rows, which settles nothing. They take turns.

use std::time::{Duration, Instant};

use plugbus::bus::Start;
use plugbus::journal::{JournalConfig, SyncMode};

use crate::disk::{OnDisk, Rate, database, folder};
use crate::effort;
use crate::host::{PATIENCE, TOPIC, two_threads};
use crate::raw;
use crate::record::{Record, Records};

const EVENTS: u64 = 200_000;
const TURNS: usize = 3;
/// How often it is looked whether everything is settled.
const POLL: Duration = Duration::from_millis(1);

pub(crate) fn catch_up(records: &mut Records) {
    let (runtime, folder) = (two_threads(), folder());
    let events = effort::times_u64(EVENTS);
    let config = |sync| JournalConfig { sync, ..JournalConfig::new(folder.path()) };
    runtime.block_on(async {
        // How it came there is another figure.
        let on_disk = OnDisk::open(config(SyncMode::Os));
        on_disk.fill(events).await;
        on_disk.close().await;
    });
    let (mut own, mut raw) = (Rate::default(), Rate::default());
    for turn in 0..TURNS {
        own.add(runtime.block_on(async {
            let on_disk = OnDisk::open(config(SyncMode::Group));
            let rate = settle_all(&on_disk, turn, events).await;
            on_disk.close().await;
            rate
        }));
        raw.add(raw::read_events(&database(folder.path())).expect("the rows are read"));
    }
    let all = events * TURNS as u64;
    assert_eq!((own.events, raw.events), (all, all));
    let name = format!("catch-up/of {events} events, each settled, sync group");
    let record = Record::new(name, own.per_second(), "events/s");
    records.add(&record.beside("reading the rows", raw.per_second()));
}

/// Subscribes under a new name and waits until all is settled and on the disk.
async fn settle_all(on_disk: &OnDisk, turn: usize, events: u64) -> Rate {
    let began = Instant::now();
    let subscribe = on_disk.bus.subscribe(TOPIC).name(format!("catch-up-{turn}")).durable(Start::Earliest);
    let subscription = subscribe.on(|_| async {}).expect("the bus takes a subscription");
    while subscription.control().stats().durable.is_none_or(|durable| durable.floor < events) {
        assert!(began.elapsed() < PATIENCE, "{:?}", subscription.control().stats());
        tokio::time::sleep(POLL).await;
    }
    assert!(on_disk.bus.wait_idle(PATIENCE).await, "the journal commits what is settled");
    let rate = Rate::since(began, subscription.control().stats().acked);
    subscription.detach();
    rate
}
