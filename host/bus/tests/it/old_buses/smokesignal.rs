use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn max_calls() {
    let (bus, seen) = (Bus::default(), Seen::default());
    // Each subscription counts for itself, over all its filters.
    let _two = bus.subscribe(["a", "b"]).max_events(2).handlers(vec![recorder(&seen, "two:")]).unwrap();
    let _all = bus.subscribe(">").handlers(vec![recorder(&seen, "all:")]).unwrap();
    for topic in ["a", "b", "a"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    let all = seen.until(5).await;
    assert_eq!(all.iter().filter(|text| text.starts_with("two:")).count(), 2);
    assert!(bus.wait_idle(LONG).await && bus.subscriptions().len() == 1);
}

#[tokio::test(start_paused = true)]
async fn clear() {
    let bus = Bus::default();
    let _subs = ["a.b", "a.*", "b"].map(|filter| bus.subscribe(filter).on(|_| async {}).unwrap());
    assert_eq!(bus.unsubscribe_all(&Filter::parse("a.>").unwrap()), 2);
    assert_eq!(bus.unsubscribe_all(&Filter::parse(">").unwrap()), 1);
    assert!(bus.subscriptions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn responds_to_queries() {
    let bus = Bus::default();
    let sub = bus.subscribe(["a", "b.*"]).name("mine").on(|_| async {}).unwrap();
    let topic = |text: &str| Topic::parse(text).unwrap();
    assert_eq!(bus.matching(&topic("b.c")), [Name::parse("mine").unwrap()]);
    assert!(bus.matching(&topic("c")).is_empty());
    let control: Control = sub.control();
    assert!(control.filters().iter().any(|filter| filter.matches(&topic("a"))));
}
