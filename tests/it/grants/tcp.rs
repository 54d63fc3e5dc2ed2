//! Outgoing TCP: exactly the granted hosts and ports, by what Rust's standard library makes of `wasi:sockets`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::host::{PLENTY_OF_TIME, TestHost};

/// A server that sends every line back.
struct Echo {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start() -> Self {
        Self::at("127.0.0.1:0").await.unwrap()
    }

    async fn at(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (accepted, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let task = tokio::spawn(serve(listener, accepted.clone(), open.clone()));
        Ok(Self { address, accepted, open, task })
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, accepted: Arc<AtomicUsize>, open: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        accepted.fetch_add(1, Ordering::SeqCst);
        open.fetch_add(1, Ordering::SeqCst);
        let open = open.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(stream.read_until(b'\n', &mut line).await, Ok(bytes) if bytes > 0) {
                // A client that has gone does not want it.
                let _ = stream.get_mut().write_all(&std::mem::take(&mut line)).await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// A host with the client, granted these endpoints, with more lines of `[limits]`.
async fn start(endpoints: &[String], limits: &str) -> TestHost {
    let host = TestHost::start().await;
    let manifest = format!("filters = [\"tcp\"]\n[grants]\ntcp = {endpoints:?}\n[limits]\n{limits}");
    host.run_fixture("client", "tcp-client", &manifest).await;
    host
}

/// What the plugin was denied: kind, words and number.
fn denials(host: &TestHost) -> Vec<(&'static str, String, u64)> {
    let denials = host.status("client").unwrap().running.unwrap().denials;
    denials.into_iter().map(|denial| (denial.what, denial.why, denial.count)).collect()
}

fn sockets_denied(host: &TestHost) -> u64 {
    host.status("client").unwrap().running.unwrap().metrics.sockets_denied
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_address_is_spoken_to() {
    let echo = Echo::start().await;
    let host = start(&[echo.address.to_string()], PLENTY_OF_TIME).await;
    assert_eq!(host.ask("tcp", format!("say {} hello there", echo.address)).await, "hello there");
    assert_eq!(denials(&host), []);
    assert_eq!(host.status("client").unwrap().running.unwrap().metrics.tcp_connects, 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_address_of_ipv6_is_spoken_to() {
    // Not every machine has IPv6.
    let Ok(echo) = Echo::at("[::1]:0").await else { return };
    let host = start(&[echo.address.to_string()], PLENTY_OF_TIME).await;
    assert_eq!(host.ask("tcp", format!("say {} six", echo.address)).await, "six");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_name_is_looked_up_and_spoken_to_at_its_port_alone() {
    let (echo, other) = (Echo::start().await, Echo::start().await);
    let host = start(&[format!("localhost:{}", echo.address.port())], PLENTY_OF_TIME).await;
    // Before the name is looked up, its address is nothing that was granted.
    let reply = host.ask("tcp", format!("say {} early", echo.address)).await;
    assert!(reply.starts_with("error: PermissionDenied"), "{reply}");
    assert_eq!(host.ask("tcp", format!("say localhost:{} named", echo.address.port())).await, "named");
    assert_eq!(host.ask("tcp", format!("say {} known", echo.address)).await, "known");
    let reply = host.ask("tcp", format!("say localhost:{} no", other.address.port())).await;
    assert!(reply.starts_with("error: PermissionDenied"), "{reply}");
    assert_eq!((echo.accepted(), other.accepted()), (2, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_ports_hosts_and_names_are_refused_counted_and_named() {
    let (echo, other) = (Echo::start().await, Echo::start().await);
    let host = start(&[echo.address.to_string()], PLENTY_OF_TIME).await;
    let orders = [
        format!("say {} x", other.address),
        format!("say {} x", other.address),
        format!("say 127.0.0.2:{} x", echo.address.port()),
        format!("say [::1]:{} x", echo.address.port()),
    ];
    for order in &orders {
        let reply = host.ask("tcp", order.as_str()).await;
        assert!(reply.starts_with("error: PermissionDenied"), "{order}: {reply}");
    }
    for name in ["localhost", "example.com", "LOCALHOST."] {
        let reply = host.ask("tcp", format!("lookup {name}")).await;
        assert!(reply.starts_with("error: "), "{name}: {reply}");
    }
    // An address is its own answer, and no reason to ask anybody.
    assert_eq!(host.ask("tcp", "lookup 127.0.0.2").await, "127.0.0.2");
    assert_eq!((echo.accepted(), other.accepted()), (0, 0));
    assert_eq!(sockets_denied(&host), 7);
    let denials = denials(&host);
    let of_other = format!("connecting to `{}` is not granted; add it to `tcp` under `[grants]`", other.address);
    assert!(denials.contains(&("tcp", of_other, 2)), "{denials:?}");
    let of_name = "looking up `localhost` is not granted; add it with its port to `tcp` under `[grants]`";
    assert!(denials.contains(&("tcp", of_name.into(), 2)), "{denials:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_and_udp_are_refused_whatever_is_granted() {
    let echo = Echo::start().await;
    let host = start(&[echo.address.to_string()], PLENTY_OF_TIME).await;
    let free = format!("127.0.0.1:{}", 0);
    for order in [format!("bind {free}"), "bind 0.0.0.0:0".into(), format!("udp {}", echo.address)] {
        let reply = host.ask("tcp", order.as_str()).await;
        assert!(reply.starts_with("error: "), "{order}: {reply}");
    }
    let told: Vec<_> = denials(&host).into_iter().map(|(what, why, count)| json!([what, why, count])).collect();
    for expected in [
        json!(["tcp", "binding to `127.0.0.1:0`: only outgoing TCP is granted", 1]),
        json!(["tcp", "listening: only outgoing TCP is granted", 1]),
        json!(["udp", "UDP is never granted", 1]),
    ] {
        assert!(told.contains(&expected), "{told:?}");
    }
    assert_eq!(sockets_denied(&host), 3);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_every_use_is_refused_and_says_what_to_add() {
    let echo = Echo::start().await;
    let host = start(&[], PLENTY_OF_TIME).await;
    for order in [format!("say {} x", echo.address), "lookup localhost".into(), format!("udp {}", echo.address)] {
        let reply = host.ask("tcp", order.as_str()).await;
        assert!(reply.starts_with("error: "), "{order}: {reply}");
    }
    assert_eq!(echo.accepted(), 0);
    let denials = denials(&host);
    let expected = "TCP is not granted; add `tcp = [\"host:port\"]` under `[grants]`";
    assert!(denials.contains(&("tcp", expected.into(), 1)), "{denials:?}");
    assert_eq!((denials.len(), sockets_denied(&host)), (3, 3));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_kept_from_event_to_event_and_ends_with_its_instance() {
    let echo = Echo::start().await;
    let host = start(&[echo.address.to_string()], PLENTY_OF_TIME).await;
    assert_eq!(host.ask("tcp", format!("keep {} one", echo.address)).await, "one");
    assert_eq!(host.ask("tcp", "again two").await, "two");
    assert_eq!((echo.accepted(), echo.open.load(Ordering::SeqCst)), (1, 1));
    host.remove("client");
    host.until_unloaded("client").await;
    host.until("its connection is closed", || echo.open.load(Ordering::SeqCst) == 0).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sockets_meets_its_bound_and_those_that_are_closed_make_room() {
    let echo = Echo::start().await;
    let limits = format!("tcp_sockets_max = 3\n{PLENTY_OF_TIME}");
    let host = start(&[echo.address.to_string()], &limits).await;
    for _ in 0..2 {
        let reply = host.ask("tcp", format!("open {} 5", echo.address)).await;
        assert!(reply.starts_with("3 open, then Some("), "{reply}");
    }
    let metrics = host.status("client").unwrap().running.unwrap().metrics;
    assert_eq!((metrics.tcp_connects, metrics.sockets_over_limit), (6, 4));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_event_are_counted_refused_ones_included() {
    let echo = Echo::start().await;
    let limits = format!("tcp_connects_max = 4\n{PLENTY_OF_TIME}");
    let host = start(&[echo.address.to_string()], &limits).await;
    assert_eq!(host.ask("tcp", format!("try {} 6", echo.address)).await, "4 connected");
    assert_eq!(host.ask("tcp", "try 127.0.0.1:1 6").await, "0 connected");
    let metrics = host.status("client").unwrap().running.unwrap().metrics;
    assert_eq!((metrics.tcp_connects, metrics.sockets_denied, metrics.sockets_over_limit), (4, 4, 4));
    // The next event has all of them again.
    assert_eq!(host.ask("tcp", format!("try {} 2", echo.address)).await, "2 connected");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_answers_costs_the_call_its_deadline_and_no_more() {
    // Bound and listening, but nobody accepts: the connection is made and then silent.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let echo = Echo::start().await;
    let host = TestHost::start().await;
    let manifest = format!(
        "filters = [\"tcp\"]\n[grants]\ntcp = [\"{address}\", \"{}\"]\n[limits]\ndeadline_ms = 1000\n[retry]\nattempts = 1",
        echo.address
    );
    host.run_fixture("client", "tcp-client", &manifest).await;
    // One that says nothing, and one that takes nothing: the system's buffers fill, and then the guest waits.
    for (number, order) in [(1, "say"), (2, "pour")] {
        let settled = host.settle("tcp", format!("{order} {address} anybody there?")).await;
        let told = format!("{settled:?}");
        assert!(settled.len() == 1 && told.contains("deadline"), "{told}");
        assert_eq!(host.status("client").unwrap().running.unwrap().metrics.faults.get("deadline"), Some(&number));
    }
    // The instance and its connection are gone; the next event has new ones.
    assert_eq!(host.ask("tcp", format!("say {} still here", echo.address)).await, "still here");
    host.stop().await;
}
