//! A worker gives its handler the same delivery again, made as new: nothing of one attempt may show in the next, and what
//! a handler keeps is its own.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use plugbus_bus::*;

use crate::support::*;

/// A handler that keeps every delivery it was given.
#[derive(Default, Clone)]
struct Keeper(Arc<Mutex<Vec<Arc<Delivery>>>>);

impl Handler for Keeper {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        self.0.lock().unwrap().push(delivery.clone());
        Box::pin(async { Ok(Reply(None)) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_rejected_attempt_published_is_not_released_with_the_next_event() {
    let bus = Bus::default();
    let mut out = bus.subscribe("out.*").stream().unwrap();
    let handler = |delivery: &Delivery| {
        let name = format!("out.{}", delivery.event.topic);
        delivery.outbox.publish("p", &delivery.event, draft(&name)).unwrap();
        if delivery.event.topic.as_str() == "bad" { Err(Failure::reject("no").into()) } else { Ok(Reply(None)) }
    };
    // One event fits: what the attempt before has staged must not take its place.
    let limits = OutboxLimits { events_max: 1, ..OutboxLimits::default() };
    let _sub = bus.subscribe("*").name("p").outbox(limits).handlers(vec![Box::new(Sync(handler))]).unwrap();
    for topic in ["good", "bad", "better"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    assert_eq!(next(&mut out).await.topic.as_str(), "out.good");
    assert_eq!(next(&mut out).await.topic.as_str(), "out.better");
}

#[tokio::test(start_paused = true)]
async fn what_a_rejected_attempt_remembered_is_not_there_for_the_next_event() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let _sub = bus
        .subscribe(">")
        .on(move |delivery| {
            let seen = recorded.clone();
            async move {
                let before = delivery.state.get("b", "k").await.unwrap();
                seen.add(format!("{}: {before:?}", delivery.event.topic));
                delivery.state.set("b", "k", delivery.event.topic.to_string().into()).await.unwrap();
                if delivery.event.topic.as_str() == "bad" { Err(Failure::reject("no")) } else { Ok(()) }
            }
        })
        .unwrap();
    for topic in ["good", "bad", "last"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    assert_eq!(seen.until(3).await, ["good: None", "bad: Some(b\"good\")", "last: Some(b\"good\")"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_a_handler_keeps_stays_what_it_was() {
    let (bus, kept) = (Bus::default(), Keeper::default());
    let _sub = bus.subscribe(">").handlers(vec![Box::new(kept.clone())]).unwrap();
    for number in 0..4 {
        bus.publish(draft(&format!("n{number}"))).await.unwrap();
    }
    assert!(bus.wait_idle(LONG).await);
    let kept = kept.0.lock().unwrap();
    assert_eq!(
        kept.iter().map(|delivery| delivery.event.topic.to_string()).collect::<Vec<_>>(),
        ["n0", "n1", "n2", "n3"]
    );
    let late = kept[0].outbox.publish("p", &kept[0].event, draft("late"));
    assert!(late.is_err(), "nobody would release it");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_keeps_no_event_alive() {
    /// The bytes of an event; gone when the last holder of them is.
    struct Held(#[allow(dead_code, reason = "it counts as long as it is held")] Arc<()>);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            b"{}"
        }
    }
    let (bus, alive) =
        (Bus::builder().history(HistoryLimits { events_max: 0, ..HistoryLimits::default() }).build(), Arc::new(()));
    let _sub = bus.subscribe(">").on(|_| async { Ok::<_, Failure>(()) }).unwrap();
    let data = Bytes::from_owner(Held(alive.clone()));
    bus.publish(draft("a").payload(Payload::new("application/json", data))).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let gone = async {
        while Arc::strong_count(&alive) > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("the event is let go of");
}
