//! Socket.IO as a hostile or slow client speaks it, packet by packet. Real clients: `tests/clients`.

use futures_util::{SinkExt, StreamExt};
use plugbus_bus::{Bus, Event};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::stream::{publish, remembering};
use crate::support::{PATIENCE, Serving};

/// A client by websocket, from the first packet on.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(serving: &Serving) -> Self {
        let stream = TcpStream::connect(serving.addr()).await.unwrap();
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", serving.addr());
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut client = Self(socket);
        assert!(client.packet().await.unwrap().starts_with('0'), "the handshake of the engine");
        client
    }

    async fn connected(serving: &Serving) -> Self {
        let mut client = Self::open(serving).await;
        client.send("40").await;
        assert!(client.packet().await.unwrap().starts_with("40{"));
        client
    }

    async fn send(&mut self, packet: &str) {
        // One that is closed already takes nothing; what comes of that is looked at where it matters.
        drop(self.0.send(Message::Text(packet.into())).await);
    }

    /// The next packet, pings answered; none once the connection has ended.
    async fn packet(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something") {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await,
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The answer to a request, past whatever comes before it.
    async fn ask(&mut self, request: Value) -> Value {
        self.send(&format!("427{request}")).await;
        loop {
            let packet = self.packet().await.unwrap();
            if let Some(answer) = packet.strip_prefix("437") {
                return serde_json::from_str::<Value>(answer).unwrap()[0].clone();
            }
        }
    }

    /// The next event: its name and its data.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let packet = self.packet().await.unwrap();
            if let Some(event) = packet.strip_prefix("42") {
                let event: Value = serde_json::from_str(event).unwrap();
                return (event[0].as_str().unwrap().to_owned(), event[1].clone());
            }
        }
    }
}

#[tokio::test]
async fn an_event_comes_under_its_topic_and_under_event_with_its_data_as_it_was() {
    let serving = Serving::start_with(remembering(10), |_| {}).await;
    let mut client = Client::connected(&serving).await;
    assert_eq!(client.ask(json!(["subscribe", ["a", "connect", "missed"]])).await["ok"], true);
    serving.bus.publish(Event::draft("a").unwrap().json(&json!({"b": [1, "ü\n"]})).unwrap()).await.unwrap();
    let (first, second) = (client.event().await, client.event().await);
    assert_eq!((first.0.as_str(), second.0.as_str()), ("a", "event"));
    assert_eq!((&first.1, &first.1["data"]), (&second.1, &json!({"b": [1, "ü\n"]})));
    // Topics that would mean something else to a client.
    publish(&serving, "connect", 1).await;
    publish(&serving, "missed", 1).await;
    for topic in ["connect", "missed"] {
        let (name, event) = client.event().await;
        assert_eq!((name.as_str(), event["type"].as_str()), ("event", Some(topic)));
    }
}

#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let small = |settings: &mut plugbus_gateway::Settings| settings.message_bytes_max = 10_000;
    let serving = Serving::start_with(remembering(10), small).await;
    let mut good = Client::connected(&serving).await;
    let huge = format!("42[\"publish\",\"{}\"]", "x".repeat(20_000));
    for garbage in [
        "",
        "9",
        "4",
        "4x",
        "42",
        "42[",
        "42{}",
        "42[1]",
        "42[\"publish\"",
        "451-",
        "4599999999-[\"a\"]",
        "40/x,",
        huge.as_str(),
    ] {
        let mut client = Client::connected(&serving).await;
        client.send(garbage).await;
        // Closed, or ignored: then it still answers.
        client.send("427[\"publish\",\"a\",1]").await;
        while let Some(packet) = client.packet().await {
            if packet.starts_with("437") {
                break;
            }
        }
    }
    let mut binary = Client::connected(&serving).await;
    drop(binary.0.send(Message::Binary(vec![0xff; 100].into())).await);
    let mut early = Client::open(&serving).await;
    early.send("427[\"publish\",\"a\",1]").await;
    for line in [
        "GET /socket.io/",
        "GET /socket.io/?EIO=3&transport=polling",
        "GET /socket.io/?EIO=4&transport=carrier-pigeon",
        "GET /socket.io/?EIO=4&transport=polling&sid=nobody",
        "POST /socket.io/?EIO=4&transport=polling&sid=../../etc",
        "DELETE /socket.io/?EIO=4&transport=polling",
    ] {
        let answer = serving.send(line, &[], "garbage\u{1e}\u{1e}").await;
        assert!((400..500).contains(&answer.status), "{line}: {answer:?}");
    }
    assert_eq!(good.ask(json!(["publish", "a", 1])).await["ok"], true);
    drop((good, binary, early));
    serving.until("all have gone", || serving.gateway.stats().socketio_open == 0).await;
}

