//! A daemon that exports spans: to a collector on the loopback interface, to one that is not there, and to one that hangs.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::guest::Guest;
use crate::readme::built;
use crate::support::{Daemon, Place, wait};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// One request: its head in lower case, and its body.
type Request = (String, Vec<u8>);

/// Reads one request; none where the other side went away.
fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut bytes, mut block) = (Vec::new(), [0; 16 << 10]);
    loop {
        let count = stream.read(&mut block).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&block[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            return Some((head, bytes.split_off(end + 4)));
        }
    }
}

/// Answers every request with 200 and shows it.
fn serve(seen: impl Fn(Request) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Some(request) = read(&mut stream) else { continue };
            seen(request);
            // A client that is gone needs no answer.
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        }
    });
    origin
}

/// What a collector has got.
struct Collector {
    origin: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let kept = spans.clone();
        let origin = serve(move |(head, body)| {
            assert!(head.starts_with("post /v1/traces "), "{head}");
            let request = ExportTraceServiceRequest::decode(&*body).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            kept.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        });
        Self { origin, spans }
    }

    /// The span of that name whose event has that id; waits for it.
    fn span(&self, name: &str, id: &str) -> Span {
        let is_it = |span: &&Span| span.name == name && attribute(span, "messaging.message.id") == id;
        wait(name, || self.spans.lock().unwrap().iter().find(is_it).cloned())
    }
}

/// An attribute as text.
fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    match found.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?} in {span:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Publishes over HTTP in a trace; the id of the event.
fn publish(daemon: &Daemon<'_>, topic: &str, traceparent: &str) -> String {
    let mut stream = TcpStream::connect(daemon.http()).unwrap();
    let head = format!(
        "POST /v1/topics/{topic} HTTP/1.1\r\nhost: localhost\r\ntraceparent: {traceparent}\r\ncontent-length: 1\r\n\
         connection: close\r\n\r\n7"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let receipt: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    receipt["id"].as_str().unwrap().to_owned()
}

/// Counts what comes on `a`, publishes a summary each time, and posts the summary.
fn counting_and_posting(place: &Place, webhook: &str) {
    let component = |name| std::fs::read(built::plugin(name)).unwrap();
    let counting = "publish = [\"stats.topics\"]\n[grants]\nkv = true\n[config]\nfilters = [\"a\"]\nevery_events = 1\n";
    place.plugin("count-topics", &component("count-topics"), counting);
    let posting = format!(
        "filters = [\"stats.topics\"]\n[config]\nurl = \"{webhook}/\"\n[grants]\nhttp = [\"{webhook}\"]\nkv = true\n"
    );
    place.plugin("relay-webhook", &component("relay-webhook"), &posting);
}

#[test]
fn a_trace_goes_from_a_request_through_plugins_to_a_webhook_and_every_step_is_a_span() {
    for journal in ["true", "false"] {
        let place = Place::new();
        let collector = Collector::start();
        let (posted, posts) = mpsc::channel();
        counting_and_posting(&place, &serve(move |request| drop(posted.send(request))));
        let args = ["--otlp-endpoint", &collector.origin, "--otlp-service-name", "shop", "--journal-enabled", journal];
        let daemon = place.daemon_with(|command| command.args(args));
        let id = publish(&daemon, "a", &format!("00-{TRACE}-{CALLER}-01"));

        let published = collector.span("publish a", &id);
        let counted = collector.span("process a", &id);
        let (head, _) = posts.recv_timeout(Duration::from_secs(60)).unwrap();
        let summary = wait("the summary", || {
            let spans = collector.spans.lock().unwrap();
            spans.iter().find(|span| span.name == "publish stats.topics").cloned()
        });
        let relayed = collector.span("process stats.topics", &attribute(&summary, "messaging.message.id"));
        let chain = [&published, &counted, &summary, &relayed];
        let mut parent = CALLER.to_owned();
        for span in chain {
            assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), parent), "{span:?}");
            assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
            parent = hex(&span.span_id);
        }
        // What goes out names the attempt that sent it.
        assert!(head.contains(&format!("traceparent: 00-{TRACE}-{parent}-01")), "{head}");
        for (span, plugin) in [(&counted, "count-topics"), (&relayed, "relay-webhook")] {
            assert_eq!(attribute(span, "plugbus.plugin"), plugin);
            assert_eq!(attribute(span, "plugbus.outcome"), "acked");
            assert_eq!(
                (attribute(span, "plugbus.generation"), attribute(span, "plugbus.attempt")),
                ("1".into(), "1".into())
            );
            assert!(attribute(span, "plugbus.fuel").parse::<u64>().unwrap() > 1000);
        }
        assert_eq!(attribute(&summary, "plugbus.source"), "plugin/count-topics");

        // A trace that its caller does not record is handed on as it is, and makes no span.
        let unrecorded = format!("00-{}-{CALLER}-00", TRACE.replace('0', "1"));
        publish(&daemon, "a", &unrecorded);
        let (head, _) = posts.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(head.contains(&format!("traceparent: {unrecorded}")), "{head}");
        wait("everything is sent", || (place.json(&["stats"])["otlp"]["waiting"] == 0).then_some(()));
        daemon.stop();
        let spans = collector.spans.lock().unwrap();
        assert!(spans.iter().all(|span| hex(&span.trace_id) != unrecorded[3..35]));
        // None twice.
        let mut times: HashMap<&[u8], usize> = HashMap::new();
        spans.iter().for_each(|span| *times.entry(&span.span_id).or_default() += 1);
        assert!(times.values().all(|times| *times == 1), "{spans:?}");
    }
}

