//! Requests and their replies.

use plugbus_bus::{Failure, Payload};

use crate::support::Serving;

#[tokio::test]
async fn the_first_reply_is_the_answer() {
    let serving = Serving::start().await;
    let square = |delivery: std::sync::Arc<plugbus_bus::Delivery>| async move {
        let n: i64 = delivery.event.payload.parse().unwrap();
        Payload::json(&(n * n)).unwrap()
    };
    let _asked = serving.bus.subscribe("math.square").on(square).unwrap();
    let answer = serving.send("POST /v1/requests/math.square", &["content-type: application/json"], "7").await;
    assert_eq!(
        (answer.status, answer.header("content-type"), &answer.body[..]),
        (200, Some("application/json"), &b"49"[..])
    );
    assert_eq!(answer.header("content-security-policy"), Some("sandbox; default-src 'none'"));
}

#[tokio::test]
async fn a_media_type_that_is_no_header_is_not_sent() {
    let serving = Serving::start().await;
    let _asked = serving.bus.subscribe("a").on(|_| async { Payload::new("text/plän", "x") }).unwrap();
    let answer = serving.send("POST /v1/requests/a", &[], "").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"x"[..]));
}

#[tokio::test]
async fn no_reply_says_why() {
    let serving = Serving::start().await;
    let answer = serving.send("POST /v1/requests/nobody", &[], "").await;
    assert_eq!((answer.status, answer.detail().as_str()), (404, "nobody subscribes to `nobody`"));
    let _silent = serving.bus.subscribe("silent").on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
    let answer = serving.send("POST /v1/requests/silent", &[], "").await;
    assert_eq!((answer.status, answer.detail().contains("replied (1 settled)")), (424, true));
    let _slow = serving.bus.subscribe("slow").on(|_| std::future::pending::<()>()).unwrap();
    let answer = serving.send("POST /v1/requests/slow?wait=0.01", &[], "").await;
    assert_eq!((answer.status, answer.detail().contains("no reply within 10 ms")), (504, true));
}
