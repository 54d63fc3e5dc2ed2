//! Events come out: server-sent events and history.

use std::time::Duration;

use plugbus_bus::{Bus, Event, HistoryLimits};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Serving};

/// A bus that remembers.
pub(crate) fn remembering(events_max: usize) -> Bus {
    Bus::builder().history(HistoryLimits { events_max, ..HistoryLimits::default() }).build()
}

pub(crate) async fn publish(serving: &Serving, topic: &str, count: u64) {
    for number in 0..count {
        serving.bus.publish(Event::draft(topic).unwrap().json(&number).unwrap()).await.unwrap();
    }
}

/// What an EventSource would make of a stream.
#[derive(Debug, Default, PartialEq)]
struct Message {
    id: Option<u64>,
    event: Option<String>,
    data: Value,
}

struct Source {
    stream: TcpStream,
    text: String,
    /// What an EventSource would send when it connects again.
    last_id: Option<u64>,
}

impl Source {
    async fn open(serving: &Serving, query: &str, headers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(serving.addr()).await.unwrap();
        let mut text = format!("GET /v1/stream{query} HTTP/1.1\r\nhost: {}\r\n", serving.addr());
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        let mut source = Self { stream, text: String::new(), last_id: None };
        let head = source.block("\r\n\r\n").await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        source
    }

    /// The text up to an end; none where the stream ends first. Chunk sizes of HTTP are left out.
    async fn block(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.text.find(end) {
                let block = self.text[..at].to_owned();
                self.text.drain(..at + end.len());
                return Some(block);
            }
            let mut bytes = vec![0; 65536];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("something");
            let read = read.unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    }

    /// The next message that an EventSource would dispatch.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let block = self.block("\n\n").await?;
            let mut message = Message::default();
            let mut has_data = false;
            for line in block.lines().filter(|line| !line.is_empty()) {
                match line.split_once(':') {
                    Some(("id", id)) => message.id = Some(id.trim().parse().unwrap()),
                    Some(("event", name)) => message.event = Some(name.trim().to_owned()),
                    Some(("data", data)) => {
                        message.data = serde_json::from_str(data).unwrap();
                        has_data = true;
                    }
                    // Comments, `retry`, and the sizes of chunks.
                    _ => {}
                }
            }
            self.last_id = message.id.or(self.last_id);
            if has_data {
                return Some(message);
            }
        }
    }

    async fn seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            let message = self.next().await.unwrap();
            assert_eq!(message.event, None, "{message:?}");
            assert_eq!(message.id, message.data["seq"].as_u64());
            seqs.extend(message.id);
        }
        seqs
    }
}

#[tokio::test]
async fn a_stream_shows_what_its_filters_match_from_the_moment_it_is_open() {
    let serving = Serving::start_with(remembering(100), |_| {}).await;
    publish(&serving, "a.x", 1).await;
    let mut source = Source::open(&serving, "?filter=a.*&filter=b.%3E&names=topic", &[]).await;
    for topic in ["a.y", "c", "b.y.z"] {
        publish(&serving, topic, 1).await;
    }
    let (first, second) = (source.next().await.unwrap(), source.next().await.unwrap());
    assert_eq!((first.event.as_deref(), first.id), (Some("a.y"), Some(2)));
    assert_eq!((second.event.as_deref(), second.data["type"].as_str()), (Some("b.y.z"), Some("b.y.z")));
    assert_eq!(serving.gateway.stats().streams_open, 1);
}

#[tokio::test]
async fn a_stream_that_is_opened_again_goes_on_where_it_was() {
    let serving = Serving::start_with(remembering(1000), |_| {}).await;
    let mut source = Source::open(&serving, "?filter=a", &[]).await;
    publish(&serving, "a", 3).await;
    assert_eq!(source.seqs(3).await, [1, 2, 3]);
    let last = source.last_id.unwrap();
    drop(source);
    publish(&serving, "a", 2).await;
    publish(&serving, "b", 2).await;
    let mut again = Source::open(&serving, "?filter=a", &[&format!("last-event-id: {last}")]).await;
    publish(&serving, "a", 1).await;
    assert_eq!(again.seqs(3).await, [4, 5, 8]);
    let mut past = Source::open(&serving, "?filter=a&from=2", &[]).await;
    assert_eq!(past.seqs(5).await, [2, 3, 4, 5, 8]);
}

#[tokio::test]
async fn a_stream_knows_its_place_before_its_first_event_and_through_silence() {
    let heartbeat = |settings: &mut plugbus_gateway::Settings| settings.heartbeat = Duration::from_millis(20);
    let serving = Serving::start_with(remembering(1000), heartbeat).await;
    publish(&serving, "b", 4).await;
    let mut source = Source::open(&serving, "?filter=a", &[]).await;
    source.block("\n\n").await.unwrap();
    publish(&serving, "b", 3).await;
    // Nothing that it wants came, and yet it knows that it need not be shown what it did not want.
    let mut beats = 0;
    while !source.block("\n\n").await.unwrap().contains("id: 7") {
        beats += 1;
        assert!(beats < 1000);
    }
}

