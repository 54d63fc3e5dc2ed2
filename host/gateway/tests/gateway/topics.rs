//! Any body becomes an event.

use plugbus_bus::{Failure, Payload};

use crate::support::Serving;

#[tokio::test]
async fn any_body_is_published_on_the_topic_of_the_path() {
    let serving = Serving::start().await;
    let mut seen = serving.watch("build.>");
    let answer = serving.send("POST /v1/topics/build.done", &["content-type: application/json"], r#"{"n":1}"#).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let receipt = answer.json();
    let event = seen.next().await;
    assert_eq!((receipt["id"].as_str().unwrap(), receipt["seq"].as_u64().unwrap()), (&*event.id, event.seq));
    assert_eq!((event.topic.as_str(), &*event.payload.content_type), ("build.done", "application/json"));
    assert_eq!(&event.payload.data[..], br#"{"n":1}"#);
    assert_eq!(serving.gateway.stats().events, 1);
}

#[tokio::test]
async fn source_subject_and_id_stand_in_the_query_or_in_headers() {
    let serving = Serving::start().await;
    let mut seen = serving.watch(">");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (line, headers) in [
        ("POST /v1/topics/a?source=/ci&subject=x%20y&id=7", vec![]),
        ("POST /v1/topics/a", vec!["ce-source: /ci", "ce-subject: x%20y", "ce-id: 7"]),
        ("POST /v1/topics/a?source=/ci&id=7", vec!["ce-subject: \"x y\"", "ce-id: 7", "ce-type: a"]),
    ] {
        let traced = format!("traceparent: {trace}");
        let headers = [headers, vec!["ce-kind: fast", "tracestate: k=v", &traced]].concat();
        let answer = serving.send(line, &headers, "plain").await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let event = seen.next().await;
        assert_eq!((&*event.id, &*event.source, event.subject.as_deref()), ("7", "/ci", Some("x y")));
        assert_eq!(&*event.payload.content_type, "text/plain; charset=utf-8");
        let found = ["kind", "traceparent", "tracestate"].map(|name| event.extension(name));
        assert_eq!(found, [Some("fast"), Some(trace), Some("k=v")]);
    }
    let answer = serving.send("POST /v1/topics/a", &["traceparent: nonsense", "tracestate: k=v"], "").await;
    assert_eq!((answer.status, seen.next().await.extensions.len()), (202, 0));
}

#[tokio::test]
async fn data_without_a_media_type_is_what_it_looks_like() {
    let serving = Serving::start().await;
    let mut seen = serving.watch(">");
    for (body, expected) in [
        (&b"{\"a\": [1]}"[..], "application/json"),
        (b"hello", "text/plain; charset=utf-8"),
        (b"\xff\x00", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ] {
        assert_eq!(serving.send("POST /v1/topics/a", &[], body).await.status, 202);
        let event = seen.next().await;
        assert_eq!((&*event.payload.content_type, &event.payload.data[..]), (expected, body));
    }
}

#[tokio::test]
async fn whoever_waits_is_told_what_became_of_the_event_at_each_subscriber() {
    let serving = Serving::start().await;
    let good = serving.bus.subscribe("a").name("good").on(|_| async { Payload::json(&[1, 2]).unwrap() }).unwrap();
    let answer = serving.send("POST /v1/topics/a?wait=20", &[], "").await;
    assert_eq!((answer.status, answer.header("preference-applied")), (200, Some("wait=20")));
    let settled = answer.json();
    assert_eq!((&settled["all_acked"], &settled["matched"]), (&true.into(), &1.into()), "{settled}");
    let expected = serde_json::json!([{
        "subscription": "good", "outcome": "acked",
        "reply": {"content_type": "application/json", "data": [1, 2]},
    }]);
    assert_eq!(settled["results"], expected);
    let bad = serving.bus.subscribe("a").name("bad").on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
    let answer = serving.send("POST /v1/topics/a", &["prefer: wait=20"], "").await;
    let settled = answer.json();
    assert_eq!((answer.status, &settled["all_acked"]), (207, &false.into()));
    assert_eq!(
        (&settled["results"][1]["outcome"], &settled["results"][0]["outcome"]),
        (&"dead".into(), &"acked".into())
    );
    assert!(settled["results"][1]["reason"].as_str().unwrap().contains("no"), "{settled}");
    drop((good, bad));
    let slow = serving.bus.subscribe("a").name("slow").on(|_| std::future::pending::<()>()).unwrap();
    let answer = serving.send("POST /v1/topics/a?wait=0", &[], "").await;
    assert_eq!((answer.status, &answer.json()["results"][0]["outcome"]), (207, &"pending".into()));
    drop(slow);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_nothing_is_published() {
    let serving = Serving::start().await;
    let json = "content-type: application/json";
    type Case<'a> = (&'a str, &'a [&'a str], &'a [u8], u16, &'a str);
    let table: &[Case<'_>] = &[
        ("POST /v1/topics/a..b", &[], b"", 400, "topic `a..b` has an empty token at position 2"),
        ("POST /v1/topics/a.*", &[], b"", 400, "a wildcard is allowed only in a filter"),
        ("POST /v1/topics/plugbus.x", &[], b"", 403, "is the host's own"),
        ("POST /v1/topics/%ff", &[], b"", 400, "path: "),
        ("POST /v1/topics/a%00b", &[], b"", 400, "white space and control characters are not allowed"),
        ("POST /v1/topics/%2e%2e%2fetc", &[], b"", 400, "has an empty token"),
        ("POST /v1/topics/../../etc/passwd", &[], b"", 404, "there is nothing at"),
        ("POST /v1/topics/", &[], b"", 404, "there is nothing at"),
        ("POST //v1/topics/a", &[], b"", 404, "there is nothing at"),
        ("POST /v1/topics/a?wiat=1", &[], b"", 400, "unknown field `wiat`, expected one of"),
        ("POST /v1/topics/a?wait=601", &[], b"", 400, "seconds from 0 to 600 are allowed"),
        ("POST /v1/topics/a?id=", &[], b"", 400, "id is empty"),
        ("POST /v1/topics/a?id=1", &["ce-id: 2"], b"", 400, "`id` is one thing in the header `ce-id` and another"),
        ("POST /v1/topics/a", &["ce-type: b"], b"", 400, "`type` is one thing in the header `ce-type` and another"),
        ("POST /v1/topics/a", &["ce-specversion: 0.3"], b"", 400, "only 1.0 is known"),
        ("POST /v1/topics/a", &["ce-time: yesterday"], b"", 400, "is no RFC 3339 time"),
        ("POST /v1/topics/a", &["ce-id: %zz"], b"", 400, "header `ce-id` has a `%`"),
        ("POST /v1/topics/a", &[json], b"{\"a\":", 400, "the body is not JSON, as its content type says: EOF"),
        (
            "POST /v1/topics/a",
            &[json],
            b"\"\xff\"",
            400,
            "the body is not JSON, as its content type says: invalid utf-8",
        ),
        ("GET /v1/topics/a", &[], b"", 405, "does not take GET"),
        ("GET /v1/nothing", &[], b"", 404, "there is nothing at `/v1/nothing`"),
    ];
    for (line, headers, body, status, expected) in table {
        let answer = serving.send(line, headers, body).await;
        assert_eq!(answer.status, *status, "{line}: {answer:?}");
        assert!(answer.detail().contains(expected), "{line}: {}", answer.detail());
    }
    assert_eq!(serving.send("GET /v1/topics/a", &[], "").await.header("allow"), Some("POST"));
    assert_eq!(serving.bus.stats().accepted, 0);
}

#[tokio::test]
async fn a_bus_that_does_not_take_the_event_says_why() {
    let serving = Serving::start().await;
    let large = vec![b'x'; (1 << 20) + 1];
    let answer = serving.send("POST /v1/topics/a", &[], &large).await;
    assert_eq!((answer.status, answer.detail().contains("at most 1048576 are allowed here")), (413, true));
    let many: Vec<String> = (0..33).map(|n| format!("ce-x{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = serving.send("POST /v1/topics/a", &many, "").await;
    assert_eq!((answer.status, answer.detail().contains("33 extensions; at most 32")), (400, true));
    serving.bus.shutdown(std::time::Duration::ZERO).await;
    let answer = serving.send("POST /v1/topics/a", &[], "").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.detail().contains("shutting down"));
}

#[tokio::test]
async fn a_connection_carries_one_request_after_the_other() {
    let serving = Serving::start().await;
    let mut seen = serving.watch(">");
    let mut peer = serving.connect().await;
    for n in 0..3 {
        let answer = peer.ask(&format!("POST /v1/topics/a.{n}"), &[], "x").await;
        assert_eq!(answer.status, 202);
        assert_eq!(seen.next().await.topic.as_str(), format!("a.{n}"));
    }
    assert_eq!(serving.gateway.stats().connections, 1);
}
