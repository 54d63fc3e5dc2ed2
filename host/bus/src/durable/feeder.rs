//! The feeder of a durable subscription: one task that reads from the journal what its queue had no room for.
//!
//! It sleeps while the subscription keeps up. It reads ahead by one batch at most, and only once the queue is half empty.

use std::sync::Arc;
use std::time::Duration;

use crate::journal::Journal;
use crate::slot::{Feed, Slot};

/// Most events in one read.
const READ_EVENTS: usize = 512;
/// About the most bytes in one read.
const READ_BYTES: usize = 4 << 20;
/// Wait after a read that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Runs until the subscription ends.
pub(crate) async fn run(slot: Arc<Slot>, journal: Arc<dyn Journal>) {
    loop {
        let from = match slot.feed_wanted().await {
            Feed::Stop => return,
            Feed::From(seq) => seq,
        };
        match journal.read(from, READ_EVENTS, READ_BYTES).await {
            Ok(batch) => {
                // Only what has been offered to every queue: the rest is about to be offered to this one.
                let Some(offered) = slot.offered_by_bus() else { return };
                if !slot.feed(&batch, offered) {
                    slot.feed_changed(offered).await;
                }
            }
            Err(error) => {
                tracing::error!(subscription = %slot.name, from, %error, "cannot read the journal; trying again");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        tokio::task::coop::consume_budget().await;
    }
}
