//! What is accepted: committed before its receipt, within limits, once.

use super::*;

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