#[tokio::test]
async fn a_flood_of_requests_is_answered_in_part_and_leaves_nothing_behind() {
    let serving = Serving::start_with(remembering(10), |_| {}).await;
    let mut client = Client::connected(&serving).await;
    for number in 0..2000 {
        client.send(&format!("42{number}[\"subscribe\",\"flood.{number}\"]")).await;
    }
    // Answers that find no room are not waited for: one that floods does not get them all. Until one comes that is its own:
    let mut packets = Vec::new();
    while !packets.iter().any(|packet: &String| packet.starts_with("439999")) {
        client.send("429999[\"publish\",\"a\",1]").await;
        let more = async {
            while let Some(packet) = client.packet().await {
                packets.push(packet);
            }
            panic!("the connection goes on");
        };
        drop(tokio::time::timeout(std::time::Duration::from_millis(100), more).await);
    }
    let done = packets.iter().filter(|packet| packet.contains("\"filters\"")).count();
    let refused = packets.iter().filter(|packet| packet.contains("\"ok\":false")).count();
    assert!(done <= 64 && refused > 0, "no more than a watcher may have: {done}, {refused}");
    assert_eq!(serving.bus.subscriptions().len(), 1);
    assert!(serving.bus.subscriptions()[0].filters.len() <= 64);
    drop(client);
    serving.until("its subscription has ended", || serving.bus.subscriptions().is_empty()).await;
}

#[tokio::test]
async fn a_slow_client_is_told_how_many_it_missed_and_costs_no_more() {
    let few = |settings: &mut plugbus_gateway::Settings| settings.watch_events_max = 16;
    let serving = Serving::start_with(Bus::default(), few).await;
    let mut client = Client::connected(&serving).await;
    assert_eq!(client.ask(json!(["subscribe", ">"])).await["ok"], true);
    let total = 3000_u64;
    for _ in 0..total {
        serving.bus.publish(Event::draft("a").unwrap().text("x".repeat(10_000))).await.unwrap();
    }
    let stats = serving.gateway.stats();
    assert!(stats.missed > 0 && stats.watched + stats.missed == total, "{stats:?}");
    let mut seen = 0;
    while seen < total {
        let (name, data) = client.event().await;
        match name.as_str() {
            "missed" => seen += data["count"].as_u64().unwrap(),
            "event" => seen += 1,
            _ => {}
        }
    }
    assert_eq!(seen, total, "what came and what is said to be missing adds up");
    assert_eq!(client.ask(json!(["publish", "b", 1])).await["ok"], true, "it is connected still");
}

#[tokio::test]
async fn one_client_too_many_is_told_so_also_where_none_has_said_who_it_is() {
    let few = |settings: &mut plugbus_gateway::Settings| settings.socketio_clients_max = 2;
    let serving = Serving::start_with(remembering(10), few).await;
    let one = Client::connected(&serving).await;
    let _silent = Client::open(&serving).await;
    let answer = serving.send("GET /socket.io/?EIO=4&transport=polling", &[], "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.detail().contains("socketio.clients_max"));
    drop(one);
    serving.until("it has gone", || serving.gateway.stats().socketio_open == 0).await;
    let _other = Client::connected(&serving).await;
    assert_eq!(serving.gateway.stats().socketio_refused, 1);
}

#[tokio::test]
async fn clients_hear_a_last_word_when_the_gateway_closes() {
    let serving = Serving::start_with(remembering(10), |_| {}).await;
    let mut client = Client::connected(&serving).await;
    client.ask(json!(["subscribe", "a"])).await;
    serving.gateway.close();
    assert_eq!(client.event().await.0, "bye");
    assert_eq!(client.packet().await.as_deref(), Some("1"), "closed as a network breaks, so that clients come back");
    assert_eq!(client.packet().await, None);
}
