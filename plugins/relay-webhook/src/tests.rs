use std::time::Duration;

use plugbus_sdk::Payload;
use plugbus_sdk::http::{HttpError, Response};
use plugbus_sdk::testing::{Host, Outcome, event};

use super::*;

const URL: &str = "https://hooks.example.com/in?key=1";

fn host(more: Value) -> Host<RelayWebhook> {
    let mut config = json!({ "url": URL });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    Host::new(config).unwrap()
}

/// What becomes of an event when the server answers so.
fn answered(answer: Result<Response, HttpError>) -> Outcome {
    let mut host = host(json!({}));
    host.http(move |_| answer.clone());
    host.send(event("a.b").text("x"))
}

#[test]
fn an_event_is_posted_as_a_cloudevent() {
    let mut host = host(json!({ "headers": { "authorization": "Bearer t", "x-env": "dev" }, "timeout_ms": 1500 }));
    host.http(|_| Ok(Response::new(202)));
    assert_eq!(host.send(event("a.b").json(&json!({ "n": 1 })).subject("s")), Ok(None));
    let [request] = host.requests() else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", URL));
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [("content-type", "application/cloudevents+json"), ("authorization", "Bearer t"), ("x-env", "dev")]
    );
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["n"], &body["subject"]), (&json!("a.b"), &json!(1), &json!("s")));
    assert_eq!((request.timeout, request.response_bytes_max), (Duration::from_millis(1500), 4096));
}

#[test]
fn data_alone_keeps_its_bytes_and_content_type() {
    let mut host = host(json!({ "format": "data" }));
    host.http(|_| Ok(Response::new(200)));
    host.send(event("a").payload(Payload::new("image/x", vec![0xff, 0]))).unwrap();
    host.send(event("a")).unwrap();
    let seen: Vec<_> =
        host.requests().iter().map(|request| (request.headers[0].1.as_str(), request.body.as_slice())).collect();
    assert_eq!(seen, [("image/x", &[0xff, 0][..]), ("application/octet-stream", &[][..])]);
}

#[test]
fn the_trace_of_an_event_goes_on_in_the_headers_and_what_is_none_is_left_out() {
    let mut host = host(json!({}));
    host.http(|_| Ok(Response::new(200)));
    host.send(event("a").extension("traceparent", "00-ab-cd-01").extension("tracestate", "x=1")).unwrap();
    host.send(event("a").extension("traceparent", "00\r\nx: y").extension("tracestate", "é")).unwrap();
    let traces: Vec<Vec<_>> = host
        .requests()
        .iter()
        .map(|request| request.headers.iter().skip(1).map(|(name, value)| (name.as_str(), value.as_str())).collect())
        .collect();
    assert_eq!(traces, [vec![("traceparent", "00-ab-cd-01"), ("tracestate", "x=1")], vec![]]);
}

#[test]
fn the_status_decides_between_ack_retry_and_reject() {
    for status in [200, 201, 204, 299] {
        assert_eq!(answered(Ok(Response::new(status))), Ok(None), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert_eq!(
            answered(Ok(Response::new(status))),
            Err(Failure::retry(format!("webhook answered {status}"))),
            "{status}"
        );
    }
    for status in [400, 401, 403, 404, 410, 413, 422, 451, 600, 100] {
        assert_eq!(
            answered(Ok(Response::new(status))),
            Err(Failure::reject(format!("webhook answered {status}"))),
            "{status}"
        );
    }
    let moved = answered(Ok(Response::new(301).with_header("location", "https://new.example.com")));
    assert!(!moved.clone().unwrap_err().is_retry() && moved.unwrap_err().reason().contains("https://new.example.com"));
}

#[test]
fn the_server_may_say_when_to_come_again() {
    let table = [
        ("3", Some(Duration::from_secs(3))),
        (" 0 ", Some(Duration::ZERO)),
        ("99999999999", Some(Duration::from_secs(86_400))),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
    ];
    for status in [429, 503] {
        for (header, after) in table {
            let failure = answered(Ok(Response::new(status).with_header("retry-after", header))).unwrap_err();
            assert_eq!(failure, Failure::Retry { reason: format!("webhook answered {status}"), after }, "{header}");
        }
    }
}

#[test]
fn no_answer_is_retried_unless_it_was_denied() {
    let table = [
        (HttpError::Connection("connection refused".into()), true),
        (HttpError::TimedOut(Duration::from_secs(4)), true),
        (HttpError::Denied("no grant".into()), false),
        (HttpError::Invalid("bad".into()), false),
    ];
    for (error, is_retry) in table {
        let failure = answered(Err(error.clone())).unwrap_err();
        assert_eq!((failure.is_retry(), failure.reason()), (is_retry, error.to_string().as_str()));
    }
}

#[test]
fn the_reason_has_the_beginning_of_what_the_server_said() {
    let failure = answered(Ok(Response::new(400).with_body("  no such\nkey\u{1b}[31m "))).unwrap_err();
    assert_eq!(failure.reason(), r"webhook answered 400: no such\nkey\u{1b}[31m");
    let failure = answered(Ok(Response::new(500).with_body(vec![0xff; 4096]))).unwrap_err();
    assert!(failure.reason().len() < 1000);
}

#[test]
fn an_events_content_type_cannot_smuggle_a_header() {
    let mut host = host(json!({ "format": "data" }));
    host.http(|_| Ok(Response::new(200)));
    let failure = host.send(event("a").payload(Payload::new("text/plain\r\nx: y", "z"))).unwrap_err();
    assert!(!failure.is_retry() && failure.reason().contains("`content-type` has a control character"), "{failure}");
    assert!(host.requests().is_empty());
}

#[test]
fn a_wrong_config_is_refused_with_the_key() {
    let table = [
        (json!({}), "config: missing key `url`"),
        (
            json!({ "url": "hooks.example.com" }),
            "config: key `url`: URL `hooks.example.com` must begin with http:// or https://",
        ),
        (
            json!({ "url": URL, "format": "xml" }),
            "config: key `format`: unknown variant `xml`, expected `cloudevent` or `data`",
        ),
        (json!({ "url": URL, "headers": { "a b": "c" } }), "config: key `headers`: `a b` is not the name of a header"),
        (json!({ "url": URL, "headers": { "a": "c\n" } }), "config: key `headers`: header `a` has a control character"),
        (
            json!({ "url": URL, "headers": { "Host": "x" } }),
            "config: key `headers`: `Host` is not for the configuration to set",
        ),
        (json!({ "url": URL, "timeout_ms": 0 }), "config: key `timeout_ms`: 0 is not in 1 to 300000"),
        (
            json!({ "url": URL, "uri": "x" }),
            "config: unknown key `uri`, expected one of `url`, `format`, `headers`, `timeout_ms`",
        ),
    ];
    for (config, reason) in table {
        let refused = Host::<RelayWebhook>::new(config).unwrap_err();
        assert!(refused.reason().starts_with(reason), "{refused}");
    }
}
