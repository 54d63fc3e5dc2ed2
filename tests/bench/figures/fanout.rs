//! Fan-out to 200 clients of Socket.IO: the gateway of a real daemon, and beside it a Node server on `socket.io` that does the same.
//! Each is a process of its own, both are there all the time, and they take turns. The clients are the same for both, in this process.
//!
//! A publisher is one more client: it emits `publish` and has its answer. Every subscriber gets the event twice, under its topic and
//! under `event`, as the gateway sends it; that is one delivery. How many a second: with at most [`WINDOW`] events that not all have
//! yet. How late: at a steady rate that neither is busy with.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::daemon::Daemon;
use crate::disk::Rate;
use crate::effort;
use crate::host::{Place, two_threads};
use crate::node::{Node, Server};
use crate::packet::{self, Packet};
use crate::record::{Record, Records, per_mille};
use crate::socketio::Client;

const CLIENTS: u64 = 200;
/// Events that not every client has yet.
const WINDOW: u64 = 16;
/// Turns of each, and events of a turn, as fast as it goes.
const TURNS: usize = 6;
const EVENTS: u64 = 500;
/// Events of a turn at a steady rate, and the time between two.
const STEADY: u64 = 150;
const EVERY: Duration = Duration::from_millis(40);
/// Longest wait for what was published.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "fan.out";

pub(crate) fn fanout(records: &mut Records) {
    let node = match Node::find() {
        Ok(node) => node,
        Err(reason) => return println!("fanout: there is nothing to set it beside: {reason}"),
    };
    let place = Place::new();
    let daemon = Daemon::start(&place, false);
    let beside = Server::start(node.script("socketio-server.mjs", &[]));
    let gateway = daemon.url().trim_start_matches("http://").to_owned();
    let [own, other] = two_threads().block_on(measure([&gateway, &beside.address]));

    let name = format!("fanout/to {CLIENTS} clients of Socket.IO");
    let add = |records: &mut Records, record: Record, value| {
        records.add(&record.beside("socket.io on Node", value));
    };
    let rate = Record::new(format!("{name}, as fast as it goes"), own.rate.per_second(), "deliveries/s");
    add(records, rate, other.rate.per_second());
    let (mut own_late, mut other_late) = (own.latencies, other.latencies);
    for (part, per_thousand) in [("p50", 500), ("p99", 990)] {
        let [own, other] = [&mut own_late, &mut other_late].map(|all| per_mille(all, per_thousand).as_nanos() as f64);
        let steady = CLIENTS * 1000 / u64::try_from(EVERY.as_millis()).expect("it is short");
        let record = Record::new(format!("{name}, publish to client, {steady} deliveries/s, {part}"), own, "ns");
        add(records, record, other);
    }
    let memory = Record::new(format!("{name}, memory of the server"), daemon.resident_kib() / 1024.0, "MiB");
    add(records, memory, resident_mib(beside.id()));
}

/// What one server does.
#[derive(Default)]
struct Measured {
    rate: Rate,
    latencies: Vec<Duration>,
}

async fn measure(addresses: [&str; 2]) -> [Measured; 2] {
    let began = Instant::now();
    let mut crowds = Vec::new();
    for address in addresses {
        crowds.push(Crowd::gather(address, began).await);
    }
    let mut measured = [Measured::default(), Measured::default()];
    // The first turn of each does not count: code is warmed up, buffers grow.
    for crowd in &mut crowds {
        crowd.publish(effort::times_u64(EVENTS), None).await;
    }
    for _ in 0..effort::times(TURNS) {
        for (crowd, measured) in crowds.iter_mut().zip(&mut measured) {
            measured.rate.add(crowd.publish(effort::times_u64(EVENTS), None).await);
            crowd.publish(effort::times_u64(STEADY), Some(&mut measured.latencies)).await;
        }
    }
    measured
}

/// Two hundred clients of one server, and a publisher.
struct Crowd {
    began: Instant,
    publisher: Client,
    /// Deliveries so far, and who waits for more.
    received: Arc<(AtomicU64, Notify)>,
    latencies: mpsc::Receiver<Duration>,
    published: u64,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd {
    async fn gather(address: &str, began: Instant) -> Self {
        let received = Arc::new((AtomicU64::new(0), Notify::new()));
        // More than come before they are taken out.
        let room = usize::try_from(CLIENTS * (EVENTS.max(STEADY) + WINDOW)).expect("they are few");
        let (sender, latencies) = mpsc::channel(room);
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = Client::connect(address).await;
            client.ask("subscribe", &json!([TOPIC])).await;
            clients.push(tokio::spawn(receive(client, began, received.clone(), sender.clone())));
        }
        let publisher = Client::connect(address).await;
        Self { began, publisher, received, latencies, published: 0, clients }
    }

    /// Publishes so many events and waits until every client has each: as fast as it goes, or at the steady rate where somebody
    /// wants to know how late they are.
    async fn publish(&mut self, events: u64, latencies: Option<&mut Vec<Duration>>) -> Rate {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..events {
            if latencies.is_some() {
                ticks.tick().await;
            }
            self.all_but(WINDOW - 1).await;
            let event = json!({"topic": TOPIC, "data": {"t": nanos(self.began), "text": "x".repeat(200)}});
            self.publisher.ask("publish", &event).await;
            self.published += 1;
        }
        self.all_but(0).await;
        let rate = Rate::since(began, events * CLIENTS);
        let taken = std::iter::from_fn(|| self.latencies.try_recv().ok());
        match latencies {
            Some(latencies) => latencies.extend(taken),
            None => drop(taken.count()),
        }
        rate
    }

    /// Waits until there are at most so many events that not every client has.
    async fn all_but(&self, events: u64) {
        let (received, more) = &*self.received;
        let wanted = self.published.saturating_sub(events) * CLIENTS;
        let waiting = async {
            loop {
                let notified = more.notified();
                if received.load(SeqCst) >= wanted {
                    return;
                }
                notified.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{} of {wanted} deliveries within {PATIENCE:?}", received.load(SeqCst));
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.clients.iter().for_each(JoinHandle::abort);
    }
}

/// Receives until it is aborted.
async fn receive(
    mut client: Client,
    began: Instant,
    received: Arc<(AtomicU64, Notify)>,
    latencies: mpsc::Sender<Duration>,
) {
    let (mut under_topic, mut under_event) = (0_u64, 0_u64);
    loop {
        let text = client.next().await;
        match packet::parse(&text) {
            Packet::Event(TOPIC, _) => under_topic += 1,
            Packet::Event("event", data) => {
                under_event += 1;
                assert_eq!(under_topic, under_event, "each event comes under its topic and under `event`");
                let published = packet::number(data, "t").expect("the event says when it was published");
                let late = Duration::from_nanos(nanos(began).saturating_sub(published));
                latencies.try_send(late).expect("there is room for what comes in a turn");
                received.0.fetch_add(1, SeqCst);
                received.1.notify_one();
            }
            Packet::Event(name, data) => panic!("the server sends `{name}`: {data}"),
            Packet::Ping | Packet::Answer(_) | Packet::Other => {}
        }
    }
}

fn nanos(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).expect("the figure is taken within centuries")
}

/// Bytes of a process's memory that are in RAM.
fn resident_mib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system counts it");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib / 1024.0
}
