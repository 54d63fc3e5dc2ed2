use std::time::Duration;

use plugbus_sdk::Payload;
use plugbus_sdk::http::{HttpError, Response};
use plugbus_sdk::testing::{Host, Outcome, event};

use super::*;

mod batches;

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
            "config: unknown key `uri`, expected one of `url`, `format`, `template`, `headers`, `sign`, `batch`, `timeout_ms`",
        ),
        (json!({ "url": "https://{{ data.host }}/" }), "config: key `url`: URL `https://` has no host"),
        (
            json!({ "url": "https://h.{{ topic }}/" }),
            "config: key `url`: `{{` stands in its origin, which must be granted as it is; put it behind the host",
        ),
        (json!({ "url": "https://h/{{ topic" }), "config: key `url` line 1: syntax error: "),
        (
            json!({ "url": URL, "headers": { "x-a": "{{ topik }}" } }),
            "config: key `headers.x-a`: there is no field `topik`; there are id, source,",
        ),
        (
            json!({ "url": URL, "template": { "body": "{{ topic }" } }),
            "config: key `template.body` line 1: syntax error: ",
        ),
        (
            json!({ "url": URL, "template": { "body": "x", "content_type": "a\n" } }),
            "config: key `template.content_type`: header `content-type` has a control character",
        ),
        (
            json!({ "url": URL, "format": "data", "template": { "body": "x" } }),
            "config: key `format`: a `[config.template]` takes its place",
        ),
        (
            json!({ "url": URL, "format": "data", "batch": {} }),
            "config: key `format`: data alone cannot be put together",
        ),
        (json!({ "url": URL, "batch": { "events_max": 1 } }), "config: key `batch.events_max`: 1 is not in 2 to 1000"),
        (json!({ "url": URL, "batch": { "age_ms": 0 } }), "config: key `batch.age_ms`: 0 is not in 1 to 3600000"),
        (
            json!({ "url": URL, "batch": { "refused_topic": "a b" } }),
            "config: key `batch.refused_topic`: `a b` has ' '",
        ),
        (json!({ "url": URL, "sign": {} }), "config: key `sign`: 0 secrets; 1 to 8 are needed"),
        (
            json!({ "url": URL, "headers": { "Webhook-Id": "x" } }),
            "config: key `headers`: `Webhook-Id` is not for the configuration to set",
        ),
    ];
    for (config, reason) in table {
        let refused = Host::<RelayWebhook>::new(config).unwrap_err();
        assert!(refused.reason().starts_with(reason), "{refused}");
    }
}

/// The headers of a request that sign it.
fn signature(request: &plugbus_sdk::http::Request) -> Vec<&str> {
    let is_signature = |name: &str| name.starts_with("webhook-") || name.starts_with("x-hub-");
    request.headers.iter().filter(|(name, _)| is_signature(name)).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_request_is_signed_at_each_attempt_under_the_id_of_its_event() {
    let mut host = host(json!({ "sign": { "secrets": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } }));
    host.http(|_| Ok(Response::new(503)));
    for id in ["1", "1", "2"] {
        host.send(event("a").id(id).text("x")).unwrap_err();
    }
    let [first, again, other] = host.requests() else { panic!("three requests") };
    let [id, time, signature_of_first] = signature(first)[..] else { panic!("three headers") };
    assert!(id.starts_with("msg_") && time.parse::<u64>().is_ok() && signature_of_first.starts_with("v1,"));
    assert_eq!(signature(again)[0], id);
    assert_ne!(signature(other)[0], id);
}

#[test]
fn a_template_makes_body_url_and_headers_of_an_event() {
    let template = json!({ "body": "{\"text\": \"{{ topic }}: {{ data.user.name }}\"}" });
    let config = json!({
        "url": "https://hooks.example.com/{{ topic }}?u={{ data.user.name }}",
        "headers": { "x-subject": "{{ subject | default('none') }}", "x-fixed": "y" },
        "template": template,
    });
    let mut host = Host::<RelayWebhook>::new(config).unwrap();
    host.http(|_| Ok(Response::new(200)));
    host.send(event("a.b").json(&json!({ "user": { "name": "Ada \"L\"" } }))).unwrap();
    let [request] = host.requests() else { panic!("one request") };
    assert_eq!(request.url, "https://hooks.example.com/a.b?u=Ada%20%22L%22");
    assert_eq!(request.body, br#"{"text": "a.b: Ada \"L\""}"#);
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("content-type", "application/json"), ("x-fixed", "y"), ("x-subject", "none")]);
}

#[test]
fn an_event_that_a_template_can_make_nothing_of_is_rejected_with_the_place() {
    let mut host = host(json!({ "template": { "body": "{{ data.user.name }}", "content_type": "text/plain" } }));
    host.http(|_| Ok(Response::new(200)));
    let failure = host.send(event("a").json(&json!({ "user": {} }))).unwrap_err();
    assert!(!failure.is_retry(), "{failure}");
    assert!(failure.reason().starts_with("template: key `template.body` line 1: undefined value"), "{failure}");
    assert!(host.requests().is_empty());
}

#[test]
fn a_tick_is_posted_nowhere() {
    let mut host = host(json!({}));
    host.http(|_| Ok(Response::new(200)));
    host.send(event("plugbus.tick.relay-webhook")).unwrap();
    assert!(host.requests().is_empty());
}
