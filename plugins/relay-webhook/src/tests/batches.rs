//! Several events in one request.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

const TICK: &str = "plugbus.tick.relay-webhook";
/// A batch that nothing but a test's own bound makes due.
const PATIENT: &str = r#"{ "events_max": 1000, "bytes_max": 786432, "age_ms": 3600000 }"#;

fn batch_host(more: Value) -> (Host<RelayWebhook>, Rc<Cell<u16>>) {
    let mut batch: Value = serde_json::from_str(PATIENT).unwrap();
    for (key, value) in more.as_object().unwrap() {
        batch[key] = value.clone();
    }
    let mut host = host(json!({ "batch": batch }));
    let status = Rc::new(Cell::new(200));
    let answer = status.clone();
    host.http(move |_| Ok(Response::new(answer.get())));
    (host, status)
}

/// The ids of the events of each request.
fn ids(host: &Host<RelayWebhook>) -> Vec<Vec<String>> {
    let ids = |body: &[u8]| {
        let events: Vec<Value> = serde_json::from_slice(body).unwrap();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    host.requests().iter().map(|request| ids(&request.body)).collect()
}

fn send_ids(host: &mut Host<RelayWebhook>, ids: &[&str]) -> Vec<bool> {
    ids.iter().map(|id| host.send(event("a").id(*id).json(&json!({ "n": 1 }))).is_ok()).collect()
}

#[test]
fn events_go_together_when_there_are_enough_of_them() {
    let (mut host, _) = batch_host(json!({ "events_max": 3 }));
    send_ids(&mut host, &["1", "2"]);
    assert!(host.requests().is_empty());
    send_ids(&mut host, &["3", "4", "5", "6", "7"]);
    assert_eq!(ids(&host), [["1", "2", "3"], ["4", "5", "6"]]);
    let request = &host.requests()[0];
    assert_eq!(request.headers, [("content-type".to_owned(), "application/cloudevents-batch+json".to_owned())]);
    let events: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&events[0]["type"], &events[0]["data"]), (&json!("a"), &json!({ "n": 1 })));
}

#[test]
fn what_waits_is_sent_before_an_event_that_would_make_it_too_large() {
    let (mut host, _) = batch_host(json!({ "bytes_max": 1400 }));
    let large = |id: &str| event("a").id(id).text("x".repeat(400));
    for id in ["1", "2", "3", "4"] {
        host.send(large(id)).unwrap();
    }
    assert_eq!(ids(&host), [["1", "2"]], "the fourth would be over again, and waits for its own");
    assert!(host.requests()[0].body.len() <= 1400 + 3);
    host.send(large("5")).unwrap();
    assert_eq!(ids(&host), [["1", "2"], ["3", "4"]]);
}

#[test]
fn an_event_that_the_store_cannot_keep_goes_at_once_with_those_before_it() {
    let (mut host, status) = batch_host(json!({}));
    send_ids(&mut host, &["1"]);
    let huge = || event("a").id("2").text("x".repeat(70_000));
    status.set(503);
    assert!(host.send(huge()).unwrap_err().is_retry());
    status.set(200);
    host.send(huge()).unwrap();
    send_ids(&mut host, &["3"]);
    assert_eq!(ids(&host), [["1", "2"], ["1", "2"]]);
    host.limit_state_bytes(300);
    send_ids(&mut host, &["4"]);
    assert_eq!(ids(&host)[2], ["3", "4"], "a full store makes room for itself");
}

#[test]
fn a_tick_sends_what_is_old_and_nothing_else() {
    let (mut host, _) = batch_host(json!({}));
    host.send(event(TICK)).unwrap();
    send_ids(&mut host, &["1", "2"]);
    host.send(event(TICK)).unwrap();
    assert!(host.requests().is_empty());
    host.reload(json!({ "url": URL, "batch": { "age_ms": 1 } })).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    host.send(event(TICK)).unwrap();
    host.send(event(TICK)).unwrap();
    assert_eq!(ids(&host), [["1", "2"]], "over a reload, and once");
}

