//! Events come in.

use crate::support::{PATIENCE, Serving};

#[tokio::test]
async fn any_body_is_published_on_the_topic_of_the_path() {
    let serving = Serving::start().await;
    let mut seen = serving.bus.subscribe("build.>").stream().unwrap();
    let answer = serving.send("POST /v1/topics/build.done", &["content-type: application/json"], r#"{"n":1}"#).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let receipt = answer.json();
    let event = tokio::time::timeout(PATIENCE, seen.next()).await.unwrap().unwrap();
    assert_eq!((receipt["id"].as_str().unwrap(), receipt["seq"].as_u64().unwrap()), (&*event.id, event.seq));
    assert_eq!((event.topic.as_str(), &*event.payload.content_type), ("build.done", "application/json"));
    assert_eq!(&event.payload.data[..], br#"{"n":1}"#);
}

#[tokio::test]
async fn what_is_not_there_is_said_as_a_problem() {
    let serving = Serving::start().await;
    let answer = serving.send("GET /v1/nothing", &[], "").await;
    assert_eq!((answer.status, answer.detail().contains("`/v1/nothing`")), (404, true));
    let answer = serving.send("GET /v1/topics/a", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    answer.detail();
}
