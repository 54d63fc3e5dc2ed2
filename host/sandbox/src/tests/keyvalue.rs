//! The store of a plugin, as a guest sees it.

use std::time::{Duration, Instant};

use plugbus_bus::journal::StateWrite;
use plugbus_bus::{Failure, HandlerError, Reply, State as Remembered, StateLimits};
use wasmtime::Store;
use wasmtime::component::Resource;

use super::guest::{ACK, KEY_VALUE, KV_GET, KV_SET, data};
use super::*;
use crate::keyvalue::Bucket;
use crate::keyvalue::bindings::wasi::keyvalue::store::{Error, Host as _, HostBucket};
use crate::keyvalue::bindings::wasi::keyvalue::{atomics::Host as _, batch::Host as _};
use crate::state::State;

fn granted() -> PluginSpec {
    let mut spec = spec();
    spec.grants.kv = true;
    spec
}

fn delivery_with(limits: StateLimits) -> Arc<Delivery> {
    Arc::new(Delivery { state: Remembered::detached(limits), ..Arc::into_inner(delivery(event("{}"))).unwrap() })
}

/// The host's side of an instance in the middle of a call, without a guest.
struct Call {
    store: Store<State>,
    delivery: Arc<Delivery>,
}

impl Call {
    async fn begin(spec: PluginSpec, limits: StateLimits) -> Self {
        let template = template(&Guest::default(), spec).await;
        let mut store = State::store(&template.inner).unwrap();
        let delivery = delivery_with(limits);
        store.data_mut().begin(Some(&delivery), Instant::now() + Duration::from_secs(60));
        Self { store, delivery }
    }

    fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    async fn open(&mut self, name: &str) -> Resource<Bucket> {
        self.state().open(name.into()).await.unwrap()
    }

    /// What the guest would read.
    fn text(&mut self, refusal: impl Into<crate::keyvalue::Refusal>) -> String {
        match self.state().convert_error(refusal.into()).unwrap() {
            Error::Other(text) => text,
            other => format!("{other:?}"),
        }
    }
}

/// The same handle once more: each use takes one.
fn again(bucket: &Resource<Bucket>) -> Resource<Bucket> {
    Resource::new_borrow(bucket.rep())
}

fn keys(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("k{n:05}")).collect()
}

#[tokio::test]
async fn what_a_guest_writes_is_staged_on_its_delivery_and_read_back() {
    let mut call = Call::begin(granted(), StateLimits::default()).await;
    let bucket = call.open("").await;
    let state = call.state();
    assert_eq!(state.get(again(&bucket), "k".into()).await.unwrap(), None);
    state.set(again(&bucket), "k".into(), b"v".to_vec()).await.unwrap();
    assert_eq!(state.get(again(&bucket), "k".into()).await.unwrap(), Some(b"v".to_vec()));
    assert!(state.exists(again(&bucket), "k".into()).await.unwrap());
    assert_eq!(state.increment(again(&bucket), "n".into(), 2).await.unwrap(), 2);
    assert_eq!(state.increment(again(&bucket), "n".into(), 40).await.unwrap(), 42);
    state.delete(again(&bucket), "k".into()).await.unwrap();
    assert!(!state.exists(again(&bucket), "k".into()).await.unwrap());
    let other = call.open("other").await;
    assert_eq!(call.state().get(again(&other), "n".into()).await.unwrap(), None, "buckets are apart");
    let staged = [StateWrite::Set { bucket: "default".into(), key: "n".into(), value: "42".into() }];
    assert_eq!(call.delivery.state.changes(), staged);
    let metrics = call.state().template.metrics.snapshot();
    assert_eq!((metrics.kv_reads, metrics.kv_writes, metrics.kv_refused), (7, 4, 0));
    HostBucket::drop(call.state(), bucket).await.unwrap();
}

#[tokio::test]
async fn a_bucket_has_any_name_that_is_short_and_printable() {
    let mut call = Call::begin(granted(), StateLimits::default()).await;
    for name in ["", "default", "orders/2026 \u{fc}", &"x".repeat(64)] {
        call.open(name).await;
    }
    for name in ["x".repeat(65), "a\nb".into()] {
        let refusal = call.state().open(name).await.unwrap_err();
        assert_eq!(call.text(refusal), "Error::NoSuchStore");
    }
    assert_eq!(call.state().template.metrics.snapshot().kv_refused, 2);
}

