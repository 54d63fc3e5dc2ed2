//! The task against a collector on the loopback interface.

use std::sync::Mutex;

use plugbus_bus::{Bus, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Endpoint, SpanTracer};

/// What a collector answers: a status and a body.
type Answer = (u16, Vec<u8>);

/// Answers each request with the next of its answers, the last one again and again, and keeps how many bytes came.
#[derive(Clone)]
struct Collector {
    bodies: Arc<Mutex<Vec<usize>>>,
    endpoint: Endpoint,
}

impl Collector {
    async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let bodies: Arc<Mutex<Vec<usize>>> = Arc::default();
        let collector = Self { bodies: bodies.clone(), endpoint };
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let length = read(&mut stream).await;
                let at = bodies.lock().unwrap().len();
                let (status, body) = answers.get(at).or(answers.last()).unwrap();
                let head = format!("HTTP/1.1 {status} S\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
                bodies.lock().unwrap().push(length);
            }
        });
        collector
    }

    fn requests(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }
}

/// Reads one request; the length of its body.
async fn read(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("post /v1/traces http/1.1") && head.contains("application/x-protobuf"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let begin = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        if bytes.len() >= begin + length {
            return length;
        }
    }
}

fn start(endpoint: Endpoint, timeout: Duration) -> (Bus, Arc<SpanTracer>, Export) {
    let settings = Settings { endpoint, service_name: "test".into(), sample_percent: 100, spans_max: 1000, timeout };
    let (tracer, export) = crate::start(settings);
    (Bus::builder().tracer(tracer.clone()).build(), tracer, export)
}

async fn publish(bus: &Bus, count: usize) {
    for _ in 0..count {
        bus.publish(Event::draft("a").unwrap()).await.unwrap();
    }
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn spans_that_come_together_go_out_in_one_request_and_a_stop_sends_the_rest() {
    let collector = Collector::start(vec![(200, Vec::new())]).await;
    let (bus, tracer, export) = start(collector.endpoint.clone(), LONG);
    publish(&bus, 10).await;
    assert_eq!(export.close(LONG).await, 0);
    let stats = tracer.stats();
    assert_eq!((stats.exported, stats.waiting, stats.requests, collector.requests()), (10, 0, 1, 1));
    // What comes later is dropped, and harms nobody.
    publish(&bus, 1).await;
    assert_eq!(tracer.stats().dropped, 1);
}

#[tokio::test]
async fn more_than_a_request_holds_is_several() {
    let collector = Collector::start(vec![(200, Vec::new())]).await;
    let (bus, tracer, export) = start(collector.endpoint.clone(), LONG);
    publish(&bus, BATCH_SPANS_MAX + 1).await;
    export.close(LONG).await;
    assert_eq!((tracer.stats().exported, collector.requests()), (BATCH_SPANS_MAX as u64 + 1, 2));
}

#[tokio::test]
async fn what_a_collector_takes_later_is_sent_again_and_what_it_never_takes_is_given_up() {
    let collector = Collector::start(vec![(503, Vec::new()), (200, Vec::new()), (400, Vec::new())]).await;
    let (bus, tracer, export) = start(collector.endpoint.clone(), LONG);
    publish(&bus, 3).await;
    let patience = std::time::Instant::now() + LONG;
    while tracer.stats().exported < 3 {
        assert!(std::time::Instant::now() < patience, "{:?}", tracer.stats());
        sleep(Duration::from_millis(10)).await;
    }
    publish(&bus, 2).await;
    export.close(LONG).await;
    let stats = tracer.stats();
    assert_eq!((stats.exported, stats.failed, stats.requests, stats.requests_failed), (3, 2, 3, 2));
}

#[tokio::test]
async fn spans_that_a_collector_refuses_out_of_a_request_are_counted() {
    use crate::proto::{PartialSuccess, Response};
    let partial_success = Some(PartialSuccess { rejected_spans: 2, error_message: "too old".into() });
    let body = Response { partial_success }.encode_to_vec();
    let collector = Collector::start(vec![(200, body)]).await;
    let (bus, tracer, export) = start(collector.endpoint.clone(), LONG);
    publish(&bus, 5).await;
    export.close(LONG).await;
    assert_eq!((tracer.stats().exported, tracer.stats().rejected, tracer.stats().waiting), (3, 2, 0));
}

#[tokio::test]
async fn a_collector_that_hangs_holds_no_stop_up_longer_than_its_grace() {
    // It accepts, by its backlog, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (bus, tracer, export) = start(endpoint, Duration::from_secs(3600));
    publish(&bus, 2 * BATCH_SPANS_MAX - 100).await;
    let begun = std::time::Instant::now();
    let lost = export.close(Duration::from_millis(200)).await;
    assert_eq!(lost, 2 * BATCH_SPANS_MAX as u64 - 100);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let stats = tracer.stats();
    assert_eq!((stats.exported, stats.failed, stats.waiting), (0, 2 * BATCH_SPANS_MAX as u64 - 100, 0));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let trouble = post(&endpoint, Bytes::new(), Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(trouble, Trouble { reason: "no answer within 20 ms".into(), again: true });
    drop(listener);
    let trouble = post(&endpoint, Bytes::new(), LONG).await.unwrap_err();
    assert!(trouble.again && trouble.reason.starts_with("cannot connect"), "{trouble}");
}
