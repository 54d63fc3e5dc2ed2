//! What a component keeps of messages over its calls is bounded like what it makes in one; see also `bad/messaging.rs`.

use plugbus::bus::{Event, SubscriptionStats};

use super::misuse;
use crate::support::host::{PLENTY_OF_TIME, TestHost};

async fn publish(host: &TestHost, events: usize, text: &str) -> SubscriptionStats {
    for _ in 0..events {
        host.bus().publish(Event::draft("in").unwrap().text(text)).await.unwrap();
    }
    host.until_idle("misuse").await;
    host.stats("misuse")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_kept_count_until_their_instance_is_made_anew() {
    let host = misuse(&format!("[limits]\nhostcall_bytes = 100_000\n{PLENTY_OF_TIME}\n")).await;
    // The one at hand beside 100,000 bytes: three of 40,000 stay, the fourth is one too many and is had by the next instance,
    // which keeps it and two more.
    let stats = publish(&host, 10, &format!("keep {}", "x".repeat(40_000))).await;
    assert_eq!((stats.acked, stats.faults, stats.dead), (10, 3, 0));
    let status = host.status("misuse").unwrap();
    assert!(status.last_faults.iter().all(|fault| fault.kind == "host-call"), "{:?}", status.last_faults);
    let metrics = status.running.unwrap().metrics;
    assert_eq!((metrics.faults.get("host-call"), metrics.instances_created), (Some(&3), 4));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_longer_than_the_bound_comes_in_all_the_same() {
    let host = misuse("[limits]\nhostcall_bytes = 100_000\n").await;
    let stats = publish(&host, 5, &format!("answer-own {}", "x".repeat(400_000))).await;
    assert_eq!((stats.acked, stats.faults), (5, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_small_messages_end_at_the_resources_of_an_instance() {
    let host = misuse("").await;
    let stats = publish(&host, 1100, "keep").await;
    assert_eq!((stats.acked, stats.faults, stats.dead), (1100, 1, 0));
    let fault = host.status("misuse").unwrap().last_faults.remove(0);
    assert_eq!((fault.kind, fault.limit.as_deref()), ("handles", Some("1024 handles")));
    host.stop().await;
}
