use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream as _;
use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_stream_is_a_stream() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").max_events(2).stream().unwrap();
    assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut stream).poll_next(context))).await.is_pending());
    for topic in ["a", "b"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(event) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        seen.push(event.topic.to_string());
    }
    assert_eq!(seen, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_given_up_loses_nothing() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").stream().unwrap();
    for topic in ["a", "b", "c"] {
        // Each way to read, given up while it waits and woken in vain.
        assert!(tokio::time::timeout(Duration::from_millis(1), stream.next()).await.is_err());
        assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut stream).poll_next(context))).await.is_pending());
        bus.publish(draft(topic)).await.unwrap();
        let read = tokio::time::timeout(LONG, stream.next()).await.unwrap();
        assert_eq!(read.unwrap().topic.as_str(), topic);
    }
    let stats = stream.control().stats();
    assert_eq!((stats.acked, stats.in_flight, stats.waiting), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_stream_leaves_behind_is_counted() {
    let bus = Bus::default();
    let stream = bus.subscribe(">").stream().unwrap();
    let control = stream.control();
    for topic in ["a", "b"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    drop(stream);
    assert_eq!((control.stats().discarded, control.is_ended()), (2, true));
    assert_eq!(bus.dead_letters().stats().total, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_event_is_told_when_the_bus_ends() {
    let bus = Bus::default();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.wait_for("a", |_| true, LONG).await }
    });
    while bus.subscriptions().is_empty() {
        tokio::task::yield_now().await;
    }
    bus.shutdown(Duration::from_secs(1)).await;
    assert!(matches!(waiting.await.unwrap(), Err(WaitError::Closed)));
}
