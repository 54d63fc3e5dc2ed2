//! Watchers: past and live, on a history and on a journal.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use plugbus_bus::*;

use crate::memory_journal::{Disk, MemoryJournal};
use crate::support::*;

fn remembering() -> Bus {
    Bus::builder().history(HistoryLimits::default()).build()
}

async fn next(watcher: &mut Watcher) -> Watched {
    let next = tokio::time::timeout(LONG, watcher.next()).await;
    next.expect("something within a minute").expect("the watch goes on")
}

async fn numbers(watcher: &mut Watcher, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        match next(watcher).await {
            Watched::Event(event) => numbers.push(event.seq),
            other => panic!("{other:?} after {numbers:?}"),
        }
    }
    numbers
}

async fn publish(bus: &Bus, topics: &[&str]) {
    for topic in topics {
        bus.publish(draft(topic)).await.unwrap();
    }
}

#[tokio::test]
async fn a_watcher_sees_the_past_and_goes_on_live() {
    let journal = MemoryJournal::open(Disk::default(), 64);
    for bus in [remembering(), Bus::builder().journal(journal).build()] {
        publish(&bus, &["a", "b", "a"]).await;
        let mut watcher = bus.watch("a").from(1).begin().unwrap();
        publish(&bus, &["b", "a"]).await;
        assert_eq!(numbers(&mut watcher, 3).await, [1, 3, 5]);
        assert_eq!((watcher.position(), watcher.try_next()), (5, None));
        publish(&bus, &["b"]).await;
        assert_eq!(watcher.position(), 6, "what it does not want is done with too");
        let mut late = bus.watch("a").from(watcher.position() + 1).begin().unwrap();
        publish(&bus, &["a"]).await;
        assert_eq!((numbers(&mut late, 1).await, numbers(&mut watcher, 1).await), (vec![7], vec![7]));
    }
}

/// Publishers in several threads, while watchers begin and read slowly: each sees every number from its own begin on, in
/// order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn past_and_live_join_without_a_gap_or_a_double_while_many_publish() {
    const EVENTS: u64 = 20_000;
    let bus = Bus::builder().history(HistoryLimits { events_max: usize::MAX, bytes_max: usize::MAX }).build();
    let publishers: Vec<_> = (0..4)
        .map(|_| {
            let bus = bus.clone();
            std::thread::spawn(move || (0..EVENTS / 4).for_each(|_| drop(bus.try_publish(draft("a")).unwrap())))
        })
        .collect();
    let watchers = (0..8_u64).map(|number| {
        let bus = bus.clone();
        tokio::spawn(async move {
            while bus.seq() < number * 1000 {
                tokio::task::yield_now().await;
            }
            let from = number * 500 + 1;
            let limits = WatchLimits { events_max: 16, bytes_max: usize::MAX };
            let mut watcher = bus.watch(">").from(from).limits(limits).begin().unwrap();
            let seen = numbers(&mut watcher, usize::try_from(EVENTS + 1 - from).unwrap()).await;
            assert!(seen.iter().copied().eq(from..=EVENTS), "in order, each once");
        })
    });
    for watcher in watchers.collect::<Vec<_>>() {
        watcher.await.unwrap();
    }
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
}

#[tokio::test]
async fn a_slow_watcher_is_told_what_it_missed_or_reads_it_again() {
    let bus = remembering();
    let limits = WatchLimits { events_max: 2, bytes_max: usize::MAX };
    let counters = Arc::<WatchCounters>::default();
    let mut live = bus.watch(">").limits(limits).counters(counters.clone()).begin().unwrap();
    let mut from = bus.watch(">").limits(limits).from(1).begin().unwrap();
    publish(&bus, &["a"; 7]).await;
    assert_eq!(numbers(&mut live, 2).await, [1, 2]);
    assert_eq!(live.try_next(), Some(Watched::Missed { count: 5 }));
    assert_eq!((counters.watched.load(Relaxed), counters.missed.load(Relaxed)), (2, 5));
    assert_eq!(numbers(&mut from, 7).await, [1, 2, 3, 4, 5, 6, 7]);
    let stats = bus.subscriptions();
    assert!(stats.iter().all(|watcher| watcher.kind == "watcher" && watcher.matched == 7 && watcher.dropped == 5));
}

