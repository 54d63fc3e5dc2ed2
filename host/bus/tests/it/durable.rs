//! A bus on a journal: accepted is committed, what was not settled comes again, what was is not, and a slow subscription
//! slows nobody.

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

#[tokio::test(start_paused = true)]
async fn a_receipt_comes_with_the_commit_and_not_before() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let _sub = subscribe(&bus, &seen);
    journal.gate.set_closed(true);
    let publish = bus.publish(draft("e.1"));
    tokio::pin!(publish);
    assert!(tokio::time::timeout(Duration::from_secs(5), &mut publish).await.is_err());
    assert!(seen.all().is_empty(), "nobody sees what is not committed");
    journal.gate.set_closed(false);
    let receipt = publish.await.unwrap();
    assert_eq!((receipt.seq, receipt.matched, receipt.disposition), (1, 1, Disposition::Delivered));
    assert_eq!(seen.until(1).await, ["e.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_the_wait_holds_while_the_journal_stalls() {
    let (bus, journal) = start(Disk::default());
    journal.gate.set_closed(true);
    let settled = bus.publish_and_wait(draft("e.1"), Duration::from_secs(1)).await.unwrap();
    assert_eq!((settled.receipt.disposition, settled.results.len()), (Disposition::Journaling, 0));
    let reply = bus.request(draft("e.2"), Duration::from_secs(1)).await;
    assert!(matches!(reply, Err(RequestError::TimedOut { timeout_ms: 1000 })), "{reply:?}");
    journal.gate.set_closed(false);
    assert_eq!(bus.publish(draft("e.3")).await.unwrap().seq, 3, "both of them are in the journal all the same");
}

#[tokio::test(start_paused = true)]
async fn publishers_are_refused_and_do_not_wait_while_a_journal_that_cannot_write_holds_what_was_settled() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = subscribe(&bus, &seen);
    sub.pause();
    for n in 1..=3 * CAPACITY {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    *journal.gate.failing.lock().unwrap() = true;
    sub.resume();
    // As many as have room on their way, and one that waits for that.
    let handled = CAPACITY / 2 + 1;
    assert_eq!(seen.until(handled).await.len(), handled);
    for _ in 0..2 * CAPACITY {
        let refused = tokio::time::timeout(LONG, bus.publish(draft("e.more"))).await.unwrap();
        assert!(matches!(refused, Err(PublishError::Journal { source: JournalError::DiskFull, .. })), "{refused:?}");
    }
    assert_eq!(seen.all().len(), handled, "nor does anybody go on for ever");
    *journal.gate.failing.lock().unwrap() = false;
    bus.publish(draft("e.more")).await.unwrap();
    settled(&bus).await;
    let all: Vec<String> = (1..=3 * CAPACITY).map(|n| format!("e.{n}")).chain(["e.more".into()]).collect();
    assert_eq!(seen.all(), all, "once each, in order");
}

#[tokio::test]
async fn a_subscription_that_wants_nothing_of_it_does_not_keep_much_in_the_journal() {
    let (bus, journal) = start(Disk::default());
    let _sub = subscribe(&bus, &Seen::default());
    let floor = || journal.crash().cursors.values().next().map_or(0, |cursor| cursor.floor);
    for n in 1..=40u64 {
        bus.publish(draft("other").text("x".repeat(16 << 10))).await.unwrap();
        // What was written down goes behind the events that led to it: one more sees it.
        let kept = n - floor().min(n);
        assert!(kept <= 18, "{kept} of {n} events, 16 KiB each, are held by nobody");
    }
    assert!(floor() >= 22);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_journal_hands_the_draft_back() {
    let (bus, journal) = start(Disk::default());
    *journal.gate.failing.lock().unwrap() = true;
    let error = bus.publish(draft("e.1").text("data")).await.unwrap_err();
    assert!(matches!(&error, PublishError::Journal { source: JournalError::DiskFull, .. }), "{error:?}");
    assert_eq!(&error.into_draft().payload.data[..], b"data");
    let receipt = bus.try_publish(draft("e.2")).unwrap();
    assert_eq!((receipt.seq, receipt.disposition), (0, Disposition::Journaling));
    assert!(bus.wait_idle(LONG).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!(letters.len(), 1, "nobody waited for the second one, so it is kept here");
    assert_eq!((letters[0].event.topic.as_str(), letters[0].reason.name()), ("e.2", "not-journaled"));
    *journal.gate.failing.lock().unwrap() = false;
    assert_eq!(bus.publish(draft("e.3")).await.unwrap().seq, 1);
    assert_eq!(bus.stats().journal_refused, 2);
}

#[tokio::test(start_paused = true)]
async fn writes_on_their_way_are_bounded() {
    let (bus, journal) = start(Disk::default());
    journal.gate.set_closed(true);
    let accepted = (0..CAPACITY + 10).filter(|_| bus.try_publish(draft("e.1")).is_ok()).count();
    assert_eq!(accepted, CAPACITY / 2, "the other half is for what is settled");
    assert!(matches!(bus.try_publish(draft("e.1")), Err(PublishError::Busy(_))));
    journal.gate.set_closed(false);
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(bus.publish(draft("e.1")).await.unwrap().seq, CAPACITY as u64 / 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_what_was_not_settled_comes_again_in_order_and_what_was_does_not() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = subscribe(&bus, &seen);
    for n in 1..=3 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    settled(&bus).await;
    sub.pause();
    for n in 4..=6 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    let (bus, _journal) = start(journal.crash());
    let again = Seen::default();
    let _sub = subscribe(&bus, &again);
    bus.publish(draft("e.7")).await.unwrap();
    assert_eq!(again.until(4).await, ["e.4", "e.5", "e.6", "e.7"]);
    assert_eq!(seen.all(), ["e.1", "e.2", "e.3"]);
}

#[tokio::test(start_paused = true)]
async fn with_several_handlers_the_gaps_come_again_and_nothing_else() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let holds_odd = |seen: &Seen| -> Box<dyn Handler> { Box::new(HoldsOdd(seen.clone())) };
    let handlers = (0..8).map(|_| holds_odd(&seen)).collect();
    let _sub = bus.subscribe("e.>").name("s").durable(Start::New).handlers(handlers).unwrap();
    for n in 1..=8 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    seen.until(4).await;
    bus.publish(draft("barrier")).await.unwrap();
    let (bus, _journal) = start(journal.crash());
    let again = Seen::default();
    let _sub = subscribe(&bus, &again);
    assert_eq!(again.until(4).await, ["e.1", "e.3", "e.5", "e.7"]);
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(again.all().len(), 4);
}

/// Acks even topics and never answers odd ones.
struct HoldsOdd(Seen);

impl Handler for HoldsOdd {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let number: u64 = delivery.event.topic.as_str().trim_start_matches("e.").parse().unwrap();
            if number % 2 == 1 {
                std::future::pending::<()>().await;
            }
            self.0.add(delivery.event.topic.as_str());
            Ok(Reply(None))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_spills_and_is_caught_up_in_order_while_new_events_come() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(4);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    for n in 0..1000 {
        let receipt = bus.publish(draft(&format!("e.{n}"))).await.unwrap();
        assert_eq!((receipt.matched, receipt.dead), (1, 0));
    }
    let stats = sub.stats();
    assert!(stats.waiting <= 4, "{stats:?}");
    assert_eq!(stats.durable.map(|durable| (durable.behind, durable.backlog)), Some((true, 1000)));
    sub.resume();
    for n in 1000..1500 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    let expected: Vec<String> = (0..1500).map(|n| format!("e.{n}")).collect();
    assert_eq!(seen.until(1500).await, expected);
    settled(&bus).await;
    assert_eq!(sub.stats().durable.map(|durable| (durable.behind, durable.backlog)), Some((false, 0)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_outcomes_hears_of_an_event_that_was_spilled() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(1);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    for n in 0..10 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    let control = sub.control();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        control.resume();
    });
    let settled = bus.publish_and_wait(draft("e.last"), LONG).await.unwrap();
    assert!(settled.all_acked(), "{settled:?}");
    assert_eq!(settled.results.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_and_the_time_of_the_next_one_survive_a_crash() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let policy = RetryPolicy { backoff_min: Duration::from_secs(20), jitter: 0.0, ..RetryPolicy::default() };
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).retry(policy.clone());
    let _sub = sub.handlers(vec![fails_until(&seen, 99)]).unwrap();
    bus.publish(draft("e.1")).await.unwrap();
    bus.publish(draft("e.2")).await.unwrap();
    seen.until(1).await;
    bus.publish(draft("barrier")).await.unwrap();
    let (bus, _journal) = start(journal.crash());
    let again = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).retry(policy);
    let begun = tokio::time::Instant::now();
    let _sub = sub.handlers(vec![fails_until(&again, 2)]).unwrap();
    let seen = again.until(2).await;
    assert_eq!(seen, ["e.1#2", "e.2#1"], "the second attempt, and before the event behind it");
    assert!(begun.elapsed() > Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_survive_and_are_replayed_or_dropped_for_good() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).retry(RetryPolicy::never());
    let _sub = sub.handlers(vec![fails_until(&seen, 99)]).unwrap();
    for n in 1..=3 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    settled(&bus).await;
    let (bus, journal) = start(journal.crash());
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!(letters.iter().map(|letter| letter.event.topic.as_str()).collect::<Vec<_>>(), ["e.1", "e.2", "e.3"]);
    assert_eq!(letters[0].attempts[0].reason, "retry: not yet");
    let again = Seen::default();
    let sub = subscribe(&bus, &again);
    bus.dead_letters().replay(1).await.unwrap();
    drop(bus.dead_letters().remove(2));
    assert_eq!(again.until(1).await, ["e.1"]);
    sub.pause();
    bus.dead_letters().replay(3).await.unwrap();
    settled_but_for(&bus).await;
    let (bus, _journal) = start(journal.crash());
    let left: Vec<u64> = bus.dead_letters().list(&DeadFilter::default()).iter().map(|letter| letter.id).collect();
    assert_eq!(left, [3], "a replay that was not handled before the crash has not used up its letter");
}

/// Waits until everything submitted so far is committed.
async fn settled_but_for(bus: &Bus) {
    bus.publish(draft("barrier")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_publishes_is_committed_with_its_ack_or_not_at_all() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let publishes = |seen: &Seen| -> Box<dyn Handler> {
        let seen = seen.clone();
        Box::new(Sync(move |delivery: &Delivery| {
            seen.add("handled");
            delivery.publish(draft("out.1")).unwrap();
            Ok(Reply(None))
        }))
    };
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).handlers(vec![publishes(&seen)]).unwrap();
    sub.pause();
    bus.publish(draft("e.1")).await.unwrap();
    journal.gate.set_closed(true);
    sub.resume();
    seen.until(1).await;
    let disk = journal.crash();
    assert_eq!(disk.events.len(), 1, "neither the ack nor what was published");
    let (bus, journal) = start(disk);
    let again = Seen::default();
    let _sub = bus.subscribe("e.>").name("s").durable(Start::New).handlers(vec![publishes(&again)]).unwrap();
    again.until(1).await;
    settled(&bus).await;
    let disk = journal.crash();
    let topics: Vec<&str> = disk.events.iter().map(|event| event.topic.as_str()).collect();
    assert_eq!(topics, ["e.1", "out.1", "barrier"]);
    assert_eq!(disk.cursors.values().map(|cursor| cursor.floor).max(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_accepted_before_is_acknowledged_and_not_delivered() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let _sub = subscribe(&bus, &seen);
    let event = || draft("e.1").id("one").source("hook");
    let first = bus.publish(event()).await.unwrap();
    let second = bus.publish(event()).await.unwrap();
    assert_eq!((second.seq, second.disposition, second.matched), (first.seq, Disposition::Duplicate, 0));
    let settled = bus.publish_and_wait(event(), LONG).await.unwrap();
    assert!(settled.results.is_empty());
    assert!(bus.wait_idle(LONG).await);
    assert_eq!(seen.all(), ["e.1"]);
    assert_eq!(bus.stats().duplicates, 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_subscription_begins_where_it_asks_to() {
    let (bus, _journal) = start(Disk::default());
    for n in 1..=5 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    for (name, start, expected) in [
        ("new", Start::New, 6),
        ("earliest", Start::Earliest, 1),
        ("seq", Start::Seq(4), 4),
        ("future", Start::Seq(99), 6),
    ] {
        let seen = Seen::default();
        let _sub = bus.subscribe("e.>").name(name).durable(start).handlers(vec![recorder(&seen, "")]).unwrap();
        if name == "new" {
            bus.publish(draft("e.6")).await.unwrap();
        }
        let wanted: Vec<String> = (expected..=6).map(|n| format!("e.{n}")).collect();
        if name == "future" {
            assert!(bus.wait_idle(LONG).await);
            assert!(seen.all().is_empty());
        } else {
            assert_eq!(seen.until(wanted.len()).await, wanted, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_waits_for_its_subscription_and_is_retired_when_nobody_comes() {
    let (bus, _journal) = start(Disk::default());
    let told = Seen::default();
    let note = told.clone();
    let listen = bus.subscribe("plugbus.subscription.retired");
    let _told =
        listen.inline(move |delivery: &Delivery| note.add(String::from_utf8_lossy(&delivery.event.payload.data)));
    let seen = Seen::default();
    drop(subscribe(&bus, &seen));
    for n in 1..=3 {
        assert_eq!(bus.publish(draft(&format!("e.{n}"))).await.unwrap().matched, 0);
    }
    assert_eq!(bus.absent_cursors().len(), 1);
    let sub = subscribe(&bus, &seen);
    assert_eq!(seen.until(3).await, ["e.1", "e.2", "e.3"]);
    assert!(bus.absent_cursors().is_empty());
    settled(&bus).await;
    drop(sub);
    assert_eq!(bus.retire_absent(Duration::from_secs(3600)), 0);
    assert_eq!(bus.retire_absent(Duration::ZERO), 1);
    assert_eq!(told.all(), [r#"{"floor":3,"subscription":"s"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_comes_too_late_is_told_what_was_retired() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(1);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    sub.pause();
    for n in 1..=6 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    journal.disk.lock().unwrap().retired = 4;
    sub.resume();
    assert_eq!(seen.until(3).await, ["e.1", "e.5", "e.6"]);
    assert_eq!(sub.stats().durable.map(|durable| durable.retired), Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_past_is_delivered_again_to_one_or_to_all() {
    let (bus, journal) = start(Disk::default());
    let (one, two) = (Seen::default(), Seen::default());
    let _one = subscribe(&bus, &one);
    for n in 1..=4 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    one.until(4).await;
    let sub = bus.subscribe(["e.2", "e.4"]).name("two").durable(Start::New).queue_events_max(1);
    let _two = sub.handlers(vec![recorder(&two, "")]).unwrap();
    let past = Past { subscription: Name::parse("two").ok(), ..Past::default() };
    let done = bus.replay(&past).await.unwrap();
    assert_eq!(done, PastReplayed { first: 1, last: 4, events: 2, deliveries: 2, retired: 0 });
    assert_eq!(two.until(2).await, ["e.2", "e.4"]);
    journal.disk.lock().unwrap().retired = 1;
    let past = Past { from: 1, to: Some(3), filters: vec![Filter::parse("e.*").unwrap()], ..Past::default() };
    let done = bus.replay(&past).await.unwrap();
    assert_eq!(done, PastReplayed { first: 2, last: 3, events: 2, deliveries: 3, retired: 1 });
    assert_eq!(one.until(6).await[4..], ["e.2", "e.3"]);
    assert_eq!(two.until(3).await.len(), 3);
    let nobody = Past { subscription: Name::parse("nobody").ok(), ..Past::default() };
    assert!(matches!(bus.replay(&nobody).await, Err(PastError::NoSubscription(_))));
    assert_eq!(Bus::default().replay(&Past::default()).await, Err(PastError::NoJournal));
}

#[tokio::test(start_paused = true)]
async fn a_durable_subscription_needs_a_name_a_journal_and_handlers() {
    let (bus, _journal) = start(Disk::default());
    let refused = |subscribe: Subscribe| {
        matches!(subscribe.handlers(vec![recorder(&Seen::default(), "")]), Err(SubscribeError::NotDurable(_)))
    };
    assert!(refused(bus.subscribe("a").durable(Start::New)));
    assert!(refused(bus.subscribe("a").name("a").durable(Start::New).once()));
    assert!(refused(bus.subscribe("a").name("a").durable(Start::New).when_full(WhenFull::DropOldest)));
    assert!(refused(bus.subscribe("a").name("a").when_full(WhenFull::Spill)));
    assert!(refused(Bus::default().subscribe("a").name("a").durable(Start::New)));
    assert!(matches!(bus.subscribe("a").name("a").durable(Start::New).stream(), Err(SubscribeError::NotDurable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves_the_backlog_in_the_journal_and_says_so() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(2);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    bus.publish(draft("e.0")).await.unwrap();
    seen.until(1).await;
    sub.pause();
    for n in 1..=9 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
    }
    let report = bus.shutdown(Duration::from_secs(1)).await;
    assert!(report.unsettled.is_empty(), "{report:?}");
    assert_eq!(report.backlog.iter().map(|(name, behind)| (name.as_str(), *behind)).collect::<Vec<_>>(), [("s", 9)]);
    let (bus, _journal) = start(journal.crash());
    let again = Seen::default();
    let _sub = subscribe(&bus, &again);
    assert_eq!(again.until(9).await.len(), 9);
    assert_eq!(seen.all(), ["e.0"]);
}

#[tokio::test(start_paused = true)]
async fn handlers_are_replaced_without_losing_or_doubling_anything() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let sub = bus.subscribe("e.>").name("s").durable(Start::New).queue_events_max(3);
    let sub = sub.handlers(vec![recorder(&seen, "")]).unwrap();
    for n in 0..300 {
        bus.publish(draft(&format!("e.{n}"))).await.unwrap();
        if n % 10 == 0 {
            let handlers = vec![recorder(&seen, "")];
            let replace = Replace { filters: sub.filters(), handlers, settings: Some(Settings::default()) };
            assert_eq!(sub.replace(replace, LONG).await.unwrap().cut_off, 0);
        }
    }
    let expected: Vec<String> = (0..300).map(|n| format!("e.{n}")).collect();
    assert_eq!(seen.until(300).await, expected);
    assert_eq!(sub.settings().when_full, WhenFull::Spill);
}

/// Adds one to a counter in its store, after having let others run.
struct Counts(Seen);

impl Handler for Counts {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let before = delivery.state.get("b", "n").await.unwrap();
            let before: u64 = before.map_or(0, |text| std::str::from_utf8(&text).unwrap().parse().unwrap());
            tokio::task::yield_now().await;
            let after = (before + 1).to_string();
            delivery.state.set("b", "n", after.clone().into()).await.unwrap();
            self.0.add(after);
            Ok(Reply(None))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_in_the_store_is_exact_with_several_handlers_and_over_a_crash() {
    let mut disk = Disk::default();
    for life in 1..=3 {
        let (bus, journal) = start(disk);
        let seen = Seen::default();
        let handlers = (0..4).map(|_| Box::new(Counts(seen.clone())) as Box<dyn Handler>).collect();
        let sub = bus.subscribe("e.>").name("s").durable(Start::New).handlers(handlers).unwrap();
        for n in 0..50 {
            bus.publish(draft(&format!("e.{n}"))).await.unwrap();
        }
        if life < 3 {
            // Some are handled and not committed when it crashes.
            journal.gate.set_closed(true);
            tokio::time::sleep(Duration::from_millis(10)).await;
        } else {
            settled(&bus).await;
            assert!(sub.stats().conflicts > 0, "they ran at the same time");
        }
        disk = journal.crash();
    }
    let counted = disk.state.values().next().unwrap();
    assert_eq!(&counted[..], b"150");
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_attempt_has_set_is_gone_and_a_store_outlives_its_subscription() {
    let (bus, _journal) = start(Disk::default());
    let seen = Seen::default();
    let handler = |seen: &Seen, fails: bool| -> Box<dyn Handler> { Box::new(SetsAndFails(seen.clone(), fails)) };
    let subscribe = |fails| {
        let sub = bus.subscribe("e.>").name("s").durable(Start::New).retry(RetryPolicy::never());
        sub.handlers(vec![handler(&seen, fails)]).unwrap()
    };
    let sub = subscribe(true);
    bus.publish(draft("e.1")).await.unwrap();
    seen.until(1).await;
    drop(sub);
    let sub = subscribe(false);
    bus.publish(draft("e.2")).await.unwrap();
    seen.until(2).await;
    settled(&bus).await;
    drop(sub);
    let _sub = subscribe(false);
    bus.publish(draft("e.3")).await.unwrap();
    assert_eq!(seen.until(3).await, ["None", "None", "Some(b\"e.2\")"]);
}

/// Notes what it finds in its store, sets it, and perhaps fails.
struct SetsAndFails(Seen, bool);

impl Handler for SetsAndFails {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let before = delivery.state.get("b", "k").await.unwrap();
            delivery.state.set("b", "k", delivery.event.topic.to_string().into()).await.unwrap();
            self.0.add(format!("{before:?}"));
            if self.1 { Err(Failure::reject("no").into()) } else { Ok(Reply(None)) }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_what_is_committed_with_its_number_and_nothing_else() {
    let (bus, journal) = start(Disk::default());
    let seen = Seen::default();
    let note = seen.clone();
    let observer = bus.subscribe("e.>").name("watch");
    let _watch = observer.observe(move |event| note.add(format!("{} {}", event.seq, event.topic))).unwrap();
    let _stop = bus.subscribe("e.secret").inline(|_: &Delivery| Flow::Stop(Reply(None))).unwrap();
    assert_eq!(bus.publish(draft("e.1")).await.unwrap().matched, 1);
    bus.publish(draft("e.secret")).await.unwrap();
    *journal.gate.failing.lock().unwrap() = true;
    bus.publish(draft("e.refused")).await.unwrap_err();
    assert_eq!(seen.all(), ["1 e.1"]);
}

#[tokio::test(start_paused = true)]
async fn an_inline_handler_can_stop_an_event_from_ever_reaching_the_journal() {
    let (bus, journal) = start(Disk::default());
    let _stop = bus.subscribe("e.secret").name("guard").inline(|_: &Delivery| Flow::Stop(Reply(None))).unwrap();
    let receipt = bus.publish(draft("e.secret")).await.unwrap();
    assert_eq!((receipt.seq, receipt.stopped_by.unwrap().as_str()), (0, "guard"));
    bus.publish(draft("e.open")).await.unwrap();
    assert_eq!(journal.crash().events.len(), 1);
}
