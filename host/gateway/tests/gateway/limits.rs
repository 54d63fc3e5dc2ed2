//! Bounds on what a peer may send, and how slowly.

use std::time::Duration;

use plugbus_bus::Bus;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Serving};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_body_of_10_mib_is_refused_whether_it_is_announced_or_not() {
    let serving = Serving::start().await;
    let large = vec![b'x'; 10 << 20];
    let answer = serving.send("POST /v1/topics/a", &[], &large).await;
    assert_eq!((answer.status, answer.detail().contains("more than 4194304 bytes")), (413, true));
    let mut chunked =
        format!("POST /v1/topics/a HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n", serving.addr())
            .into_bytes();
    for chunk in large.chunks(1 << 20) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = serving.send_raw(&chunked).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!((serving.gateway.stats().bodies_too_large, serving.bus.stats().accepted), (2, 0));
}

#[tokio::test]
async fn headers_over_their_bound_are_refused() {
    let serving = Serving::start().await;
    let large = format!("x: {}", "x".repeat(33 << 10));
    assert_eq!(serving.send("POST /v1/topics/a", &[&large], "").await.status, 431);
    let many: Vec<String> = (0..200).map(|n| format!("x{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(serving.send("POST /v1/topics/a", &many, "").await.status, 431);
    let path = "x".repeat(40 << 10);
    assert!([414, 431].contains(&serving.send(&format!("POST /v1/topics/{path}"), &[], "").await.status));
}

#[tokio::test]
async fn headers_and_bodies_that_trickle_in_are_not_waited_for() {
    let serving = Serving::start_with(Bus::default(), |settings| {
        settings.header_timeout = SHORT;
        settings.body_timeout = SHORT;
    })
    .await;
    let mut slow = serving.connect().await;
    slow.0.write_all(b"POST /v1/topics/a HTTP/1.1\r\nx-slow: ").await.unwrap();
    slow.until_closed().await;
    // One that says nothing at all.
    serving.connect().await.until_closed().await;
    let head = format!("POST /v1/topics/a HTTP/1.1\r\nhost: {}\r\ncontent-length: 10\r\n\r\nhalf", serving.addr());
    let answer = serving.send_raw(head.as_bytes()).await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(answer.detail().contains("within 100 ms (http.body_timeout_ms)"), "{}", answer.detail());
    assert_eq!((serving.gateway.stats().bodies_timed_out, serving.bus.stats().accepted), (1, 0));
}

#[tokio::test]
async fn a_peer_that_leaves_in_the_middle_harms_nobody() {
    let serving = Serving::start().await;
    for begun in [
        "",
        "PO",
        "POST /v1/topics/a HTTP/1.1\r\n",
        "POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx",
    ] {
        let mut half = TcpStream::connect(serving.addr()).await.unwrap();
        half.write_all(begun.as_bytes()).await.unwrap();
        // Half closed: it sends no more, and would read.
        half.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut half, &mut rest);
        drop(tokio::time::timeout(PATIENCE, read).await.expect("the other half is closed too"));
    }
    assert_eq!(serving.send("POST /v1/topics/a", &[], "").await.status, 202);
    serving.until("all connections have ended", || serving.gateway.stats().connections_open == 0).await;
    assert_eq!(serving.bus.stats().accepted, 1);
}

#[tokio::test]
async fn garbage_is_answered_with_400_and_the_connection_closed() {
    let serving = Serving::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
    ] {
        let mut bytes = garbage.to_vec();
        bytes.extend_from_slice(b"\r\n\r\n");
        let answer = serving.send_raw(&bytes).await;
        assert!([0, 400, 505].contains(&answer.status), "{garbage:?}: {answer:?}");
    }
    assert_eq!(serving.bus.stats().accepted, 0);
    assert_eq!(serving.send("POST /v1/topics/a", &[], "").await.status, 202);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let serving = Serving::start_with(Bus::default(), |settings| settings.connections_max = 2).await;
    let mut first = serving.connect().await;
    let mut second = serving.connect().await;
    assert_eq!(
        (first.ask("POST /v1/topics/a", &[], "").await.status, second.ask("POST /v1/topics/a", &[], "").await.status),
        (202, 202)
    );
    let answer = serving.send_raw(b"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.detail().contains("has 2 connections, the most it takes (http.connections_max)"));
    assert_eq!(serving.gateway.stats().connections_refused, 1);
    drop(first);
    serving.until("a place is free", || serving.gateway.stats().connections_open == 1).await;
    assert_eq!(serving.send("POST /v1/topics/a", &[], "").await.status, 202);
}

#[tokio::test]
async fn a_thousand_idle_connections_are_carried_and_then_closed() {
    let serving =
        Serving::start_with(Bus::default(), |settings| settings.header_timeout = Duration::from_secs(3)).await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(serving.connect().await);
    }
    serving.until("all are open", || serving.gateway.stats().connections_open == 1000).await;
    assert_eq!(serving.send("POST /v1/topics/a", &[], "").await.status, 202, "others are served");
    for mut peer in idle {
        peer.until_closed().await;
    }
    serving.until("all are closed", || serving.gateway.stats().connections_open == 0).await;
}

#[tokio::test]
async fn requests_over_the_rate_are_told_when_to_come_again() {
    let serving = Serving::start_with(Bus::default(), |settings| settings.requests_per_second_max = 1).await;
    let mut peer = serving.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(peer.ask("POST /v1/topics/a", &[], "").await.status);
    }
    assert!(statuses.starts_with(&[202, 202]) && statuses.contains(&429), "{statuses:?}");
    let event = r#"{"specversion":"1.0","id":"1","source":"s","type":"a"}"#;
    let batch = format!("[{event},{event},{event},{event}]");
    let answer = peer.ask("POST /v1/events", &["content-type: application/cloudevents-batch+json"], batch).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(serving.gateway.stats().rate_limited >= 2);
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_hand_and_takes_no_more() {
    let serving = Serving::start().await;
    let mut idle = serving.connect().await;
    assert_eq!(idle.ask("POST /v1/topics/a", &[], "").await.status, 202);
    let addr = serving.addr();
    let begun = serving.bus.subscribe("slow").on(|_| std::future::pending::<()>()).unwrap();
    let mut waiting = serving.connect().await;
    let asking = tokio::spawn(async move { waiting.ask("POST /v1/topics/slow?wait=0.5", &[], "").await });
    let bus = serving.bus.clone();
    serving.until("it is in hand", || bus.stats().accepted == 2).await;
    let stopping = tokio::spawn(serving.stop());
    idle.until_closed().await;
    assert_eq!(asking.await.unwrap().status, 207);
    stopping.await.unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
    drop(begun);
}