#[test]
fn an_event_that_is_handled_after_a_restart_hangs_on_the_span_of_its_publish() {
    let place = Place::new();
    let collector = Collector::start();
    place.plugin("good", &Guest::replies('a').binary(), "filters = [\"a\"]\n");
    let args = ["--otlp-endpoint", &collector.origin];
    let daemon = place.daemon_with(|command| command.args(args));
    place.ok(&["plugins", "pause", "good"]);
    let id = publish(&daemon, "a", &format!("00-{TRACE}-{CALLER}-01"));
    let published = collector.span("publish a", &id);
    daemon.kill();
    let daemon = place.daemon_with(|command| command.args(args));
    let handled = collector.span("process a", &id);
    assert_eq!((&handled.trace_id, &handled.parent_span_id), (&published.trace_id, &published.span_id));
    daemon.stop();
}

#[test]
fn without_a_collector_events_go_on_and_what_cannot_be_sent_is_counted_and_said_once() {
    let place = Place::new();
    place.plugin("good", &Guest::replies('a').binary(), "filters = [\"a\"]\n");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{gone}");
    let args = ["--otlp-endpoint", &endpoint, "--otlp-spans-max", "16"];
    let daemon = place.daemon_with(|command| command.args(args));
    for _ in 0..10 {
        assert!(place.run_with(&["emit", "a", "--lines"], &"7\n".repeat(100)).status.success());
    }
    daemon.wait_log("the collector does not take spans");
    let otlp = wait("the queue is full", || {
        let stats = place.json(&["stats"]);
        let good = stats["subscriptions"].as_array().unwrap().iter().find(|row| row["name"] == "plugin/good").cloned();
        assert_eq!(stats["dead_letters"], serde_json::Value::Null);
        (good.unwrap()["acked"] == 1000).then(|| stats["otlp"].clone())
    });
    assert!(otlp["dropped"].as_u64() > Some(0) && otlp["exported"] == 0, "{otlp}");
    let mut metrics = TcpStream::connect(daemon.http()).unwrap();
    metrics.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    metrics.read_to_string(&mut text).unwrap();
    let dropped = text.lines().find_map(|line| line.strip_prefix("plugbus_otlp_dropped_total "));
    assert!(dropped.and_then(|count| count.parse::<u64>().ok()) > Some(0), "{text}");
    let begun = Instant::now();
    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(log.matches("the collector does not take spans").count(), 1, "{log}");
    assert!(log.contains("cannot connect"), "{log}");
}

#[test]
fn a_collector_that_hangs_holds_up_neither_events_nor_the_stop() {
    let place = Place::new();
    place.plugin("good", &Guest::replies('a').binary(), "filters = [\"a\"]\n");
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let args = ["--otlp-endpoint", &endpoint, "--otlp-timeout-ms", "600000"];
    let daemon = place.daemon_with(|command| command.args(args));
    let settled = place.json(&["emit", "a", "7", "--wait"]);
    assert_eq!(settled["results"][0]["outcome"], "acked", "{settled}");
    let (mut held, _) = hanging.accept().unwrap();
    let begun = Instant::now();
    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(log.contains("spans were not sent before the stop"), "{log}");
    assert!(read(&mut held).is_some());
}

#[test]
fn an_endpoint_that_is_none_is_refused_at_the_start_with_a_word_on_what_is_right() {
    let place = Place::new();
    for (endpoint, word) in [("https://collector:4318", "TLS is not spoken here"), ("collector:4318", "no http URL")] {
        let refused = place.run(&["run", "--otlp-endpoint", endpoint]);
        assert_eq!(refused.code(), Some(2), "{refused:?}");
        let flag = refused.stderr.contains("--otlp-endpoint") && refused.stderr.contains("http://127.0.0.1:4318");
        assert!(flag && refused.stderr.contains(word), "{}", refused.stderr);
    }
}