#[test]
fn while_the_receiver_fails_nothing_is_lost_and_the_order_stays() {
    let (mut host, status) = batch_host(json!({ "events_max": 2 }));
    status.set(503);
    assert_eq!(send_ids(&mut host, &["1", "2", "2"]), [true, false, false], "it comes again");
    let aged = json!({ "url": URL, "batch": { "events_max": 2, "age_ms": 1 } });
    host.reload(aged).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    assert!(host.send(event(TICK)).unwrap_err().is_retry());
    assert!(host.logs().iter().any(|line| line.message == "1 events wait on: webhook answered 503"));
    status.set(200);
    host.reload(json!({ "url": URL, "batch": { "events_max": 2 } })).unwrap();
    assert_eq!(send_ids(&mut host, &["2", "3", "4"]), [true, true, true]);
    let ids = ids(&host);
    assert_eq!(ids[..3], [&["1", "2"][..], &["1", "2"], &["1"]]);
    assert_eq!(ids[3..], [["1", "2"], ["3", "4"]]);
}

#[test]
fn a_batch_has_the_same_id_at_every_attempt() {
    let config =
        json!({ "sign": { "secrets": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }, "batch": { "events_max": 2 } });
    let mut host = host(config);
    host.http(|_| Ok(Response::new(503)));
    assert_eq!(send_ids(&mut host, &["1", "2", "2", "3"]), [true, false, false, false]);
    let ids: Vec<_> = host.requests().iter().map(|request| signature(request)[0]).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn a_batch_that_is_refused_stays_or_goes_where_the_configuration_says() {
    let (mut host, status) = batch_host(json!({ "events_max": 2 }));
    status.set(400);
    assert_eq!(send_ids(&mut host, &["1", "2", "3"]), [true, false, false]);
    status.set(200);
    assert_eq!(send_ids(&mut host, &["4"]), [true]);
    assert_eq!(ids(&host)[2], ["1", "4"], "2 and 3 are dead letters of the host");

    let (mut host, status) = batch_host(json!({ "events_max": 2, "refused_topic": "webhook.refused" }));
    host.grant_publish(&["webhook.refused"]);
    status.set(400);
    assert_eq!(send_ids(&mut host, &["1", "2", "3"]), [true, true, true]);
    let [refused] = host.published() else { panic!("one event") };
    let refused: Value = refused.json().unwrap();
    assert_eq!((&refused["reason"], &refused["events"][1]["id"]), (&json!("webhook answered 400"), &json!("2")));
    host.grant_publish(&[]);
    assert_eq!(send_ids(&mut host, &["4"]), [false], "not granted, so nothing is thrown away");
    status.set(200);
    assert_eq!(send_ids(&mut host, &["5"]), [true]);
    assert_eq!(ids(&host).last().unwrap(), &["3", "5"]);
}

#[test]
fn a_template_makes_one_body_of_a_batch() {
    let body = "{% for event in events %}{{ event.id }} {{ event.data | json }}\n{% endfor %}";
    let template = json!({ "body": body, "content_type": "text/plain" });
    let mut host = host(json!({ "template": template, "batch": { "events_max": 2 } }));
    host.http(|_| Ok(Response::new(200)));
    send_ids(&mut host, &["1", "2"]);
    assert_eq!(host.requests()[0].body, b"1 {\"n\":1}\n2 {\"n\":1}\n");
}

#[test]
fn events_that_an_earlier_configuration_left_waiting_are_told_once() {
    let (mut host, _) = batch_host(json!({}));
    send_ids(&mut host, &["1", "2"]);
    host.reload(json!({ "url": URL })).unwrap();
    send_ids(&mut host, &["3", "4"]);
    let warnings: Vec<_> = host.logs().iter().map(|line| line.message.as_str()).collect();
    assert_eq!(warnings, ["2 events wait in the store for a batch: set `[config.batch]` again and they are sent"]);
}
