//! What the bus alone costs: no plugin, no file, no process.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::Measurement;
use criterion::{BatchSize, Bencher, BenchmarkId, Criterion};
use plugbus::bus::{Bus, Draft, Filter, Subscription, Topic};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::BESIDE;
use crate::clock::ThreadTime;
use crate::host::{BATCH, TOPIC, data, draft, draft_of, one_thread, publish_many};

/// One publisher, one handler that is called inside publish.
pub(crate) fn inline(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("inline");
    let (bus, draft) = (Bus::default(), draft());
    let _handler = inline_handler(&bus, TOPIC);
    group.bench_function("publish to one inline handler", |bencher| {
        publish_each(bencher, &bus, &draft);
    });
    let (data, mut receivers) = (data(), broadcast_to(1));
    group.bench_function(format!("{BESIDE}tokio broadcast, send and receive"), |bencher| {
        bencher.iter_batched(
            || data.clone(),
            |data| send_and_receive(&mut receivers, data),
            BatchSize::NumIterations(BATCH),
        );
    });
    group.finish();
}

/// One publisher, many handlers that match.
pub(crate) fn fan_out(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("fan-out");
    let (data, draft) = (data(), draft());
    for count in [1, 10, 100] {
        let bus = Bus::default();
        let _handlers: Vec<Subscription> = (0..count).map(|_| inline_handler(&bus, TOPIC)).collect();
        group.bench_function(BenchmarkId::new("publish to inline handlers", count), |bencher| {
            publish_each(bencher, &bus, &draft);
        });
        let mut receivers = broadcast_to(count);
        group.bench_function(BenchmarkId::new(format!("{BESIDE}tokio broadcast"), count), |bencher| {
            bencher.iter_batched(
                || data.clone(),
                |data| send_and_receive(&mut receivers, data),
                BatchSize::NumIterations(BATCH),
            );
        });
    }
    group.finish();
}

/// Who matches a topic, among a thousand subscriptions with a filter each.
pub(crate) fn routing(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("routing");
    let bus = Bus::default();
    let filters: Vec<String> = (0..1000).map(filter_text).collect();
    let _handlers: Vec<Subscription> = filters.iter().map(|filter| inline_handler(&bus, filter)).collect();
    let filters: Vec<Filter> = filters.iter().map(|text| Filter::parse(text).expect("it is a filter")).collect();
    let topic = Topic::parse("shop.region-5.orders.item-80").expect("it is a topic");
    let naive = || filters.iter().filter(|filter| filter.matches(black_box(&topic))).count();
    assert_eq!((bus.matching(&topic).len(), naive()), (4, 4));

    group.bench_function("matching subscriptions of 1000, by the table", |bencher| {
        bencher.iter(|| bus.matching(black_box(&topic)).len());
    });
    group.bench_function(format!("{BESIDE}each filter tried in turn"), |bencher| {
        bencher.iter(naive);
    });
    let draft = draft_of(topic.as_str(), data());
    group.bench_function("publish to the 4 that match, of 1000", |bencher| {
        publish_each(bencher, &bus, &draft);
    });
    group.finish();
}

/// Through a queue to a handler in a task of its own, on the same thread.
pub(crate) fn queue(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("queue");
    let (runtime, bus, draft, data) = (one_thread(), Bus::default(), draft(), data());
    let subscribed = runtime.block_on(async {
        bus.subscribe(TOPIC).on(|delivery| async move {
            black_box(&delivery.event);
        })
    });
    let _handler = subscribed.expect("the bus takes a subscription");
    group.bench_function("publish through a queue to an async handler", |bencher| {
        bencher.iter_custom(|count| publish_many(&ThreadTime, &runtime, &bus, &draft, count));
    });
    group.bench_function(format!("{BESIDE}tokio mpsc to a task"), |bencher| {
        bencher.iter_custom(|count| runtime.block_on(send_many(&data, count)));
    });
    group.finish();
}

/// Measures publishing alone; the events are made before.
fn publish_each(bencher: &mut Bencher<'_, ThreadTime>, bus: &Bus, draft: &Draft) {
    let publish = |draft| drop(bus.try_publish(draft).expect("the bus takes an event"));
    bencher.iter_batched(|| draft.clone(), publish, BatchSize::NumIterations(BATCH));
}

fn inline_handler(bus: &Bus, filter: &str) -> Subscription {
    let handler = bus.subscribe(filter).inline(|delivery| {
        black_box(&delivery.event);
    });
    handler.expect("the bus takes a subscription")
}

/// A thousand different filters of the usual shapes; four of them match the topic of the figure.
fn filter_text(number: usize) -> String {
    match (number, number % 4) {
        (0, _) => ">".into(),
        (1, _) => "shop.*.orders.*".into(),
        (_, 0) => format!("shop.region-{}.orders.item-{number}", number % 25),
        (_, 1) => format!("shop.region-{number}.>"),
        (_, 2) => format!("*.region-{}.orders.item-{number}", number % 25),
        _ => format!("shop.*.stock.item-{number}"),
    }
}

type Broadcast = (broadcast::Sender<Bytes>, Vec<broadcast::Receiver<Bytes>>);

fn broadcast_to(count: usize) -> Broadcast {
    let (sender, receiver) = broadcast::channel(16);
    let receivers = std::iter::once(receiver).chain((1..count).map(|_| sender.subscribe())).collect();
    (sender, receivers)
}

fn send_and_receive((sender, receivers): &mut Broadcast, data: Bytes) {
    sender.send(data).expect("somebody receives");
    for receiver in receivers {
        black_box(receiver.try_recv().expect("something was sent"));
    }
}

/// The same work as [`publish_many`], on a channel.
async fn send_many(data: &Bytes, count: u64) -> Duration {
    let (sender, mut receiver) = mpsc::channel::<(Bytes, Option<oneshot::Sender<()>>)>(1024);
    let task = tokio::spawn(async move {
        while let Some((data, done)) = receiver.recv().await {
            black_box(data);
            if let Some(done) = done {
                done.send(()).expect("somebody waits");
            }
        }
    });
    let mut took = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        let messages: Vec<Bytes> = (1..batch).map(|_| data.clone()).collect();
        let began = ThreadTime.start();
        for message in messages {
            sender.send((message, None)).await.expect("somebody receives");
        }
        let (done, is_done) = oneshot::channel();
        sender.send((data.clone(), Some(done))).await.expect("somebody receives");
        is_done.await.expect("somebody handles");
        took += ThreadTime.end(began);
        left -= batch;
    }
    drop(sender);
    task.await.expect("the task ends");
    took
}
