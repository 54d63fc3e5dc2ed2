//! The socket with clients that keep to the rules.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use plugbus::bus::{Event, Failure, Payload, RetryPolicy};
use plugbus::socket::SocketError;
use plugbus::socket::client::{Client, ClientError};
use plugbus::socket::protocol::{Request, Response};
use plugbus::{Host, HostError};
use serde_json::json;

use crate::support::{Peer, Serving, within};

#[tokio::test]
async fn ping_says_who_is_there() {
    let serving = Serving::start(|_| {}).await;
    let pong = serving.connect().await.call(r#"{"ping":{}}"#).await;
    assert_eq!(pong["pong"]["pid"], std::process::id());
    assert_eq!(pong["pong"]["protocol"], 1);
    serving.stop().await;
}

#[tokio::test]
async fn a_published_event_reaches_the_bus_byte_for_byte() {
    let serving = Serving::start(|_| {}).await;
    let mut stream = serving.bus().subscribe("a.*").stream().unwrap();
    let mut peer = serving.connect().await;
    let line = r#"{"publish":{"event":{"type":"a.b","source":"me","id":"1","subject":"s","ext":"x","data":{"z":1.00,"a":12345678901234567890123}}}}"#;
    let accepted = peer.call(line).await;
    assert_eq!(accepted["accepted"]["id"], "1");
    assert_eq!(accepted["accepted"]["matched"], 1);
    assert_eq!(accepted["accepted"]["disposition"], "delivered");
    let event = stream.next().await.unwrap();
    assert_eq!(&event.payload.data[..], br#"{"z":1.00,"a":12345678901234567890123}"#);
    assert_eq!((&*event.source, event.subject.as_deref(), event.extension("ext")), ("me", Some("s"), Some("x")));
    let plain = peer.call(r#"{"publish":{"event":{"type":"a.c","datacontenttype":"text/plain","data":"hi"}}}"#).await;
    assert!(plain["accepted"]["id"].is_string());
    let event = stream.next().await.unwrap();
    assert_eq!((&event.payload.data[..], &*event.source), (&b"hi"[..], "plugbus"));
    serving.stop().await;
}

#[tokio::test]
async fn an_attribute_that_stands_twice_is_refused() {
    let serving = Serving::start(|_| {}).await;
    let mut peer = serving.connect().await;
    for event in [
        r#"{"type":"a","type":"b"}"#,
        r#"{"type":"a","data":1,"data":2}"#,
        r#"{"type":"a","data":null,"data":2}"#,
        r#"{"type":"a","ext":"1","ext":"2"}"#,
    ] {
        let answer = peer.call(&format!(r#"{{"publish":{{"event":{event}}}}}"#)).await;
        assert_eq!(answer["error"]["code"], "invalid_event", "{event}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("` stands there twice"), "{answer}");
    }
    assert_eq!(serving.bus().stats().accepted, 0);
    serving.stop().await;
}

#[tokio::test]
async fn a_stream_of_lines_is_answered_in_order_each_with_its_own_word() {
    let serving = Serving::start(|_| {}).await;
    let mut peer = serving.connect().await;
    let mut lines = String::new();
    for n in 0..500 {
        match n % 5 {
            3 => lines.push_str("garbage\n"),
            4 => lines.push_str("{\"publish\":{\"event\":{\"type\":\"a..b\"}}}\n"),
            _ => lines.push_str(&format!("{{\"publish\":{{\"event\":{{\"type\":\"a\",\"id\":\"{n}\"}}}}}}\n")),
        }
    }
    let (_, ()) = tokio::join!(peer.send(lines), async {});
    let mut last_seq = 0;
    for n in 0..500 {
        let answer = peer.line().await;
        match n % 5 {
            3 => assert_eq!((&answer["error"]["code"], &answer["error"]["line"]), (&json!("bad_json"), &json!(n + 1))),
            4 => assert_eq!(
                (&answer["error"]["code"], &answer["error"]["line"]),
                (&json!("invalid_event"), &json!(n + 1))
            ),
            _ => {
                assert_eq!(answer["accepted"]["id"], n.to_string());
                let seq = answer["accepted"]["seq"].as_u64().unwrap();
                assert!(seq > last_seq);
                last_seq = seq;
            }
        }
    }
    serving.stop().await;
}

#[tokio::test]
async fn waiting_shows_every_outcome_but_the_watchers() {
    let serving = Serving::start(|_| {}).await;
    let _good = serving.bus().subscribe("a").name("good").on(|_| async { Payload::text("answer") }).unwrap();
    let _bad =
        serving.bus().subscribe("a").name("bad").on(|_| async { Err::<(), _>(Failure::reject("no thanks")) }).unwrap();
    let _slow = serving.bus().subscribe("a").name("slow").on(|_| std::future::pending::<()>()).unwrap();
    let mut watcher = serving.connect().await;
    watcher.call(r#"{"tail":{}}"#).await;
    let mut peer = serving.connect().await;
    let settled = peer.call(r#"{"publish":{"event":{"type":"a"},"wait_ms":300}}"#).await;
    let results = settled["settled"]["results"].as_array().unwrap();
    let of = |name: &str| results.iter().find(|result| result["subscription"] == name).unwrap();
    assert_eq!(results.len(), 3);
    assert_eq!((&of("good")["outcome"], &of("good")["reply_text"]), (&json!("acked"), &json!("answer")));
    assert_eq!(of("bad")["outcome"], "dead");
    assert!(of("bad")["reason"].as_str().unwrap().contains("no thanks"));
    assert_eq!(of("slow")["outcome"], "pending");
    let too_long = peer.call(r#"{"publish":{"event":{"type":"a"},"wait_ms":600001}}"#).await;
    assert_eq!(too_long["error"]["code"], "bad_request");
}

#[tokio::test]
async fn a_request_brings_the_first_reply() {
    let serving = Serving::start(|_| {}).await;
    let _square = serving.bus().subscribe("square").on(|delivery| async move {
        let number: u64 = delivery.event.payload.parse().map_err(Failure::reject)?;
        Payload::json(&(number * number)).map_err(Failure::reject)
    });
    let mut peer = serving.connect().await;
    let reply = peer.call(r#"{"request":{"event":{"type":"square","data":7}}}"#).await;
    assert_eq!((&reply["reply"]["text"], &reply["reply"]["content_type"]), (&json!("49"), &json!("application/json")));
    let nobody = peer.call(r#"{"request":{"event":{"type":"cube","data":7}}}"#).await;
    assert_eq!(nobody["error"]["code"], "no_reply");
    serving.stop().await;
}

#[tokio::test]
async fn a_watcher_sees_everything_after_its_ok_and_a_filter_is_checked() {
    let serving = Serving::start(|_| {}).await;
    for round in 0..50 {
        let mut watcher = serving.connect().await;
        let ok = watcher.call(r#"{"tail":{"filters":["a.*","b"]}}"#).await;
        assert_eq!(ok["watching"]["filters"], json!(["a.*", "b"]));
        serving.bus().publish(Event::draft(format!("a.{round}")).unwrap().text("x")).await.unwrap();
        serving.bus().publish(Event::draft("c").unwrap()).await.unwrap();
        serving.bus().publish(Event::draft("b").unwrap()).await.unwrap();
        let first = watcher.line().await;
        assert_eq!((&first["event"]["type"], &first["event"]["data"]), (&json!(format!("a.{round}")), &json!("x")));
        assert_eq!(watcher.line().await["event"]["type"], "b");
    }
    let refused = serving.connect().await.call(r#"{"tail":{"filters":["a.>.b"]}}"#).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["closing"]), (&json!("bad_request"), &json!(true)));
    let many = json!({ "tail": { "filters": vec!["a"; 65] } }).to_string();
    assert_eq!(serving.connect().await.call(&many).await["error"]["code"], "bad_request");
    // Their subscriptions end with their connections.
    within("watchers are gone", async || serving.bus().subscriptions().is_empty().then_some(())).await;
    serving.stop().await;
}

#[tokio::test]
async fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let serving = Serving::start(|_| {}).await;
    let good = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = good.clone();
    let retry = RetryPolicy { attempts: std::num::NonZeroU32::MIN, ..RetryPolicy::default() };
    let _plugin = serving.bus().subscribe("a.*").name("plugin/picky").retry(retry).on(move |_| {
        let good = now.load(std::sync::atomic::Ordering::SeqCst);
        async move { if good { Ok(()) } else { Err(Failure::reject("not today")) } }
    });
    let mut peer = serving.connect().await;
    for topic in ["a.x", "a.y", "a.z"] {
        let line = format!(r#"{{"publish":{{"event":{{"type":"{topic}","data":{{"n":1}}}},"wait_ms":5000}}}}"#);
        assert_eq!(peer.call(&line).await["settled"]["results"][0]["outcome"], "dead");
    }
    let list = peer.call(r#"{"dead_list":{}}"#).await;
    let letters = list["dead_letters"]["dead_letters"].as_array().unwrap();
    assert_eq!(letters.len(), 3);
    assert_eq!(
        (&letters[0]["id"], &letters[0]["topic"], &letters[0]["kind"]),
        (&json!(1), &json!("a.x"), &json!("rejected"))
    );
    let shown = peer.call(r#"{"dead_show":{"id":2}}"#).await;
    assert_eq!(shown["dead_letter"]["event"]["data"]["n"], 1);
    assert_eq!(shown["dead_letter"]["attempts"][0]["reason"], "reject: not today");
    for (line, code) in [
        (r#"{"dead_show":{"id":9}}"#, "not_found"),
        (r#"{"dead_drop":{"select":{}}}"#, "bad_request"),
        (r#"{"dead_replay":{"select":{"topic":"a..b"}}}"#, "bad_request"),
    ] {
        assert_eq!(peer.call(line).await["error"]["code"], code, "{line}");
    }
    good.store(true, std::sync::atomic::Ordering::SeqCst);
    let replayed = peer.call(r#"{"dead_replay":{"select":{"ids":[1,9]}}}"#).await;
    assert_eq!((&replayed["dead_done"]["done"], &replayed["dead_done"]["failed"][0]["id"]), (&json!([1]), &json!(9)));
    let dropped = peer.call(r#"{"dead_drop":{"select":{"plugin":"picky","topic":"a.y"}}}"#).await;
    assert_eq!(dropped["dead_done"], json!({ "done": [2], "failed": [] }));
    let dropped = peer.call(r#"{"dead_drop":{"select":{"all":true}}}"#).await;
    assert_eq!(dropped["dead_done"]["done"], json!([3]));
    serving.stop().await;
}

#[tokio::test]
async fn a_host_without_plugins_says_so() {
    let serving = Serving::start(|_| {}).await;
    let mut peer = serving.connect().await;
    for line in [r#"{"plugins":{}}"#, r#"{"plugin":{"name":"x"}}"#, r#"{"reload":{"name":"x"}}"#, r#"{"rescan":{}}"#] {
        assert_eq!(peer.call(line).await["error"]["code"], "not_found", "{line}");
    }
    let stats = peer.call(r#"{"stats":{}}"#).await;
    assert_eq!((&stats["stats"]["socket"]["open"], &stats["stats"]["plugins"]), (&json!(1), &json!(null)));
    serving.stop().await;
}

#[tokio::test]
async fn stopping_finishes_what_is_in_hand_and_says_good_bye() {
    let serving = Serving::start(|_| {}).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    let (reached, opened) = (Arc::new(tokio::sync::Notify::new()), gate.clone());
    let begun = reached.clone();
    let _slow = serving.bus().subscribe("a").name("slow").on(move |_| {
        let (begun, opened) = (begun.clone(), opened.clone());
        async move {
            begun.notify_one();
            opened.notified().await;
        }
    });
    let (mut idle, mut watcher, mut waiting) =
        (serving.connect().await, serving.connect().await, serving.connect().await);
    idle.call(r#"{"ping":{}}"#).await;
    watcher.call(r#"{"tail":{"filters":["a"]}}"#).await;
    waiting.send("{\"publish\":{\"event\":{\"type\":\"a\"},\"wait_ms\":20000}}\n").await;
    reached.notified().await;
    let socket = serving.socket.clone();
    let stopping = tokio::spawn(serving.stop());
    assert_eq!(idle.line().await["bye"]["reason"], "the host is stopping");
    within("the socket is gone", async || (!socket.exists()).then_some(())).await;
    // Another host would find the plugins of this one still at work, on the same files.
    let error = builder(&socket).start().await.unwrap_err();
    assert!(matches!(error, HostError::Socket(SocketError::Locked { .. })), "{error}");
    gate.notify_one();
    assert_eq!(waiting.line().await["settled"]["results"][0]["outcome"], "acked");
    stopping.await.unwrap();
    builder(&socket).start().await.unwrap().shutdown(Duration::from_secs(1)).await;
    assert_eq!(watcher.line().await["event"]["type"], "a");
    assert!(watcher.rest().await.contains(r#"{"bye":{"reason":"the host has stopped"}}"#));
}

#[tokio::test]
async fn the_client_of_the_library_speaks_the_protocol() {
    let serving = Serving::start(|_| {}).await;
    let socket = serving.socket.clone();
    let used = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&socket).unwrap();
        assert!(matches!(client.call(&Request::Ping {}), Ok(Response::Pong { .. })));
        let refused = client.call(&Request::DeadShow { id: 1 }).unwrap_err();
        assert!(matches!(refused, ClientError::Refused(_)));
        assert_eq!(refused.to_string(), "no dead letter 1; `plugbus dead list` lists them");
        let nobody = Client::connect(socket.with_file_name("none")).unwrap_err();
        assert!(nobody.to_string().starts_with("no daemon answers on "), "{nobody}");
    });
    used.await.unwrap();
    serving.stop().await;
}

#[tokio::test]
async fn the_socket_is_private_and_removed_at_the_end() {
    let serving = Serving::start(|_| {}).await;
    let found = std::fs::symlink_metadata(&serving.socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    let folder = serving.socket.parent().unwrap().to_owned();
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "socket, lock and data folder only: {names:?}");
    let socket = serving.socket.clone();
    serving.host.shutdown(Duration::from_secs(1)).await;
    assert!(!socket.exists());
}

fn builder(socket: &std::path::Path) -> plugbus::HostBuilder {
    Host::builder().data_dir(socket.with_file_name("d2")).socket(socket).no_plugins()
}

#[tokio::test]
async fn a_live_socket_is_refused_with_its_path_and_pid() {
    let serving = Serving::start(|_| {}).await;
    let error = builder(&serving.socket).start().await.unwrap_err();
    let HostError::Socket(SocketError::Live { path, pid }) = &error else { panic!("{error}") };
    assert_eq!((path, *pid), (&serving.socket, i32::try_from(std::process::id()).ok()));
    let mut peer = serving.connect().await;
    assert!(peer.call(r#"{"ping":{}}"#).await["pong"].is_object());
    serving.stop().await;
}

#[tokio::test]
async fn a_foreign_live_socket_without_a_lock_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _foreign = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = builder(&socket).start().await.unwrap_err();
    assert!(matches!(error, HostError::Socket(SocketError::Live { .. })), "{error}");
}

#[tokio::test]
async fn what_a_killed_host_left_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    // A socket nobody listens on, an old lock file, and the private folder of a start that was cut off.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    std::fs::write(folder.path().join("s.lock"), "").unwrap();
    let host = builder(&socket).start().await.unwrap();
    let staging: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!staging.iter().any(|name| name.to_string_lossy().starts_with('.')), "{staging:?}");
    assert!(Peer::connect(&socket).await.call(r#"{"ping":{}}"#).await["pong"].is_object());
    host.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_path_that_cannot_be_a_socket_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let error = builder(&file).start().await.unwrap_err();
    assert!(matches!(error, HostError::Socket(SocketError::NotASocket { .. })), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let long = folder.path().join("x".repeat(120));
    let error = builder(&long).start().await.unwrap_err().to_string();
    assert!(error.contains("the system allows 107"), "{error}");
}

#[tokio::test]
async fn a_socket_that_was_replaced_is_not_removed() {
    let serving = Serving::start(|_| {}).await;
    let socket = serving.socket.clone();
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "somebody else's").unwrap();
    serving.host.shutdown(Duration::from_secs(1)).await;
    assert_eq!(std::fs::read(&socket).unwrap(), b"somebody else's");
}
