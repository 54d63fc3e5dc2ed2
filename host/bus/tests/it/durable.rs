//! A bus on a journal: accepted is committed, what was not settled comes again, what was is not, and a slow subscription
//! slows nobody.

mod accept;
mod backlog;
mod commit;
mod restart;

use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::journal::JournalError;
use plugbus_bus::*;

use crate::memory_journal::{Disk, MemoryJournal};
use crate::support::*;

const CAPACITY: usize = 64;

fn start(disk: Disk) -> (Bus, Arc<MemoryJournal>) {
    let journal = MemoryJournal::open(disk, CAPACITY);
    (Bus::builder().journal(journal.clone()).build(), journal)
}

fn subscribe(bus: &Bus, seen: &Seen) -> Subscription {
    bus.subscribe("e.>").name("s").durable(Start::New).handlers(vec![recorder(seen, "")]).unwrap()
}

/// A handler that fails until the attempt of that number.
fn fails_until(seen: &Seen, attempt: u32) -> Box<dyn Handler> {
    let seen = seen.clone();
    Box::new(Sync(move |delivery: &Delivery| {
        seen.add(format!("{}#{}", delivery.event.topic, delivery.attempt));
        if delivery.attempt < attempt { Err(Failure::retry("not yet").into()) } else { Ok(Reply(None)) }
    }))
}

async fn settled(bus: &Bus) {
    assert!(bus.wait_idle(LONG).await, "{:#?}", bus.subscriptions());
    // What was settled is committed once a later write is.
    bus.publish(draft("barrier")).await.unwrap();
}
