//! Numbered events that flow through one plugin without a pause, and which build handled each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use plugbus::bus::{Delivery, Event, Subscription};
use tokio::task::JoinHandle;

use crate::support::host::TestHost;

/// A stream; see the module.
pub(crate) struct Stream {
    /// Build, subject and number, in the order in which they were handled.
    handled: Arc<Mutex<Vec<(u16, u64, u64)>>>,
    stop: Arc<AtomicBool>,
    publisher: JoinHandle<u64>,
    _recorder: Subscription,
}

impl Stream {
    /// Begins to publish as fast as the plugin `p` handles, in turn on so many subjects.
    pub(crate) fn begin(host: &TestHost, subjects: u64) -> Self {
        let (handled, stop) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let kept = handled.clone();
        let note = move |delivery: &Delivery| {
            let text = std::str::from_utf8(&delivery.event.payload.data).unwrap();
            let (build, number) = text.split_once(' ').unwrap();
            let subject = delivery.event.subject.as_deref().unwrap().parse().unwrap();
            kept.lock().unwrap().push((build.parse().unwrap(), subject, number.parse().unwrap()));
        };
        let _recorder = host.bus().subscribe("generation.handled").inline(note).unwrap();
        let (bus, stopped) = (host.bus().clone(), stop.clone());
        let publisher = tokio::spawn(async move {
            let mut number = 0;
            while !stopped.load(Relaxed) {
                let subject = (number % subjects).to_string();
                let draft = Event::draft("in.x").unwrap().subject(subject).text(number.to_string());
                let receipt = bus.publish(draft).await.unwrap();
                assert_eq!((receipt.matched, receipt.dead), (1, 0), "the plugin is there at every moment");
                number += 1;
            }
            number
        });
        Self { handled, stop, publisher, _recorder }
    }

    /// Waits until this build has handled an event.
    pub(crate) async fn until_handled_by(&self, host: &TestHost, build: u16) {
        let newest = || self.handled.lock().unwrap().last().map(|(build, ..)| *build);
        host.until(&format!("build {build} handles"), || newest() == Some(build)).await;
    }

    /// Waits until so many more events have been handled.
    pub(crate) async fn until_more(&self, host: &TestHost, events: usize) {
        let count = || self.handled.lock().unwrap().len();
        let wanted = count() + events;
        host.until(&format!("{events} more events are handled"), || count() >= wanted).await;
    }

    /// Ends the stream, and checks that each event was handled once and in its subject's order. The builds that handled
    /// them, in their order.
    pub(crate) async fn end(self, host: &TestHost) -> Vec<u16> {
        self.stop.store(true, Relaxed);
        let published = self.publisher.await.unwrap();
        host.until_idle("p").await;
        let counters = host.stats("p");
        assert_eq!((counters.matched, counters.acked, counters.attempts), (published, published, published));
        assert_eq!((counters.dead, counters.dropped, counters.faults, counters.retried), (0, 0, 0, 0));
        assert_eq!(host.bus().stats().dead_letters.total, 0);

        let handled = self.handled.lock().unwrap().clone();
        let mut by_subject: BTreeMap<u64, Vec<(u16, u64)>> = BTreeMap::new();
        for (build, subject, number) in handled.iter().copied() {
            by_subject.entry(subject).or_default().push((build, number));
        }
        let subjects = by_subject.len() as u64;
        for (subject, handled) in by_subject {
            let numbers: Vec<u64> = handled.iter().map(|(_, number)| *number).collect();
            let expected: Vec<u64> = (0..published).filter(|number| number % subjects == subject).collect();
            assert!(numbers == expected, "of subject {subject}: {}", first_difference(&numbers, &expected));
            assert!(handled.is_sorted_by_key(|(build, _)| *build), "an old build came back");
        }
        let mut builds: Vec<u16> = handled.into_iter().map(|(build, ..)| build).collect();
        builds.sort_unstable();
        builds.dedup();
        builds
    }
}

fn first_difference(found: &[u64], expected: &[u64]) -> String {
    let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
    let around = |all: &[u64]| all.iter().skip(at.saturating_sub(2)).take(5).copied().collect::<Vec<_>>();
    format!("at {at} there is {:?} instead of {:?}", around(found), around(expected))
}
