//! WebSocket, with a real client and with bare bytes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::stream::{publish, remembering};
use crate::support::{PATIENCE, Serving};

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(serving: &Serving) -> Self {
        let stream = TcpStream::connect(serving.addr()).await.unwrap();
        let mut request = format!("ws://{}/v1/ws", serving.addr()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "plugbus.v1, bearer.abc".parse().unwrap());
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "plugbus.v1", "the token does not come back");
        Self(socket)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    /// The next text frame; none once the connection has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something");
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn ask(&mut self, frame: Value) -> Value {
        self.send(frame).await;
        self.next().await.unwrap()
    }
}

#[tokio::test]
async fn a_websocket_subscribes_publishes_and_unsubscribes() {
    let serving = Serving::start_with(remembering(100), |_| {}).await;
    publish(&serving, "a", 3).await;
    let mut client = Client::open(&serving).await;
    let ack = client.ask(json!({"op": "subscribe", "filters": ["a", "b.*"], "id": {"my": 1}})).await;
    assert_eq!(ack, json!({"op": "ack", "id": {"my": 1}, "filters": ["a", "b.*"], "seq": 3}));
    client.send(json!({"op": "publish", "topic": "b.c", "data": {"n": 1.50}, "source": "s", "id": 2})).await;
    let mut both = [client.next().await.unwrap(), client.next().await.unwrap()];
    both.sort_by_key(|frame| frame["op"].to_string());
    let [ack, event] = both;
    assert_eq!(
        (&ack["op"], &ack["id"], &ack["seq"], &ack["disposition"]),
        (&json!("ack"), &json!(2), &json!(4), &json!("delivered"))
    );
    assert_eq!(
        (&event["event"]["id"], &event["event"]["source"], &event["event"]["data"]["n"]),
        (&ack["event_id"], &json!("s"), &json!(1.5))
    );
    let ack = client.ask(json!({"op": "unsubscribe", "filters": ["a"]})).await;
    assert_eq!(ack["filters"], json!(["b.*"]));
    publish(&serving, "a", 1).await;
    let past = client.ask(json!({"op": "subscribe", "filters": ["a"], "from": 2})).await;
    assert_eq!(past["op"], "ack");
    let mut seqs = Vec::new();
    for _ in 0..3 {
        seqs.push(client.next().await.unwrap()["event"]["seq"].as_u64().unwrap());
    }
    assert_eq!(seqs, [2, 3, 5]);
    assert_eq!(client.ask(json!({"op": "ping", "id": 9})).await, json!({"op": "ack", "id": 9}));
    serving.gateway.close();
    assert_eq!(client.next().await.unwrap()["op"], "bye");
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn many_publishes_are_answered_in_their_order() {
    let serving = Serving::start().await;
    let mut client = Client::open(&serving).await;
    for number in 0..500 {
        client.send(json!({"op": "publish", "topic": "a", "data": number, "id": number})).await;
    }
    for number in 0..500_u64 {
        let ack = client.next().await.unwrap();
        assert_eq!((ack["id"].as_u64(), ack["seq"].as_u64()), (Some(number), Some(number + 1)), "{ack}");
    }
}

#[tokio::test]
async fn a_bad_frame_is_answered_and_the_connection_goes_on() {
    let serving = Serving::start().await;
    let mut client = Client::open(&serving).await;
    for (frame, status, said) in [
        (json!({"op": "dance", "id": 1}), 400, "no `op` named"),
        (json!({"op": "subscribe", "filters": ["a..b"], "id": 1}), 400, "filter"),
        (json!({"op": "subscribe", "filters": vec!["a"; 65], "id": 1}), 400, "at most 64"),
        (json!({"op": "publish", "topic": "plugbus.x", "id": 1}), 403, "host"),
        (json!({"op": "publish", "event": {"type": "a", "specversion": "0.3"}, "id": 1}), 400, "specversion"),
    ] {
        let answer = client.ask(frame.clone()).await;
        assert_eq!(
            (answer["op"].as_str(), answer["id"].as_u64(), answer["status"].as_u64()),
            (Some("error"), Some(1), Some(status)),
            "{frame} {answer}"
        );
        assert!(answer["detail"].as_str().unwrap().contains(said), "{answer}");
    }
    client.0.send(Message::Binary(vec![1, 2].into())).await.unwrap();
    assert!(client.next().await.unwrap()["detail"].as_str().unwrap().contains("binary"));
    assert_eq!(client.ask(json!({"op": "ping"})).await["op"], "ack");
    assert_eq!(serving.gateway.stats().messages_bad, 6);
}

#[tokio::test]
async fn one_who_comes_back_where_nothing_is_remembered_is_told_and_goes_on() {
    let serving = Serving::start().await;
    let mut client = Client::open(&serving).await;
    let missed = client.ask(json!({"op": "subscribe", "filters": ["a"], "from": 7})).await;
    assert_eq!(missed, json!({"op": "missed", "count": null, "reason": "no-history"}));
    assert_eq!(client.next().await.unwrap()["op"], "ack");
    publish(&serving, "a", 1).await;
    assert_eq!(client.next().await.unwrap()["event"]["seq"], 1);
}

#[tokio::test]
async fn a_frame_that_is_too_large_or_no_text_ends_its_connection_alone() {
    let small = |settings: &mut plugbus_gateway::Settings| settings.message_bytes_max = 1000;
    let serving = Serving::start_with(remembering(10), small).await;
    let mut client = Client::open(&serving).await;
    client.send(json!({"op": "publish", "topic": "a", "data": "x".repeat(2000)})).await;
    assert_eq!(client.next().await.unwrap()["op"], "bye");
    assert_eq!(client.next().await, None);
    // Text that is no UTF-8, as no client would send it.
    let mut stream = bare(&serving).await;
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    drop(closed.expect("an end"));
    assert!(String::from_utf8_lossy(&rest).contains("malformed"));
    assert_eq!(Client::open(&serving).await.ask(json!({"op": "ping"})).await["op"], "ack");
}

/// A WebSocket of which only the handshake has been spoken.
async fn bare(serving: &Serving) -> TcpStream {
    let mut stream = TcpStream::connect(serving.addr()).await.unwrap();
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        serving.addr()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed() {
    let heartbeat = |settings: &mut plugbus_gateway::Settings| settings.heartbeat = Duration::from_millis(20);
    let serving = Serving::start_with(remembering(10), heartbeat).await;
    let mut stream = bare(&serving).await;
    let mut rest = Vec::new();
    drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end"));
    assert!(String::from_utf8_lossy(&rest).contains("nothing was heard"));
    let stats = serving.gateway.stats();
    assert_eq!((stats.peers_silent, stats.websockets_open), (1, 0));
}

#[tokio::test]
async fn a_request_that_is_no_websocket_is_told_so() {
    let serving = Serving::start().await;
    let answer = serving.send("GET /v1/ws", &[], "").await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    assert!(answer.detail().contains("WebSocket"));
}
