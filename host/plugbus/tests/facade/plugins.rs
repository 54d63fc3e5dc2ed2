//! The plugins of this repository as components, each beside the same code run natively by the SDK's `testing` module: what
//! a native test of a plugin shows must be what a host does.
//!
//! Needs the guests: `cargo xtask guests` builds them.

mod manifest;
mod real;
mod webhook;

use std::fs;
use std::path::Path;

use plugbus_sdk::Plugin;
use plugbus_sdk::testing::Host as Native;
use serde_json::{Value, json};

use real::{Input, Real};

/// Gives the same events to the component and to the native code, and sees that nothing differs.
async fn compare<P: Plugin>(real: &Real, native: &mut Native<P>, inputs: &[Input]) {
    let logs_before = native.logs().len();
    for input in inputs {
        let (outcome, expected) = (real.send(input).await, native.send(input.for_native()));
        assert_eq!(outcome, real::outcome_of(expected), "{input:?}");
        assert_eq!(real.take_published(), real::published_of(native.take_published()), "{input:?}");
    }
    let logs: Vec<_> = native.logs().iter().skip(logs_before).map(|line| line.message.clone()).collect();
    assert_eq!(real.take_log(), logs);
}

/// The events on `hook.raw` that are shipped with the repository, and some that no hook would send.
fn hooks() -> Vec<Input> {
    let recorded = include_str!("../../../../tests/data/hooks.jsonl");
    let odd = [
        "",
        "no JSON",
        "[]",
        r#"{"hook_event_name":"Stop"}"#,
        r#"{"hook_event_name":"Stop","session_id":7}"#,
        r#"{"hook_event_name":"…","session_id":"s"}"#,
        r#"{"hook_event_name":"Newer","session_id":"s","tool_name":"mcp__a.b__c d"}"#,
        r#"{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Größe.v2","tool_input":{"z":1.10,"a":1e400}}"#,
        "{\n \"hook_event_name\": \"Stop\",\r\n \"session_id\": \"s\"\n}",
    ];
    let texts = recorded.lines().chain(odd);
    texts.enumerate().map(|(n, text)| Input::json("hook.raw", &format!("hook-{n}"), text)).collect()
}

#[tokio::test]
async fn normalize_hooks_does_as_a_component_what_it_does_natively() {
    let real = Real::start("normalize-hooks", "publish = [\"hook.>\"]\n").await;
    let mut native = Native::<normalize_hooks::NormalizeHooks>::new(json!({})).unwrap();
    native.grant_publish(&["hook.>"]);
    compare(&real, &mut native, &hooks()).await;
    real.stop().await;
}

/// What count-topics imports.
const KV: &str = "[grants]\nkv = true\n";

#[tokio::test]
async fn count_topics_does_as_a_component_what_it_does_natively() {
    let mut inputs: Vec<_> = (0..250).map(|n| Input::json(&format!("t.{}", n % 7), &n.to_string(), "1")).collect();
    inputs.push(Input::json("stats.topics.get", "ask", ""));
    // In memory and in the store.
    for durable in [false, true] {
        let config = format!("[config]\ntopics_max = 3\ndurable_counts = {durable}\n");
        let real = Real::start("count-topics", &format!("publish = [\"stats.topics\"]\n{KV}{config}")).await;
        let config = json!({ "topics_max": 3, "durable_counts": durable });
        let mut native = Native::<count_topics::CountTopics>::new(config).unwrap();
        native.grant_publish(&["stats.topics"]);
        compare(&real, &mut native, &inputs).await;
        real.stop().await;
    }
}

/// What kind of refusal it is: the reason without the words in which the host explains itself.
fn kind(outcome: real::Outcome) -> Option<String> {
    outcome.err().map(|reason| reason.split(": ").take(2).collect::<Vec<_>>().join(": "))
}

