use super::*;
use crate::prelude::*;
use crate::testing::{Host, event};

/// Does with the store what the event's data says, in order, and replies with what it read.
struct Keeper {
    bucket: Bucket,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Get(String),
    Set(String, Value),
    SetBytes(String, usize),
    Exists(String),
    Delete(String),
    Increment(String, u64),
    Keys,
    Entries,
    Fail,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    bucket: String,
    #[serde(default)]
    read_in_new: bool,
}

impl Plugin for Keeper {
    const FILTERS: &[&str] = &[">"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        if config.read_in_new {
            get::<Value>("k")?;
        }
        Ok(Self { bucket: Bucket::open(&config.bucket)? })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        let mut seen = Vec::new();
        for order in event.json::<Vec<Order>>()? {
            seen.push(match order {
                Order::Get(key) => json!(self.bucket.get::<Value>(&key)?),
                Order::Set(key, value) => json!(self.bucket.set(&key, &value)?),
                Order::SetBytes(key, bytes) => json!(self.bucket.set_bytes(&key, &vec![b'x'; bytes])?),
                Order::Exists(key) => json!(self.bucket.exists(&key)?),
                Order::Delete(key) => json!(self.bucket.delete(&key)?),
                Order::Increment(key, delta) => json!(self.bucket.increment(&key, delta)?),
                Order::Keys => json!(self.bucket.keys()?),
                Order::Entries => json!(self.bucket.entries::<Value>()?),
                Order::Fail => Err(Failure::retry("as told"))?,
            });
        }
        Reply::json(&seen)
    }
}

fn host(config: Value) -> Host<Keeper> {
    Host::new(config).unwrap()
}

fn send(host: &mut Host<Keeper>, orders: Value) -> Result<Value> {
    let reply = host.send(event("x").json(&orders))?.unwrap();
    Ok(serde_json::from_slice(reply.bytes()).unwrap())
}

#[test]
fn what_an_acked_handler_wrote_is_there_for_the_next_event_and_after_a_reload() {
    let mut host = host(json!({}));
    let written = json!([{"set": ["k", {"a": [1]}]}, {"increment": ["n", 2]}, {"get": "k"}, {"increment": ["n", 40]}]);
    assert_eq!(send(&mut host, written).unwrap(), json!([null, 2, {"a": [1]}, 42]));
    host.reload(json!({})).unwrap();
    let read = json!([{"get": "k"}, {"get": "n"}, {"get": "none"}, {"exists": "k"}, {"delete": "k"}, {"exists": "k"}]);
    assert_eq!(send(&mut host, read).unwrap(), json!([{"a": [1]}, 42, null, true, null, false]));
    assert_eq!((host.stored("default", "k"), host.stored("default", "n")), (None, Some(&b"42"[..])));
}

#[test]
fn a_handler_that_fails_leaves_no_change() {
    let mut host = host(json!({}));
    send(&mut host, json!([{"set": ["k", 1]}])).unwrap();
    let failing = json!([{"set": ["k", 2]}, {"set": ["new", 2]}, {"get": "k"}, "fail"]);
    assert_eq!(send(&mut host, failing), Err(Failure::retry("as told")));
    assert_eq!(send(&mut host, json!(["entries"])).unwrap(), json!([{"k": 1}]));
}

#[test]
fn keys_and_entries_are_those_of_the_bucket_in_order_with_the_changes_in_them() {
    let mut host = host(json!({ "bucket": "b" }));
    let many: Vec<Value> = (0..200).rev().map(|n| json!({"set": [format!("k{n:03}"), n]})).collect();
    send(&mut host, json!(many)).unwrap();
    let reply = send(&mut host, json!([{"delete": "k001"}, {"set": ["k000", "new"]}, "keys", "entries"])).unwrap();
    assert_eq!((reply[2].as_array().unwrap().len(), &reply[2][1]), (199, &json!("k002")));
    assert_eq!((&reply[3]["k000"], &reply[3]["k199"], &reply[3]["k001"]), (&json!("new"), &json!(199), &json!(null)));
    host.reload(json!({ "bucket": "other" })).unwrap();
    assert_eq!(send(&mut host, json!(["keys"])).unwrap(), json!([[]]));
    assert!(host.stored("b", "k000").is_some() && host.stored("other", "k000").is_none());
}

#[test]
fn a_bound_is_an_error_with_the_key_and_the_limit_and_the_event_is_retried() {
    let mut host = host(json!({}));
    host.limit_state_bytes(1000);
    let long = "k".repeat(257);
    let table = [
        (json!([{"set_bytes": ["k", 65537]}]), "key `k` of bucket `default`: a value of 65537 bytes"),
        (json!([{"set_bytes": ["a", 400]}, {"set_bytes": ["b", 400]}, {"set_bytes": ["c", 400]}]), "(`kv_bytes`)"),
        (json!([{"get": long}]), "257 bytes; 1 to 256 are allowed (`kv_key_bytes`)"),
        (json!([{"set": ["text", "x"]}, {"increment": ["text", 1]}]), "key `text` cannot be incremented"),
    ];
    for (orders, expected) in table {
        let failure = send(&mut host, orders).unwrap_err();
        assert!(failure.is_retry() && failure.reason().contains(expected), "{failure}");
    }
    assert_eq!(send(&mut host, json!(["keys"])).unwrap(), json!([[]]));
}

#[test]
fn a_value_of_another_shape_and_a_bucket_of_no_name_reject() {
    let mut host = host(json!({}));
    send(&mut host, json!([{"set_bytes": ["k", 3]}])).unwrap();
    let failure = send(&mut host, json!([{"get": "k"}])).unwrap_err();
    assert!(
        !failure.is_retry() && failure.reason().starts_with("value of key `k`: no JSON: expected value"),
        "{failure}"
    );
    let refused = Host::<Keeper>::new(json!({ "bucket": "x".repeat(65) })).unwrap_err();
    assert!(refused.reason().contains("at most 64 bytes"), "{refused}");
}

#[test]
fn in_new_a_bucket_may_be_opened_and_nothing_read() {
    let refused = Host::<Keeper>::new(json!({ "read_in_new": true })).unwrap_err();
    assert!(refused.reason().contains("not there in `init`"), "{refused}");
    assert!(matches!(get::<Value>("k"), Err(StateError::Refused(text)) if text.contains("testing::Host")));
}
