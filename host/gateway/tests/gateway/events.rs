//! CloudEvents over HTTP.

use serde_json::{Value, json};

use crate::support::Serving;

const STRUCTURED: &str = "content-type: application/cloudevents+json";
const BATCH: &str = "content-type: application/cloudevents-batch+json; charset=utf-8";

fn event(id: &str, topic: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": topic})
}

#[tokio::test]
async fn the_structured_mode_keeps_data_byte_for_byte() {
    let serving = Serving::start().await;
    let mut seen = serving.watch(">");
    let text = r#"{"specversion":"1.0","id":"1","source":"/test","type":"a.b","subject":"s","time":"2026-01-31T14:00:00+02:00",
        "datacontenttype":"application/json","kind":"fast","n":7,"data":{"z":1.10,"a":12345678901234567890123}}"#;
    let answer = serving.send("POST /v1/events", &[STRUCTURED], text).await;
    assert_eq!((answer.status, &answer.json()["id"]), (202, &"1".into()));
    let seen_event = seen.next().await;
    assert_eq!(&seen_event.payload.data[..], br#"{"z":1.10,"a":12345678901234567890123}"#);
    assert_eq!((seen_event.subject.as_deref(), seen_event.time_ns), (Some("s"), 1_769_860_800_000_000_000));
    assert_eq!((seen_event.extension("kind"), seen_event.extension("n")), (Some("fast"), Some("7")));
    let bytes = json!({"specversion": "1.0", "id": "2", "source": "/test", "type": "a.b", "data_base64": "AP8="});
    assert_eq!(serving.send("POST /v1/events", &[STRUCTURED], bytes.to_string()).await.status, 202);
    assert_eq!(&seen.next().await.payload.data[..], [0, 255]);
}

#[tokio::test]
async fn the_binary_mode_has_attributes_in_headers_and_data_in_the_body() {
    let serving = Serving::start().await;
    let mut seen = serving.watch(">");
    let headers = [
        "ce-specversion: 1.0",
        "ce-id: %E2%82%AC",
        "ce-source: /test",
        "ce-type: a.b",
        "ce-kind: fast",
        "ce-dataschema: https://schemas.example/row",
        "content-type: text/csv; charset=utf-8",
    ];
    let answer = serving.send("POST /v1/events", &headers, "a,b").await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let event = seen.next().await;
    assert_eq!((&*event.id, &*event.payload.content_type), ("€", "text/csv; charset=utf-8"));
    assert_eq!((&event.payload.data[..], event.extension("kind")), (&b"a,b"[..], Some("fast")));
    assert_eq!(event.extension("dataschema"), Some("https://schemas.example/row"));
}