#[tokio::test]
async fn a_publish_is_refused_for_the_component_where_it_is_refused_natively() {
    // A summary of one event: its data, media type and topic, and the trace that is passed on.
    let bytes = r#"{"total":1,"other":0,"topics":{"t":1}}"#.len() + "application/json".len() + "stats.topics".len();
    let bytes = bytes + "traceparent".len() + "00-trace".len();
    let (fits, too_small) = (format!("publish_bytes = {bytes}"), format!("publish_bytes = {}", bytes - 1));
    let table = [
        ("publish = [\"other\"]", "", Some("reject: publish denied")),
        ("publish = [\"stats.*\"]", fits.as_str(), None),
        ("publish = [\"stats.*\"]", too_small.as_str(), Some("reject: publish over the limit")),
        ("publish = [\"stats.*\"]", "publishes_max = 0", Some("reject: publish over the limit")),
    ];
    for (publish, limits, expected) in table {
        let manifest = format!("{publish}\n[limits]\n{limits}\n{KV}[config]\nevery_events = 1\n");
        let real = Real::start("count-topics", &manifest).await;
        let mut native = Native::<count_topics::CountTopics>::new(json!({ "every_events": 1 })).unwrap();
        native.grant_publish(&[publish.split('"').nth(1).unwrap()]);
        match limits.rsplit_once(" = ") {
            Some(("publish_bytes", number)) => native.limit_publish_bytes(number.parse().unwrap()),
            Some((_, number)) => native.limit_publishes(number.parse().unwrap()),
            None => {}
        }
        let input = Input::json("t", "1", "1");
        let outcome = kind(real.send(&input).await);
        assert_eq!(outcome.as_deref(), expected, "{manifest}");
        assert_eq!(outcome, kind(real::outcome_of(native.send(input.for_native()))), "{manifest}");
        assert_eq!(real.take_published(), real::published_of(native.take_published()), "{manifest}");
        real.stop().await;
    }
}

/// Lines of every kind; about three of them fill a file.
fn lines(from: usize) -> Vec<Input> {
    let input = |n: usize| {
        let (topic, id) = (format!("a.{n}"), format!("line-{n}"));
        match n % 4 {
            0 => Input::json(&topic, &id, &format!("{{\n\"text\": \"{}\"}}", "x".repeat(200))),
            1 => Input::new(&topic, &id, "text/plain", format!("{}\n\u{7}ü", "y".repeat(100))),
            2 => Input::new(&topic, &id, "image/x", vec![0xff; 150]),
            _ => Input::new(&topic, &id, "", ""),
        }
    };
    (from..from + 20).map(input).collect()
}

/// Every file in a folder, by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn log_jsonl_writes_as_a_component_what_it_writes_natively_across_a_crash_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("component"), folder.path().join("native"));
    fs::create_dir(&ours).unwrap();
    fs::create_dir(&theirs).unwrap();
    let config = "rotate_bytes = 1200\nkeep_files = 3\n";
    let grant = format!("[[grants.dirs]]\nhost = \"{}\"\nguest = \"/log\"\nmode = \"read-write\"\n", ours.display());
    for from in [0, 20] {
        let real = Real::start("log-jsonl", &format!("{grant}[config]\n{config}")).await;
        let native = json!({ "dir": theirs, "rotate_bytes": 1200, "keep_files": 3 });
        let mut native = Native::<log_jsonl::LogJsonl>::new(native).unwrap();
        for input in lines(from) {
            assert_eq!(real.send(&input).await, real::outcome_of(native.send(input.for_native())), "{input:?}");
        }
        assert_eq!(files(&ours), files(&theirs));
        real.stop().await;
        // What a crash in the middle of a line leaves behind.
        for folder in [&ours, &theirs] {
            let path = folder.join("events.jsonl");
            let whole = fs::read_to_string(&path).unwrap();
            fs::write(&path, whole + "{\"specversion\":\"1.0\",\"id\":\"ha").unwrap();
        }
    }
    let files = files(&ours);
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["events.jsonl", "events.jsonl.1", "events.jsonl.2", "events.jsonl.3"]);
    for (name, text) in &files[1..] {
        assert!(text.len() <= 1200 && text.ends_with('\n'), "{name} has {} bytes", text.len());
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{name}: {text}");
    }
}