#[tokio::test]
async fn keys_come_in_pages_that_what_is_written_meanwhile_does_not_move() {
    let mut call = Call::begin(granted(), StateLimits::default()).await;
    let bucket = call.open("b").await;
    let state = call.state();
    for key in keys(0, 1300) {
        state.set(again(&bucket), key, Vec::new()).await.unwrap();
    }
    let first = state.list_keys(again(&bucket), None).await.unwrap();
    assert_eq!(first.keys, keys(0, 512));
    for key in &first.keys {
        state.delete(again(&bucket), key.clone()).await.unwrap();
    }
    let second = state.list_keys(again(&bucket), first.cursor).await.unwrap();
    assert_eq!(second.keys, keys(512, 1024));
    let third = state.list_keys(again(&bucket), second.cursor).await.unwrap();
    assert_eq!((third.keys, third.cursor), (keys(1024, 1300), None));
    // A page again, by a handle of its own.
    let same = call.open("b").await;
    let state = call.state();
    assert_eq!(state.list_keys(again(&same), first.cursor).await.unwrap().keys, keys(512, 1024));

    let other = call.open("other").await;
    for (bucket, cursor) in [(&other, first.cursor), (&bucket, Some(99))] {
        let refusal = call.state().list_keys(again(bucket), cursor).await.unwrap_err();
        let text = call.text(refusal);
        assert!(text.contains("is none"), "{text}");
    }
    let delivery = call.delivery.clone();
    call.state().begin(Some(&delivery), Instant::now());
    let refusal = call.state().list_keys(again(&bucket), first.cursor).await.unwrap_err();
    assert!(call.text(refusal).contains("in the call that got it"));
}

#[tokio::test]
async fn batches_do_as_single_operations_do_within_bounds_of_their_own() {
    let mut spec = granted();
    spec.limits.hostcall_bytes = 4096;
    let mut call = Call::begin(spec, StateLimits::default()).await;
    let bucket = call.open("b").await;
    let state = call.state();
    let pair = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
    state.set_many(again(&bucket), vec![pair("a", "1"), pair("b", "2"), pair("a", "3")]).await.unwrap();
    let found = state.get_many(again(&bucket), vec!["b".into(), "x".into(), "a".into()]).await.unwrap();
    assert_eq!(found, [Some(pair("b", "2")), None, Some(pair("a", "3"))]);
    state.delete_many(again(&bucket), vec!["a".into(), "x".into()]).await.unwrap();
    assert!(!state.exists(again(&bucket), "a".into()).await.unwrap());

    state.set(again(&bucket), "long".into(), vec![0; 2000]).await.unwrap();
    let refusal = state.get_many(again(&bucket), vec!["long".into(); 3]).await.unwrap_err();
    let text = call.text(refusal);
    assert!(text.contains("4096") && text.contains("hostcall_bytes"), "{text}");
    let many = keys(0, 1025);
    let pairs = many.iter().map(|key| pair(key, "")).collect();
    let state = call.state();
    let refusals = [
        state.get_many(again(&bucket), many.clone()).await.unwrap_err(),
        state.set_many(again(&bucket), pairs).await.unwrap_err(),
        state.delete_many(again(&bucket), many).await.unwrap_err(),
    ];
    for refusal in refusals {
        let text = call.text(refusal);
        assert!(text.contains("1025 keys; at most 1024"), "{text}");
    }
    assert_eq!(call.delivery.state.changes().len(), 2, "of a batch that is too large nothing is done");
}

