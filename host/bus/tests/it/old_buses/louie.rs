use std::sync::Arc;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn send_robust() {
    let bus = Bus::default();
    let _bad = bus
        .subscribe("a")
        .name("bad")
        .retry(RetryPolicy::never())
        .on(|_| async { Err::<(), _>(Failure::retry("broken")) })
        .unwrap();
    let _good = bus.subscribe("a").name("good").on(|_| async { Payload::text("fine") }).unwrap();
    let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
    let [(_, Settlement::Dead(reason)), (_, Settlement::Acked(reply))] = &settled.results[..] else { panic!() };
    assert!(reason.to_string().contains("broken"), "the error is a result: {reason}");
    assert_eq!(reply.0, Some(Payload::text("fine")));
}

/// Says how each call of another handler ended: louie's plugins wrapped receivers so.
struct Logged {
    inner: Box<dyn Handler>,
    seen: Seen,
}

impl Handler for Logged {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let outcome = self.inner.handle(delivery).await;
            self.seen.add(if outcome.is_ok() { "acked" } else { "failed" });
            outcome
        })
    }
}

#[tokio::test(start_paused = true)]
async fn plugins() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let wrapped: Box<dyn Handler> = Box::new(Logged { inner: recorder(&seen, ""), seen: seen.clone() });
    let _sub = bus.subscribe("a").handlers(vec![wrapped]).unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert_eq!(seen.until(2).await, ["a", "acked"]);
}