#[tokio::test]
async fn what_the_history_has_no_more_is_said() {
    let bus = Bus::builder().history(HistoryLimits { events_max: 3, bytes_max: usize::MAX }).build();
    publish(&bus, &["a"; 5]).await;
    let mut watcher = bus.watch(">").from(1).begin().unwrap();
    assert_eq!(next(&mut watcher).await, Watched::Retired { count: 2, first: 3 });
    assert_eq!(numbers(&mut watcher, 3).await, [3, 4, 5]);
    assert_eq!(bus.history_stats().map(|stats| (stats.events, stats.retired)), Some((3, 2)));
}

#[tokio::test]
async fn filters_come_and_go_while_it_lives() {
    let bus = remembering();
    let mut watcher = bus.watch([]).begin().unwrap();
    publish(&bus, &["a", "b"]).await;
    let a = Filter::parse("a").unwrap();
    assert_eq!(watcher.add("a", None).unwrap(), std::slice::from_ref(&a));
    assert_eq!(watcher.add(["a", "a"], None).unwrap(), []);
    publish(&bus, &["a", "b"]).await;
    assert_eq!(watcher.add("b", Some(2)).unwrap().len(), 1);
    publish(&bus, &["a", "b"]).await;
    assert_eq!(numbers(&mut watcher, 5).await, [2, 3, 4, 5, 6]);
    publish(&bus, &["a"]).await;
    watcher.remove(&[a]).unwrap();
    publish(&bus, &["a", "b"]).await;
    assert_eq!(numbers(&mut watcher, 1).await, [9], "nothing of `a` although it was queued");
    let many: Vec<Filter> = (0..64).map(|number| Filter::parse(format!("t{number}")).unwrap()).collect();
    assert_eq!(watcher.add(many, None), Err(WatchError::FilterCount { count: 65 }));
    assert_eq!(watcher.filters().len(), 1);
}

#[tokio::test]
async fn a_watcher_is_nobody_to_wait_for_and_ends_with_its_bus() {
    let bus = remembering();
    let mut watcher = bus.watch(">").name("watch/1").begin().unwrap();
    let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
    assert!(settled.results.is_empty() && settled.receipt.matched == 1);
    assert!(bus.wait_idle(LONG).await);
    let report = bus.shutdown(LONG).await;
    assert!(report.unsettled.is_empty());
    assert_eq!(numbers(&mut watcher, 1).await, [1]);
    assert_eq!(watcher.next().await, None);
    assert_eq!(watcher.add("b", None), Err(WatchError::Ended));
}

#[tokio::test]
async fn without_journal_or_history_there_is_no_past() {
    let bus = Bus::default();
    assert!(bus.event_log().is_none() && bus.history_stats().is_none());
    assert_eq!(bus.watch(">").from(1).begin().unwrap_err(), WatchError::NoPast);
    let mut watcher = bus.watch(">").begin().unwrap();
    publish(&bus, &["a"]).await;
    assert_eq!(numbers(&mut watcher, 1).await, [1]);
}

#[tokio::test]
async fn what_the_host_says_is_missed_and_told_where_no_journal_keeps_it() {
    let bus = Bus::builder().journal(MemoryJournal::open(Disk::default(), 64)).build();
    let limits = WatchLimits { events_max: 1, bytes_max: usize::MAX };
    publish(&bus, &["a"]).await;
    let mut watcher = bus.watch([">", "plugbus.>"]).limits(limits).from(2).begin().unwrap();
    publish(&bus, &["a"]).await;
    bus.publish_host("plugbus.x", &1);
    publish(&bus, &["a"]).await;
    assert_eq!(numbers(&mut watcher, 1).await, [2]);
    assert_eq!(next(&mut watcher).await, Watched::Missed { count: 1 });
    assert_eq!(numbers(&mut watcher, 1).await, [3]);
}
