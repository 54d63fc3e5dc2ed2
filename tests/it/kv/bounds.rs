//! Every bound on the store: the guest is told, nobody else notices, and nothing is lost.

use std::time::Duration;

use super::KV;
use crate::support::alone::{alone, this_test};
use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};
use crate::support::memory::resident_bytes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bound_is_told_to_the_guest_with_the_key_of_the_manifest_that_sets_it() {
    let host = TestHost::start().await;
    host.run_fixture("flood", "kv-flood", KV).await;
    let table = [
        (
            "key",
            "0 other: key `kkk",
            "of bucket `default`: a bucket or key of 5000 bytes; 1 to 256 are allowed (`kv_key_bytes`)",
        ),
        ("value", "0 other: key `k`", "a value of 100000 bytes; at most 65536 are allowed (`kv_value_bytes`)"),
        ("batch", "0 other: ", "5000 keys; at most 1024"),
        ("name", "0 no-such-store", ""),
        ("buckets", "", "drop buckets first"),
    ];
    for (order, start, part) in table {
        let reply = host.ask("x", order).await;
        assert!(reply.starts_with(start) && reply.contains(part), "{order}: {reply}");
    }
    let metrics = host.status("flood").unwrap().running.unwrap().metrics;
    assert_eq!((metrics.kv_refused, metrics.kv_writes), (5, 0));
    assert_eq!(host.stats("flood").faults, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_full_says_so_keeps_what_it_has_and_takes_more_once_keys_are_deleted() {
    let host = Place::new().start_durable().await;
    let manifest = |bytes: u64| format!("{KV}[limits]\nkv_bytes = {bytes}\n{PLENTY_OF_TIME}\n");
    host.run_fixture("flood", "kv-flood", &manifest(1_000_000)).await;
    // A pair has 1000 bytes, a key of 8, the bucket's name of 7 and 64 more.
    let fits = 1_000_000 / 1079;
    let full = format!("{fits} other: key `{fits:08}` of bucket `default`: the store would have ");
    let reply = host.ask("x", "keys").await;
    assert!(reply.starts_with(&full) && reply.ends_with("delete keys first (`kv_bytes`)"), "{reply}");
    let state = host.stats("flood").state.unwrap();
    assert_eq!((state.keys, state.bytes), (fits, fits * 1079));

    let host = host.stop_and_leave().await.start_durable().await;
    host.until_running("flood").await;
    assert_eq!(host.ask("x", "clear").await, format!("{fits} ok"));
    assert_eq!(host.stats("flood").state, None);
    assert!(host.ask("x", "keys").await.starts_with(&full));
    // A smaller store that is over its bound already: nothing is taken away.
    host.put_manifest("flood", &manifest(10_000));
    host.loader().reload("flood").await.unwrap();
    assert_eq!(host.ask("x", "keys").await.split(' ').next(), Some("0"));
    assert_eq!(host.ask("x", "clear").await, format!("{fits} ok"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tens_of_thousands_of_reads_pages_and_batches_in_one_event_find_everything() {
    let host = Place::new().start_durable().await;
    host.run_fixture("reader", "kv-many-reads", &format!("{KV}[limits]\n{PLENTY_OF_TIME}\n")).await;
    assert_eq!(host.ask("x", "fill").await, "10000");
    let found = "10000 20 10000 10000";
    assert_eq!(host.ask("x", "read").await, found);
    let host = host.stop_and_leave().await.start_durable().await;
    host.until_running("reader").await;
    assert_eq!(host.ask("x", "read").await, found);
    let metrics = host.status("reader").unwrap().running.unwrap().metrics;
    // Alone: each read and asked for. Listed, and read in batches.
    assert_eq!((metrics.kv_reads, metrics.kv_writes, metrics.kv_refused), (40_000, 0, 0));
    host.stop().await;
}

#[test]
fn a_guest_that_asks_for_long_keys_makes_the_host_remember_none_of_them() {
    alone(this_test!(a_guest_that_asks_for_long_keys_makes_the_host_remember_none_of_them), async {
        let host = TestHost::start().await;
        let limits = "[limits]\nfuel_per_event = 1_000_000_000_000\ndeadline_ms = 2000\n";
        host.run_fixture("flood", "kv-flood", &format!("{KV}{limits}[retry]\nattempts = 1\n")).await;
        let before = resident_bytes();
        // Refused each time, until it has had them all or its time is over.
        host.settle("x", "long-reads").await;
        let metrics = host.status("flood").unwrap().running.unwrap().metrics;
        assert!(metrics.kv_refused > 10 && metrics.kv_reads == 0, "{metrics:?}");
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 64 << 20, "{grown} bytes more");
        assert!(host.host.shutdown(Duration::from_secs(30)).await.unsettled.is_empty());
    });
}
