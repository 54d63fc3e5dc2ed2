//! What a watcher has not read yet: a bounded queue that says what it lost, and where.
//!
//! Bounded in events and bytes. Nobody waits for room: what does not fit is counted in a `Missed` entry at the very place
//! in the queue where it is missing. So a watcher that stops reading costs a fixed amount, and the publisher's path is one
//! short lock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::WatchLimits;
use crate::event::Event;

/// One entry, in the order of acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// An event.
    Event(Arc<Event>),
    /// Events that found no room.
    Missed(Gap),
}

/// How many events found no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Events with a number, which a journal or history has as well.
    pub(crate) numbered: u64,
    /// The host's own on a bus with a journal: nobody else keeps them.
    pub(crate) unnumbered: u64,
}

impl Gap {
    fn count(&mut self, event: &Event) {
        let counter = if event.seq > 0 { &mut self.numbered } else { &mut self.unnumbered };
        *counter = counter.saturating_add(1);
    }

    pub(crate) fn total(self) -> u64 {
        self.numbered.saturating_add(self.unnumbered)
    }
}

/// The queue between the publishers and one watcher.
#[derive(Debug)]
pub(crate) struct WatchQueue {
    queue: Mutex<Queue>,
    news: Notify,
    limits: WatchLimits,
}

#[derive(Debug, Default)]
struct Queue {
    /// Between two `Missed` there is always an `Event`, so the length is at most twice `events_max` and one.
    entries: VecDeque<Entry>,
    events: usize,
    bytes: usize,
    closed: bool,
}

impl WatchQueue {
    pub(crate) fn new(limits: WatchLimits) -> Self {
        Self { queue: Mutex::default(), news: Notify::new(), limits }
    }

    /// Queues the event, or counts it as missed; returns whether it was queued. One event is always taken, whatever its
    /// size.
    pub(crate) fn offer(&self, event: &Arc<Event>) -> bool {
        let bytes = event.size_bytes();
        let limits = self.limits;
        let mut queue = self.lock();
        let fits = queue.events < limits.events_max && queue.bytes.saturating_add(bytes) <= limits.bytes_max;
        let fits = fits || queue.events == 0;
        if fits {
            queue.events += 1;
            queue.bytes = queue.bytes.saturating_add(bytes);
            queue.entries.push_back(Entry::Event(event.clone()));
        } else if let Some(Entry::Missed(gap)) = queue.entries.back_mut() {
            gap.count(event);
        } else {
            let mut gap = Gap::default();
            gap.count(event);
            queue.entries.push_back(Entry::Missed(gap));
        }
        drop(queue);
        self.news.notify_one();
        fits
    }

    /// Takes the next entry if there is one.
    pub(crate) fn take(&self) -> Option<Entry> {
        self.lock().take()
    }

    /// Waits for the next entry; none once the queue is closed and empty. For one reader. Cancel-safe.
    pub(crate) async fn next(&self) -> Option<Entry> {
        loop {
            {
                let mut queue = self.lock();
                if let Some(entry) = queue.take() {
                    return Some(entry);
                }
                if queue.closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        if let Entry::Event(event) = &entry {
            self.events -= 1;
            self.bytes = self.bytes.saturating_sub(event.size_bytes());
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use crate::topic::Topic;

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

    fn bounded(events_max: usize, bytes_max: usize) -> WatchQueue {
        WatchQueue::new(WatchLimits { events_max, bytes_max })
    }

    fn drain(queue: &WatchQueue) -> Vec<Result<u64, u64>> {
        std::iter::from_fn(|| queue.take())
            .map(|entry| match entry {
                Entry::Event(event) => Ok(event.seq),
                Entry::Missed(gap) => Err(gap.total()),
            })
            .collect()
    }

    #[test]
    fn what_finds_no_room_is_counted_where_it_is_missing() {
        let queue = bounded(2, usize::MAX);
        for seq in 1..=5 {
            assert_eq!(queue.offer(&event(seq, 0)), seq <= 2);
        }
        assert_eq!(queue.take(), Some(Entry::Event(event(1, 0))));
        assert!(queue.offer(&event(6, 0)));
        assert!(!queue.offer(&event(7, 0)));
        assert_eq!(drain(&queue), [Ok(2), Err(3), Ok(6), Err(1)]);
        assert!(queue.offer(&event(8, 0)));
        assert_eq!(drain(&queue), [Ok(8)]);
    }

    #[test]
    fn what_nobody_else_keeps_is_counted_apart() {
        let queue = bounded(1, usize::MAX);
        for seq in [1, 2, 0, 3] {
            queue.offer(&event(seq, 0));
        }
        queue.take();
        assert_eq!(queue.take(), Some(Entry::Missed(Gap { numbered: 2, unnumbered: 1 })));
    }

    #[test]
    fn bytes_are_bounded_and_one_event_always_fits() {
        let small = event(0, 100).size_bytes();
        let queue = bounded(100, small * 2);
        for seq in 1..=4 {
            queue.offer(&event(seq, 100));
        }
        assert_eq!(drain(&queue), [Ok(1), Ok(2), Err(2)]);
        assert!(queue.offer(&event(5, 10_000)));
        assert!(!queue.offer(&event(6, 0)));
        assert_eq!(drain(&queue), [Ok(5), Err(1)]);
    }

    #[test]
    fn a_flood_leaves_the_queue_bounded() {
        let queue = bounded(8, usize::MAX);
        for seq in 0..100_000 {
            queue.offer(&event(seq, 0));
            if seq % 3 == 0 {
                queue.take();
            }
        }
        assert!(queue.lock().entries.len() <= 2 * 8 + 1);
        assert!(queue.lock().entries.capacity() <= 64);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_by_an_event_and_by_the_end() {
        let queue = Arc::new(bounded(8, usize::MAX));
        let reader = tokio::spawn({
            let queue = queue.clone();
            async move { (queue.next().await, queue.next().await) }
        });
        tokio::task::yield_now().await;
        queue.offer(&event(1, 0));
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(reader.await.unwrap(), (Some(Entry::Event(event(1, 0))), None));
    }
}
