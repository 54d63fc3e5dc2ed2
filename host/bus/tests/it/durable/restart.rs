//! What a crash and a stop leave: what was not settled comes again, in order, and dead letters with it.

use super::*;

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
