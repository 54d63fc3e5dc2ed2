//! Dead letters over HTTP.

use plugbus_bus::{Event, Failure};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Serving};

/// A gateway, and a handler that rejects what says so.
async fn with_letters(count: usize) -> (Serving, plugbus_bus::Subscription) {
    let serving = Serving::start().await;
    let subscribe = serving.bus.subscribe("orders.>").name("plugin/picky");
    let subscription = subscribe
        .on(|delivery| async move {
            let wanted: Value = delivery.event.payload.parse().map_err(Failure::reject)?;
            if wanted["bad"] == true { Err(Failure::reject("it says bad")) } else { Ok(()) }
        })
        .unwrap();
    for n in 0..count {
        let event = Event::draft("orders.created").unwrap().json(&json!({ "bad": true, "n": n })).unwrap();
        serving.bus.publish_and_wait(event, PATIENCE).await.unwrap();
    }
    (serving, subscription)
}

fn ids(page: &Value) -> Vec<u64> {
    page["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].as_u64().unwrap()).collect()
}

const JSON: &[&str] = &["content-type: application/json"];

#[tokio::test]
async fn pages_begin_with_the_newest_and_join_without_a_gap() {
    let (serving, _subscription) = with_letters(5).await;
    let mut path = "/v1/dead?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = serving.send(&format!("GET {path}"), &[], "").await.json();
        assert_eq!(page["total"], 5);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/v1/dead?limit=2&before={next}");
    }
    let mut wanted = seen.clone();
    wanted.sort_by(|a, b| b.cmp(a));
    wanted.dedup();
    assert_eq!((seen.len(), &seen), (5, &wanted));
    let page = serving.send("GET /v1/dead?topic=other.%3E", &[], "").await.json();
    assert_eq!((ids(&page), &page["total"]), (Vec::new(), &json!(0)));
    assert_eq!(ids(&serving.send("GET /v1/dead?plugin=picky&limit=1", &[], "").await.json()).len(), 1);
}

#[tokio::test]
async fn a_letter_is_shown_with_its_event_and_every_attempt() {
    let (serving, _subscription) = with_letters(1).await;
    let id = ids(&serving.send("GET /v1/dead", &[], "").await.json())[0];
    let letter = serving.send(&format!("GET /v1/dead/{id}"), &[], "").await.json();
    assert_eq!((&letter["subscription"], &letter["kind"]), (&json!("plugin/picky"), &json!("rejected")));
    assert_eq!((&letter["event"]["type"], &letter["event"]["data"]["bad"]), (&json!("orders.created"), &json!(true)));
    assert_eq!(letter["attempts"][0]["kind"], "reject");
    let answer = serving.send("GET /v1/dead/99", &[], "").await;
    assert_eq!((answer.status, &*answer.detail()), (404, "no dead letter 99; GET /v1/dead lists them"));
    assert_eq!(serving.send("GET /v1/dead/x%0A", &[], "").await.detail(), "`x\\n` is no number of a dead letter");
}

#[tokio::test]
async fn letters_are_delivered_again_and_dropped_and_what_was_not_is_said() {
    let (serving, _subscription) = with_letters(3).await;
    let all = ids(&serving.send("GET /v1/dead", &[], "").await.json());
    let body = json!({ "ids": [all[0], 4711] }).to_string();
    let changed = serving.send("POST /v1/dead/replay", JSON, body).await.json();
    assert_eq!(
        (&changed["done"], &changed["failed"][0]["id"], &changed["left"]),
        (&json!([all[0]]), &json!(4711), &json!(0))
    );
    assert!(serving.bus.wait_idle(PATIENCE).await);
    // It was rejected again: a new letter.
    let again = ids(&serving.send("GET /v1/dead", &[], "").await.json());
    assert!(again.len() == 3 && !again.contains(&all[0]), "{again:?}");
    let changed = serving.send("POST /v1/dead/drop", JSON, r#"{"plugin":"picky"}"#).await.json();
    assert_eq!(changed["done"].as_array().unwrap().len(), 3);
    assert_eq!(serving.bus.stats().dead_letters.held, 0);
}

#[tokio::test]
async fn a_selection_that_is_wrong_says_how_it_is_right() {
    let (serving, _subscription) = with_letters(1).await;
    let many = json!({ "ids": (0..1001).collect::<Vec<u64>>() }).to_string();
    for (body, status, detail) in [
        ("{}", 400, "nothing is selected: give `ids`, `plugin`, `topic`, or `all`"),
        (
            r#"{"all":true,"plugin":"a"}"#,
            400,
            "`all` stands beside a selection: give `ids`, `plugin`, `topic`, or `all`",
        ),
        (r#"{"topic":"a..b"}"#, 400, "topic: filter `a..b`"),
        (r#"{"plugin":" "}"#, 400, "plugin: "),
        (r#"{"id":[1]}"#, 422, "unknown field `id`"),
        ("{", 400, "EOF"),
        (&many, 400, "1001 ids; at most 1000 are allowed in one request"),
    ] {
        let answer = serving.send("POST /v1/dead/drop", JSON, body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.detail().contains(detail), "{}", answer.detail());
    }
    let answer = serving.send("POST /v1/dead/drop", &[], "{}").await;
    assert_eq!((answer.status, answer.detail().contains("content-type: application/json")), (415, true));
    for query in ["limit=0", "limit=1001", "limit=x", "other=1", "plugin=a&subscription=b"] {
        assert_eq!(serving.send(&format!("GET /v1/dead?{query}"), &[], "").await.status, 400, "{query}");
    }
    assert_eq!(serving.bus.stats().dead_letters.held, 1);
}
