//! What is committed with the ack: what a handler publishes, and what it keeps in its store.

use super::*;

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