#[tokio::test]
async fn wrong_attributes_are_named_and_nothing_is_published() {
    let serving = Serving::start().await;
    let without = |name: &str| {
        let mut event = event("1", "a");
        event.as_object_mut().unwrap().remove(name);
        event.to_string()
    };
    let with = |name: &str, value: Value| {
        let mut event = event("1", "a");
        event[name] = value;
        event.to_string()
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let table = [
        ("{".to_owned(), "EOF while parsing an object at line 1 column 1"),
        ("[]".into(), "invalid type: sequence, expected a CloudEvents 1.0 event as a JSON object"),
        (without("specversion"), "attribute `specversion` is missing"),
        (without("id"), "attribute `id` is missing"),
        (without("source"), "attribute `source` is missing"),
        (without("type"), "attribute `type` is missing"),
        (with("id", Value::Null), "attribute `id` is missing"),
        (with("id", "".into()), "id is empty"),
        (with("id", 1.into()), "attribute `id` is a number; it must be a text"),
        (with("specversion", "0.3".into()), "attribute `specversion` is `0.3`; only 1.0 is known"),
        (with("source", "a b".into()), "attribute `source` is no URI reference"),
        (with("source", "%zz".into()), "attribute `source` is no URI reference"),
        (with("dataschema", "nope".into()), "attribute `dataschema` is no URI"),
        (with("time", "noon".into()), "attribute `time` is no RFC 3339 time"),
        (with("type", "a..b".into()), "attribute `type` (the topic) `a..b` has an empty token"),
        (with("type", "plugbus.x".into()), "is the host's own"),
        (with("Kind", "x".into()), "extension `Kind` has a name with other characters than a to z"),
        (with("kind", json!({})), "attribute `kind` is an object; an extension is a text, number or boolean"),
        (with("data_base64", "!".into()), "attribute `data_base64` is no base64"),
        (
            r#"{"specversion":"1.0","id":"1","id":"2","source":"s","type":"a"}"#.into(),
            "attribute `id` stands there twice",
        ),
        (with("data", 1.into()).replace('}', ",\"data_base64\":\"\"}"), "stands beside `data`"),
        (with("x", "x".repeat(5000).into()), "has a value of 5000 bytes; at most 4096"),
        (format!("{{\"x\":{deep}}}"), "recursion limit exceeded"),
    ];
    for (text, expected) in table {
        let answer = serving.send("POST /v1/events", &[STRUCTURED], &text).await;
        assert!([400, 403].contains(&answer.status), "{text}: {answer:?}");
        assert!(answer.detail().contains(expected), "{text}: {}", answer.detail());
    }
    let answer = serving.send("POST /v1/events", &[STRUCTURED], b"{\"id\":\"\xff\"}").await;
    assert_eq!((answer.status, answer.detail().as_str()), (400, "the body is no UTF-8: byte 7 is wrong"));
    for (headers, status, expected) in [
        (vec!["content-type: application/json"], 415, "this is no CloudEvent"),
        (vec!["content-type: application/cloudevents+xml"], 415, "is not taken"),
        (vec!["ce-id: 1"], 400, "attribute `specversion` is missing"),
        (vec!["ce-specversion: 1.0", "ce-id: 1", "ce-source: s", "ce-type: a", "ce-id: 1"], 400, "twice"),
        (
            vec!["ce-specversion: 1.0", "ce-id: 1", "ce-source: s", "ce-type: a", "ce-data: 1"],
            400,
            "the data is the body",
        ),
    ] {
        let answer = serving.send("POST /v1/events", &headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        assert!(answer.detail().contains(expected), "{headers:?}: {}", answer.detail());
    }
    assert_eq!(serving.bus.stats().accepted, 0);
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_event_in_order() {
    let serving = Serving::start().await;
    let mut seen = serving.watch(">");
    let whole = json!([event("1", "a"), event("2", "b")]);
    let answer = serving.send("POST /v1/events", &[BATCH], whole.to_string()).await;
    let outcome = answer.json();
    assert_eq!((answer.status, &outcome["accepted"], &outcome["refused"]), (202, &2.into(), &0.into()));
    let ids = [seen.next().await, seen.next().await].map(|event| event.id.to_string());
    assert_eq!(ids, ["1", "2"]);
    let mixed = json!([event("3", "a"), {"id": "4"}, event("5", "plugbus.x"), event("6", "b")]);
    let answer = serving.send("POST /v1/events", &[BATCH], mixed.to_string()).await;
    let outcome = answer.json();
    assert_eq!((answer.status, &outcome["accepted"], &outcome["refused"]), (207, &2.into(), &2.into()));
    let statuses: Vec<&Value> = outcome["results"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [202, 400, 403, 202]);
    assert_eq!(outcome["results"][1]["detail"], "attribute `specversion` is missing");
    assert_eq!(serving.bus.stats().accepted, 4);
    let answer = serving.send("POST /v1/events?batch=all", &[BATCH], mixed.to_string()).await;
    let outcome = answer.json();
    assert_eq!((answer.status, &outcome["accepted"], &outcome["results"][0]["status"]), (400, &0.into(), &424.into()));
    assert_eq!(serving.bus.stats().accepted, 4, "all or none");
    let answer = serving.send("POST /v1/events?batch=all", &[BATCH], whole.to_string()).await;
    assert_eq!((answer.status, serving.bus.stats().accepted), (202, 6));
    let answer = serving.send("POST /v1/events", &[BATCH], "[]").await;
    assert_eq!((answer.status, answer.json()["results"].as_array().unwrap().len()), (202, 0));
}

#[tokio::test]
async fn what_is_no_batch_or_too_large_a_one_is_refused_whole() {
    let serving = Serving::start_with(plugbus_bus::Bus::default(), |settings| settings.batch_events_max = 3).await;
    for (line, text, status, expected) in [
        ("POST /v1/events", "{}", 400, "the batch is no JSON array of events: invalid type: map"),
        ("POST /v1/events", "[{}", 400, "EOF while parsing a list"),
        ("POST /v1/events", "[] x", 400, "trailing characters"),
        ("POST /v1/events", "[1,2,3,4]", 413, "more than 3 events (http.batch_events_max)"),
        ("POST /v1/events", "[1,2,3,4,5,6]", 413, "more than 3 events (http.batch_events_max)"),
        ("POST /v1/events?wait", "[]", 400, "a batch is not waited for"),
        ("POST /v1/events?batch=some", "[]", 400, "unknown variant `some`, expected `each` or `all`"),
    ] {
        let answer = serving.send(line, &[BATCH], text).await;
        assert_eq!(answer.status, status, "{text}: {answer:?}");
        assert!(answer.detail().contains(expected), "{text}: {}", answer.detail());
    }
    let answer = serving.send("POST /v1/events", &[BATCH], "[1, [], {}]").await;
    assert_eq!((answer.status, &answer.json()["refused"]), (207, &3.into()));
}
