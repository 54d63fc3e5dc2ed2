//! As much of a Socket.IO client (protocol 5 over Engine.IO 4, by WebSocket) as it takes to subscribe, publish and receive. It spends
//! next to nothing itself, so that a machine with two cores is left to the server. Real clients: `tests/clients`.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::packet::{self, Packet};

/// One connected client.
pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    /// Connects to a server that listens there (`127.0.0.1:7117`).
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.set_nodelay(true).expect("the system takes the option");
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("the server speaks WebSocket");
        let mut client = Self(socket);
        client.send("40").await;
        // The opening of the engine, then that of the namespace.
        while !client.next().await.starts_with("40") {}
        client
    }

    pub(crate) async fn send(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.expect("the server is there");
    }

    /// The next packet; pings are answered.
    pub(crate) async fn next(&mut self) -> Utf8Bytes {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) if packet::parse(&text) == Packet::Ping => self.send("3").await,
                Some(Ok(Message::Text(text))) => return text,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                end => panic!("the server ends the connection: {end:?}"),
            }
        }
    }

    /// Sends a request and waits for its answer, past whatever comes before it.
    pub(crate) async fn ask(&mut self, name: &str, argument: &Value) -> Value {
        self.send(&format!("420{}", json!([name, argument]))).await;
        loop {
            let text = self.next().await;
            if let Packet::Answer(answer) = packet::parse(&text) {
                let answer: Value = serde_json::from_str(answer).expect("an answer is JSON");
                let first = answer.get(0).cloned().unwrap_or_default();
                assert_eq!(first.get("ok"), Some(&Value::Bool(true)), "{name}: {answer}");
                return first;
            }
        }
    }
}
