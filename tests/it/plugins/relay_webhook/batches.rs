//! Several events in one request, with a real host's journal, ticks and retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use plugbus::bus::DeadFilter;
use toml::toml;

use super::*;
use crate::support::server::Request;

/// Nothing makes a batch due but what a test says.
fn batch(table: &mut Table, more: Table) {
    let mut batch = toml! { events_max = 1000  bytes_max = 786432  age_ms = 3600000 };
    batch.extend(more);
    table["config"].as_table_mut().unwrap().insert("batch".into(), batch.into());
}

/// The data of the events that a request carries.
fn carried(request: &Request) -> Vec<String> {
    let events: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
    events.iter().map(|event| event["data"].as_str().unwrap().to_owned()).collect()
}

fn all_carried(server: &Server) -> Vec<Vec<String>> {
    server.requests().iter().map(carried).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A server that answers with 503 until it is told to work.
fn out_of_order() -> (Server, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let switch = works.clone();
    let server = Server::start(move |_, _| match switch.load(SeqCst) {
        true => answer("204 No Content", ""),
        false => answer("503 Service Unavailable", ""),
    });
    (server, works)
}

async fn publish(host: &TestHost, range: std::ops::Range<u32>) {
    for number in range {
        host.publish("hook.x", number.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_together_by_number_and_the_rest_when_it_is_old() {
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let host = Place::new().start_durable().await;
    load_with(&host, &server.origin(), |table| {
        batch(table, toml! { events_max = 10  age_ms = 300 });
        table.insert("tick_ms".into(), 100.into());
    })
    .await;
    publish(&host, 0..25).await;
    host.until("all are posted", || all_carried(&server).concat().len() == 25).await;
    // On a machine that stalls, a tick may come between two of them; the order and the sum hold all the same.
    assert_eq!(all_carried(&server).concat(), numbers(0..25));
    assert!(server.requests().len() < 25 && server.requests().iter().all(|request| carried(request).len() <= 10));
    let media: Vec<_> = server.requests().iter().map(|r| r.header("content-type").unwrap().to_owned()).collect();
    assert!(media.iter().all(|media| media == "application/cloudevents-batch+json"));
    host.until("ticks go on and find nothing", || host.stats("relay-webhook").ticks >= 5).await;
    assert_eq!(all_carried(&server).concat().len(), 25);
    assert_eq!(host.stats("relay-webhook").ticks_failed, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_outlasts_the_host_and_goes_with_the_next_tick() {
    let server = Server::start(|_, _| answer("204 No Content", ""));
    let host = Place::new().start_durable().await;
    load_with(&host, &server.origin(), |table| batch(table, Table::new())).await;
    publish(&host, 0..7).await;
    host.until("they wait in the store", || host.stats("relay-webhook").acked == 7).await;
    assert!(server.requests().is_empty());
    let place = host.stop_and_leave().await;
    let host = place.start_durable().await;
    host.until_running("relay-webhook").await;
    publish(&host, 7..9).await;
    host.until("they wait, too", || host.stats("relay-webhook").acked == 2).await;
    assert!(server.requests().is_empty());
    // A new manifest, with the same store.
    load_with(&host, &server.origin(), |table| {
        batch(table, toml! { age_ms = 1 });
        table.insert("tick_ms".into(), 100.into());
    })
    .await;
    host.until("a tick has sent them", || !server.requests().is_empty()).await;
    assert_eq!(all_carried(&server), [numbers(0..9)]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_for_a_while_gets_each_event_in_order() {
    let (server, works) = out_of_order();
    let host = Place::new().start_durable().await;
    load_with(&host, &server.origin(), |table| {
        batch(table, toml! { events_max = 4  age_ms = 200 });
        table.insert("tick_ms".into(), 100.into());
        table.insert("retry".into(), toml! { attempts = 100  backoff_max_ms = 100 }.into());
    })
    .await;
    publish(&host, 0..10).await;
    host.until("it has been tried", || server.requests().len() >= 5).await;
    works.store(true, SeqCst);
    // Of those that were answered with 503 some may come after the count.
    host.until("all have come in order", || all_carried(&server).concat().ends_with(&numbers(0..10))).await;
    let stats = host.stats("relay-webhook");
    assert_eq!((stats.acked, stats.dead), (10, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_attempts_are_used_up_is_a_dead_letter_and_those_before_it_wait() {
    let (server, works) = out_of_order();
    let host = Place::new().start_durable().await;
    load_with(&host, &server.origin(), |table| {
        batch(table, toml! { events_max = 2 });
        table.insert("retry".into(), toml! { attempts = 2  backoff_min_ms = 1  backoff_max_ms = 1 }.into());
    })
    .await;
    publish(&host, 0..2).await;
    host.until("the second is given up", || host.stats("relay-webhook").dead == 1).await;
    works.store(true, SeqCst);
    publish(&host, 2..3).await;
    host.until("the first goes with the third", || host.stats("relay-webhook").acked == 2).await;
    assert_eq!(all_carried(&server).last().unwrap(), &["0", "2"]);
    let letter = &host.bus().dead_letters().list(&DeadFilter::default())[0];
    assert_eq!(letter.event.payload.data, "1");
    assert!(letter.reason.to_string().contains("webhook answered 503"), "{}", letter.reason);
    host.bus().dead_letters().replay(letter.id).await.unwrap();
    publish(&host, 3..4).await;
    host.until("and that with the fourth", || all_carried(&server).concat().contains(&"1".to_owned())).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_is_published_where_the_manifest_says() {
    let server = Server::start(|number, _| match number {
        0 => answer("413 Payload Too Large", "no"),
        _ => answer("204 No Content", ""),
    });
    let host = Place::new().start_durable().await;
    load_with(&host, &server.origin(), |table| {
        batch(table, toml! { events_max = 2  refused_topic = "webhook.refused" });
        table.insert("publish".into(), vec!["webhook.refused"].into());
    })
    .await;
    let refused = crate::support::events::Recorder::on(host.bus(), "webhook.refused");
    publish(&host, 0..4).await;
    let told = refused.until_json("webhook.refused", |_| true).await;
    assert_eq!(told["reason"], "webhook answered 413: no");
    assert_eq!((&told["events"][0]["data"], &told["events"][1]["data"]), (&"0".into(), &"1".into()));
    host.until("the next go on", || server.requests().len() == 2).await;
    assert_eq!(all_carried(&server)[1], ["2", "3"]);
    drop(refused);
    host.stop().await;
}
