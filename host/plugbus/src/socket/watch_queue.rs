//! What a watcher has not read yet: a bounded queue that says what it lost, and where.
//!
//! Bounded in events and bytes. Nobody waits for room: what does not fit is counted in a `Missed` entry at the very place
//! in the queue where it is missing. So a watcher that stops reading costs a fixed amount, and the publisher's path is one
//! short lock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plugbus_bus::Event;
use tokio::sync::Notify;

/// One entry, in the order of publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// An event.
    Event(Arc<Event>),
    /// So many events that found no room.
    Missed(u64),
}

/// The queue between the publishers and one watcher.
#[derive(Debug)]
pub(super) struct Watch {
    queue: Mutex<Queue>,
    news: Notify,
    events_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Between two `Missed` there is always an `Event`, so the length is at most twice `events_max` and one.
    entries: VecDeque<Seen>,
    events: usize,
    bytes: usize,
}

impl Watch {
    pub(super) fn new(events_max: usize, bytes_max: usize) -> Self {
        Self { queue: Mutex::default(), news: Notify::new(), events_max, bytes_max }
    }

    /// Queues the event, or counts it as missed; returns whether it was queued. One event is always taken, whatever its
    /// size.
    pub(super) fn offer(&self, event: &Arc<Event>) -> bool {
        let bytes = event.size_bytes();
        let mut queue = self.lock();
        let fits = queue.events < self.events_max && queue.bytes.saturating_add(bytes) <= self.bytes_max;
        let fits = fits || queue.events == 0;
        if fits {
            queue.events += 1;
            queue.bytes = queue.bytes.saturating_add(bytes);
            queue.entries.push_back(Seen::Event(event.clone()));
        } else if let Some(Seen::Missed(count)) = queue.entries.back_mut() {
            *count = count.saturating_add(1);
        } else {
            queue.entries.push_back(Seen::Missed(1));
        }
        drop(queue);
        self.news.notify_one();
        fits
    }

    /// Takes the next entry if there is one.
    pub(super) fn take(&self) -> Option<Seen> {
        let mut queue = self.lock();
        let entry = queue.entries.pop_front()?;
        if let Seen::Event(event) = &entry {
            queue.events -= 1;
            queue.bytes = queue.bytes.saturating_sub(event.size_bytes());
        }
        Some(entry)
    }

    /// Waits for the next entry. For one reader. Cancel-safe.
    pub(super) async fn next(&self) -> Seen {
        loop {
            if let Some(entry) = self.take() {
                return entry;
            }
            self.news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugbus_bus::{Payload, Topic};

    fn event(seq: u64, bytes: usize) -> Arc<Event> {
        Arc::new(Event {
            id: "1".into(),
            source: "s".into(),
            topic: Topic::parse("a").unwrap(),
            subject: None,
            time_ns: 0,
            payload: Payload::text("x".repeat(bytes)),
            extensions: Vec::new(),
            seq,
            hops: 0,
        })
    }

    fn drain(watch: &Watch) -> Vec<Result<u64, u64>> {
        std::iter::from_fn(|| watch.take())
            .map(|seen| match seen {
                Seen::Event(event) => Ok(event.seq),
                Seen::Missed(count) => Err(count),
            })
            .collect()
    }

    #[test]
    fn what_finds_no_room_is_counted_where_it_is_missing() {
        let watch = Watch::new(2, usize::MAX);
        for seq in 1..=5 {
            assert_eq!(watch.offer(&event(seq, 0)), seq <= 2);
        }
        assert_eq!(watch.take(), Some(Seen::Event(event(1, 0))));
        assert!(watch.offer(&event(6, 0)));
        assert!(!watch.offer(&event(7, 0)));
        assert_eq!(drain(&watch), [Ok(2), Err(3), Ok(6), Err(1)]);
        assert!(watch.offer(&event(8, 0)));
        assert_eq!(drain(&watch), [Ok(8)]);
    }

    #[test]
    fn bytes_are_bounded_and_one_event_always_fits() {
        let small = event(0, 100).size_bytes();
        let watch = Watch::new(100, small * 2);
        for seq in 1..=4 {
            watch.offer(&event(seq, 100));
        }
        assert_eq!(drain(&watch), [Ok(1), Ok(2), Err(2)]);
        assert!(watch.offer(&event(5, 10_000)));
        assert!(!watch.offer(&event(6, 0)));
        assert_eq!(drain(&watch), [Ok(5), Err(1)]);
    }

    #[test]
    fn a_flood_leaves_the_queue_bounded() {
        let watch = Watch::new(8, usize::MAX);
        for seq in 0..100_000 {
            watch.offer(&event(seq, 0));
            if seq % 3 == 0 {
                watch.take();
            }
        }
        assert!(watch.lock().entries.len() <= 2 * 8 + 1);
        assert!(watch.lock().entries.capacity() <= 64);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let watch = Arc::new(Watch::new(8, usize::MAX));
        let reader = tokio::spawn({
            let watch = watch.clone();
            async move { watch.next().await }
        });
        tokio::task::yield_now().await;
        watch.offer(&event(1, 0));
        assert_eq!(reader.await.unwrap(), Seen::Event(event(1, 0)));
    }
}
