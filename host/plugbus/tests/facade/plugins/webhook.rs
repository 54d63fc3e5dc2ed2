//! `relay-webhook` against a server on the loopback interface that answers as it is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::real::{Input, Real};
use crate::support::PATIENCE;

/// A request as it came: head, body, when.
type Request = (String, String, Instant);

/// Answers one connection after the other, with these texts in their order; then with none.
struct Server {
    address: String,
    requests: mpsc::Receiver<Request>,
}

impl Server {
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, requests) = mpsc::channel(64);
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            let mut silent = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // A client that gave up in the middle has asked nothing.
                let Some((head, body)) = read(&mut stream).await else { continue };
                if seen.send((head, body, Instant::now())).await.is_err() {
                    break;
                }
                match answers.next() {
                    Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    None => silent.push(stream),
                }
            }
        });
        Self { address, requests }
    }

    /// All that came until now.
    fn seen(&mut self) -> Vec<Request> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut block = [0; 4096];
        let count = tokio::time::timeout(PATIENCE, stream.read(&mut block)).await.unwrap().ok()?;
        bytes.extend_from_slice(&block[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if count == 0 {
            return None;
        }
    }
}

async fn relay(address: &str, more: &str) -> Real {
    let manifest = format!(
        "filters = [\"a\"]\n[config]\nurl = \"http://{address}/in?key=1\"\n{more}\n[grants]\nhttp = [\"http://{address}\"]\nkv = true\n\
         [retry]\nattempts = 3\nbackoff_min_ms = 1\nbackoff_max_ms = 1\n"
    );
    Real::start("relay-webhook", &manifest).await
}

fn answer(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\nconnection: close\r\n\r\nwell")
}

fn event() -> Input {
    Input::json("a", "1", r#"{"n": 1}"#)
}

#[tokio::test]
async fn an_event_arrives_as_a_cloudevent_and_a_5xx_is_tried_again() {
    let mut server = Server::start(&[&answer("500 Oops"), &answer("503 Busy"), &answer("202 Accepted")]).await;
    let real = relay(&server.address, "[config.headers]\nauthorization = \"Bearer t\"").await;
    assert_eq!(real.send(&event()).await, Ok(None));
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for (head, body, _) in seen {
        let head = head.to_lowercase();
        assert!(head.starts_with("post /in?key=1 http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/cloudevents+json\r\n"), "{head}");
        assert!(head.contains("authorization: bearer t"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["type"], &body["id"], &body["data"]), (&json!("a"), &json!("1"), &json!({ "n": 1 })));
    }
    real.stop().await;
}

#[tokio::test]
async fn a_4xx_is_rejected_at_once_with_what_the_server_said() {
    for status in ["400 Bad", "404 Gone", "422 No"] {
        let mut server = Server::start(&[&answer(status)]).await;
        let real = relay(&server.address, "").await;
        let number = &status[..3];
        assert_eq!(real.send(&event()).await, Err(format!("reject: webhook answered {number}: well")));
        assert_eq!(server.seen().len(), 1);
        real.stop().await;
    }
}

#[tokio::test]
async fn the_server_may_say_when_to_come_again() {
    let later = "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mut server = Server::start(&[later, &answer("200 OK")]).await;
    let real = relay(&server.address, "").await;
    assert_eq!(real.send(&event()).await, Ok(None));
    let seen = server.seen();
    let pause = seen[1].2 - seen[0].2;
    assert!(seen.len() == 2 && pause >= Duration::from_millis(990), "{pause:?}");
    real.stop().await;
}

#[tokio::test]
async fn no_server_a_silent_one_and_a_broken_answer_are_tried_again() {
    // Bound but not listening: nobody else gets the port meanwhile.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let real = relay(&nobody.local_addr().unwrap().to_string(), "").await;
    assert_eq!(real.send(&event()).await, Err("retry: http connection failed: connection refused".into()));
    real.stop().await;

    let silent = Server::start(&[]).await;
    let real = relay(&silent.address, "timeout_ms = 200").await;
    assert_eq!(real.send(&event()).await, Err("retry: http request timed out after 200 ms".into()));
    real.stop().await;

    let mut broken = Server::start(&["", "nonsense\r\n\r\n", &answer("204 Fine")]).await;
    let real = relay(&broken.address, "").await;
    assert_eq!(real.send(&event()).await, Ok(None));
    assert_eq!(broken.seen().len(), 3);
    real.stop().await;
}