#[tokio::test]
async fn every_bound_is_an_error_that_names_the_key_and_the_limit_and_changes_nothing() {
    let limits = StateLimits { key_bytes_max: 64, value_bytes_max: 100, total_bytes_max: 500 };
    let mut call = Call::begin(granted(), limits).await;
    let bucket = call.open("").await;
    let state = call.state();
    state.set(again(&bucket), "kept".into(), vec![1; 100]).await.unwrap();
    state.set(again(&bucket), "two".into(), vec![1; 100]).await.unwrap();
    state.set(again(&bucket), "number".into(), b"no".to_vec()).await.unwrap();
    let long = "x".repeat(65);
    let refusals = [
        (
            state.set(again(&bucket), "kept".into(), vec![0; 101]).await,
            "key `kept` of bucket `default`: a value of 101",
        ),
        (state.set(again(&bucket), "three".into(), vec![0; 100]).await, "`kv_bytes`"),
        (state.set(again(&bucket), long.clone(), Vec::new()).await, "`kv_key_bytes`"),
        (state.delete(again(&bucket), String::new()).await, "of 0 bytes; 1 to 64"),
        (state.get(again(&bucket), long.clone()).await.map(drop), "65 bytes; 1 to 64"),
        (state.exists(again(&bucket), long).await.map(drop), "65 bytes; 1 to 64"),
        (state.increment(again(&bucket), "number".into(), 1).await.map(drop), "key `number` cannot be incremented"),
    ];
    let count = u64::try_from(refusals.len()).unwrap();
    for (result, expected) in refusals {
        let text = call.text(result.unwrap_err());
        assert!(text.contains(expected), "{text}");
    }
    let state = call.state();
    assert_eq!(state.get(again(&bucket), "kept".into()).await.unwrap(), Some(vec![1; 100]));
    assert_eq!(state.template.metrics.snapshot().kv_refused, count);
    assert_eq!(call.delivery.state.changes().len(), 3);
}

#[tokio::test]
async fn open_buckets_are_bounded_by_the_resources_of_the_instance() {
    let mut call = Call::begin(granted(), StateLimits::default()).await;
    let mut open = Vec::new();
    let refusal = loop {
        match call.state().open("b".into()).await {
            Ok(bucket) => open.push(bucket),
            Err(refusal) => break refusal,
        }
    };
    let text = call.text(refusal);
    assert!(text.contains("drop buckets first") && (1000..=1024).contains(&open.len()), "{text} {}", open.len());
    HostBucket::drop(call.state(), open.pop().unwrap()).await.unwrap();
    call.open("b").await;
}

/// `init` opens a bucket and keeps it, tries to read from it, and goes on; `handle` reads the key `k` and then writes it. Both
/// traps where the other case of a result is wanted.
fn keeper() -> Guest {
    let init = format!(
        "(call $kv-open (i32.const 0) (i32.const 0) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then (unreachable)))
         (global.set $bucket (i32.load (i32.const 516)))
         (call $kv-get (global.get $bucket) (i32.const 2048) (i32.const 1) (i32.const 512))
         (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 2)) (then (unreachable)))
         {}",
        guest::INIT_OK
    );
    // Replies by rejecting where the key is there.
    let handle = format!(
        "(call $kv-get (global.get $bucket) (i32.const 2048) (i32.const 1) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then (unreachable)))
         (if (i32.load8_u (i32.const 516)) (then (return {})))
         (call $kv-set (global.get $bucket) (i32.const 2048) (i32.const 1) (i32.const 2049) (i32.const 3) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then (unreachable)))
         {ACK}",
        guest::reject(2049, 3)
    );
    Guest { init, ..Guest::handling(handle) }
        .items(format!("{} (global $bucket (mut i32) (i32.const 0))", data(2048, "kvvv")))
        .wasi(&[KEY_VALUE, KV_GET, KV_SET])
}

#[tokio::test]
async fn a_bucket_opened_in_init_is_good_for_every_event_and_useless_before_the_first() {
    let mut handler = start(&keeper(), granted()).await;
    let (first, second) = (delivery(event("{}")), delivery(event("{}")));
    assert_eq!(handler.handle(&first).await, Ok(Reply(None)));
    let staged = [StateWrite::Set { bucket: "default".into(), key: "k".into(), value: "vvv".into() }];
    assert_eq!(first.state.changes(), staged);
    assert_eq!(handler.handle(&first).await, Err(HandlerError::Failure(Failure::Reject("vvv".into()))));
    // Another delivery, another store: what was not committed is not seen.
    assert_eq!(handler.handle(&second).await, Ok(Reply(None)));
    let metrics = handler.template().metrics();
    assert_eq!((metrics.kv_reads, metrics.kv_writes, metrics.kv_refused), (3, 2, 1));
}
