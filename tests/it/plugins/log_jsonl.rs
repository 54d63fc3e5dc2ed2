//! `log-jsonl`, which writes into a granted folder.

use std::fs;
use std::path::Path;

use plugbus::bus::{Event, Payload};
use serde_json::Value;
use toml::Table;

use crate::support::host::{Place, TestHost};
use crate::support::shipped;
use crate::support::wait::PATIENCE;

/// A host with the folder that the sample manifest grants, and the plugin as it is shipped.
async fn start(change: impl FnOnce(&mut Table)) -> TestHost {
    let place = Place::new();
    fs::create_dir(place.beside("log")).unwrap();
    let host = place.start().await;
    load(&host, &shipped::changed_manifest("log-jsonl", change)).await;
    host
}

/// Loads it.
pub(super) async fn load(host: &TestHost, manifest: &str) {
    host.put_plugin("log-jsonl", shipped::component("log-jsonl"), manifest);
    host.until_running("log-jsonl").await;
}

/// The lines of one of its files.
pub(super) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_a_line_in_the_granted_folder() {
    let place = Place::new();
    fs::create_dir(place.beside("log")).unwrap();
    let host = place.start().await;
    load(&host, &shipped::manifest("log-jsonl")).await;
    let drafts = [
        Event::draft("a.text").unwrap().text("line\none").subject("s").extension("traceparent", "t"),
        Event::draft("a.json").unwrap().json(&serde_json::json!({ "n": 1 })).unwrap(),
        Event::draft("a.bytes").unwrap().payload(Payload::new("application/octet-stream", vec![0_u8, 255])),
    ];
    for draft in drafts {
        assert!(host.bus().publish_and_wait(draft, PATIENCE).await.unwrap().all_acked());
    }
    let lines = lines(&host.beside("log/events.jsonl"));
    let fields = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<Value>>();
    assert_eq!(fields("type"), ["a.text", "a.json", "a.bytes"]);
    assert_eq!(fields("specversion"), ["1.0"; 3]);
    assert_eq!(fields("source"), ["native"; 3]);
    assert_eq!((&lines[0]["subject"], &lines[0]["traceparent"]), (&"s".into(), &"t".into()));
    assert_eq!((&lines[0]["data"], &lines[1]["data"]["n"]), (&"line\none".into(), &1.into()));
    assert_eq!(lines[2]["data_base64"], "AP8=");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_rotate_by_size_and_no_line_is_lost() {
    let host = start(|table| {
        let config = table["config"].as_table_mut().unwrap();
        config.insert("rotate_bytes".into(), 4096.into());
    })
    .await;
    for number in 0..60 {
        host.publish("a", number.to_string()).await;
    }
    host.until("every event is written", || host.stats("log-jsonl").acked == 60).await;
    let mut files: Vec<_> = fs::read_dir(host.beside("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    // events.jsonl.3, .2, .1 and events.jsonl: from the oldest to the newest.
    files.sort_by_key(|path| path.extension().unwrap().to_str().unwrap().parse::<i32>().map_or(0, |number| -number));
    assert!((3..=6).contains(&files.len()), "{files:?}");
    assert!(files.iter().all(|path| fs::metadata(path).unwrap().len() <= 4096));
    let numbers: Vec<String> =
        files.iter().flat_map(|path| lines(path)).map(|line| line["data"].as_str().unwrap().to_owned()).collect();
    assert_eq!(numbers, (0..60).map(|number| number.to_string()).collect::<Vec<_>>());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_granted_for_reading_only_ends_in_dead_letters_that_name_the_file() {
    let host = start(|table| {
        table["grants"]["dirs"][0].as_table_mut().unwrap().remove("mode");
        table.insert("retry".into(), Table::from_iter([("backoff_min_ms".to_owned(), 1.into())]).into());
    })
    .await;
    host.settle("a", "text").await;
    let letter = host.told.until_json("plugbus.delivery.dead", |_| true).await;
    assert_eq!(letter["kind"], "exhausted");
    assert!(letter["reason"].as_str().unwrap().contains("events.jsonl"), "{letter}");
    assert!(!host.beside("log/events.jsonl").exists());
    host.stop().await;
}