#[tokio::test]
async fn what_a_stream_cannot_be_shown_is_told() {
    let serving = Serving::start_with(remembering(3), |_| {}).await;
    publish(&serving, "a", 5).await;
    let mut gone = Source::open(&serving, "", &["last-event-id: 1"]).await;
    let missed = gone.next().await.unwrap();
    assert_eq!(missed.event.as_deref(), Some("missed"));
    assert_eq!(missed.data, serde_json::json!({"count": 1, "reason": "retired", "first": 3}));
    assert_eq!(gone.seqs(3).await, [3, 4, 5]);
    let mut other = Source::open(&serving, "", &["last-event-id: 99"]).await;
    let missed = other.next().await.unwrap();
    assert_eq!(missed.data, serde_json::json!({"count": null, "reason": "restart", "first": 3}));
    assert_eq!(other.seqs(3).await, [3, 4, 5]);
    let forgetful = Serving::start().await;
    let mut none = Source::open(&forgetful, "", &["last-event-id: 7"]).await;
    assert_eq!(none.next().await.unwrap().data["reason"], "no-history");
    publish(&forgetful, "a", 1).await;
    assert_eq!(none.next().await.unwrap().data["type"], "a");
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_it_missed_and_costs_no_more() {
    let few = |settings: &mut plugbus_gateway::Settings| settings.watch_events_max = 16;
    let serving = Serving::start_with(Bus::default(), few).await;
    let mut source = Source::open(&serving, "", &[]).await;
    let total = 3000_u64;
    for _ in 0..total {
        serving.bus.publish(Event::draft("a").unwrap().text("x".repeat(10_000))).await.unwrap();
    }
    let stats = serving.gateway.stats();
    assert!(stats.missed > 0 && stats.watched + stats.missed == total, "{stats:?}");
    let mut seen = 0;
    while seen < total {
        let message = source.next().await.unwrap();
        seen += if message.event.as_deref() == Some("missed") { message.data["count"].as_u64().unwrap() } else { 1 };
    }
    assert_eq!(seen, total, "what came and what is said to be missing adds up");
}

#[tokio::test]
async fn a_stream_ends_with_a_word_when_the_gateway_closes() {
    let serving = Serving::start_with(remembering(100), |_| {}).await;
    let mut source = Source::open(&serving, "", &[]).await;
    publish(&serving, "a", 1).await;
    assert_eq!(source.seqs(1).await, [1]);
    serving.gateway.close();
    assert_eq!(source.next().await.unwrap().event.as_deref(), Some("bye"));
    assert_eq!(source.next().await, None);
}

#[tokio::test]
async fn what_is_wrong_with_a_stream_is_said() {
    let serving = Serving::start_with(remembering(100), |_| {}).await;
    for (line, headers, said) in [
        ("GET /v1/stream?filter=a..b", &[][..], "filter"),
        ("GET /v1/stream?filters=a", &[], "no parameter `filters`"),
        ("GET /v1/stream?from=yesterday", &[], "no place in the past"),
        ("GET /v1/stream", &["last-event-id: x"], "Last-Event-ID"),
        ("GET /v1/history?limit=1001", &[], "at most 1000"),
    ] {
        let answer = serving.send(line, headers, "").await;
        assert_eq!(answer.status, 400, "{line}");
        assert!(answer.detail().contains(said), "{line}: {}", answer.detail());
    }
    let many = format!("GET /v1/stream?{}", "filter=a&".repeat(65));
    assert!(serving.send(&many, &[], "").await.detail().contains("at most 64"));
    let forgetful = Serving::start().await;
    for line in ["GET /v1/stream?from=1", "GET /v1/history"] {
        assert!(forgetful.send(line, &[], "").await.detail().contains("no history"), "{line}");
    }
}

#[tokio::test]
async fn history_comes_page_by_page() {
    let serving = Serving::start_with(remembering(100), |_| {}).await;
    for topic in ["a", "b"].repeat(5) {
        publish(&serving, topic, 1).await;
    }
    let mut from = "0".to_owned();
    let mut seqs = Vec::new();
    loop {
        let answer = serving.send(&format!("GET /v1/history?filter=a&limit=2&from={from}"), &[], "").await;
        let page = answer.json();
        assert_eq!((page["first"].as_u64(), page["last"].as_u64()), (Some(1), Some(10)));
        seqs.extend(page["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()));
        match page["next"].as_u64() {
            Some(next) => from = next.to_string(),
            None => break,
        }
    }
    assert_eq!(seqs, [1, 3, 5, 7, 9]);
    let page = serving.send("GET /v1/history?from=1h&limit=1", &[], "").await.json();
    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    let page = serving.send("GET /v1/history?from=2090-01-01T00:00:00Z", &[], "").await.json();
    assert_eq!(page["events"].as_array().unwrap().len(), 0);
}
