//! What is on its way to a client: a window, so that the library's buffer never fills up.
//!
//! The library drops packets when its buffer is full, a ping among them, which ends the connection. So no more is handed to it
//! than fits the window, in packets and in bytes; what the system takes of the connection ([`Flow`]) makes room. A client
//! that reads slowly thereby holds back its own watcher, which counts what it misses, and nothing else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// Packets on their way to one client.
pub(super) const WINDOW_PACKETS: usize = 96;
/// Bytes on their way to one client; one event is always sent, whatever its size.
pub(super) const WINDOW_BYTES: usize = 256 << 10;

/// Bytes that the system has taken since it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    taken: AtomicUsize,
    progress: Notify,
}

impl Flow {
    /// So many bytes more are on their way out of here.
    pub(crate) fn add(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Relaxed);
        self.progress.notify_one();
    }

    /// Resolves when something was taken. For one waiter. Cancel-safe.
    pub(super) async fn progressed(&self) {
        self.progress.notified().await;
    }

    pub(super) fn take(&self) -> usize {
        self.taken.swap(0, Relaxed)
    }
}

/// What was handed to the library and has not been taken. Pure.
#[derive(Debug, Default)]
pub(super) struct Window {
    sizes: VecDeque<usize>,
    bytes: usize,
    /// Bytes taken of the oldest packet.
    part: usize,
}

impl Window {
    /// Whether another event may be handed over.
    pub(super) fn has_room(&self) -> bool {
        self.sizes.len() < WINDOW_PACKETS && (self.bytes < WINDOW_BYTES || self.sizes.is_empty())
    }

    /// A packet of that size was handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sizes.push_back(bytes);
        self.bytes += bytes;
    }

    /// So many bytes were taken. What is more than was handed over is not ours: handshakes, pings, answers.
    pub(super) fn taken(&mut self, bytes: usize) {
        self.part = self.part.saturating_add(bytes);
        while let Some(oldest) = self.sizes.front().copied()
            && self.part >= oldest
        {
            self.part -= oldest;
            self.forget_oldest();
        }
        if self.sizes.is_empty() {
            self.part = 0;
        }
    }

    /// Nothing was taken for a while: that may be a client that does not read, or an error in this account. One more packet
    /// is let through, which the first case cannot notice and which mends the second.
    pub(super) fn forget_oldest(&mut self) {
        if let Some(oldest) = self.sizes.pop_front() {
            self.bytes -= oldest;
        }
    }
}

/// Bytes that a packet takes on a websocket: its frame's head, and its text. Pure.
pub(super) fn framed(text: usize) -> usize {
    text + match text {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_full_by_packets_or_by_bytes_and_one_event_always_fits() {
        let mut window = Window::default();
        for _ in 0..WINDOW_PACKETS {
            assert!(window.has_room());
            window.sent(10);
        }
        assert!(!window.has_room());
        window.taken(9);
        assert!(!window.has_room());
        window.taken(1);
        assert!(window.has_room());
        let mut window = Window::default();
        window.sent(WINDOW_BYTES * 2);
        assert!(!window.has_room());
        window.taken(WINDOW_BYTES * 2 + 500);
        assert!(window.has_room());
        window.sent(100);
        window.taken(99);
        assert_eq!(window.sizes.len(), 1, "what was taken before it was sent does not count");
    }

    #[test]
    fn an_account_that_is_wrong_mends_itself() {
        let mut window = Window::default();
        (0..WINDOW_PACKETS).for_each(|_| window.sent(1_000_000));
        assert!(!window.has_room());
        (0..WINDOW_PACKETS).for_each(|_| window.forget_oldest());
        assert!(window.has_room());
        window.forget_oldest();
        assert_eq!((window.bytes, window.sizes.len()), (0, 0));
    }
}
