//! What a browser was talked into by another page.

use plugbus_bus::Bus;

use crate::support::Serving;

#[tokio::test]
async fn a_foreign_origin_or_host_reaches_no_route_and_publishes_nothing() {
    let serving = Serving::start().await;
    for line in
        ["POST /v1/topics/a", "GET /v1/stream", "GET /socket.io/", "GET /", "GET /metrics", "GET /v1/openapi.json"]
    {
        let answer = serving.send(line, &["origin: http://evil.example"], "").await;
        assert_eq!(answer.status, 403, "{line}");
        assert!(answer.detail().contains("`http://evil.example` is of another origin"), "{}", answer.detail());
        let answer = serving.send(line, &["host: evil.example"], "").await;
        assert_eq!(answer.status, 421, "{line}");
        assert!(answer.detail().contains("may be a trick of DNS"), "{}", answer.detail());
    }
    let upgrade = ["connection: upgrade", "upgrade: websocket", "origin: http://evil.example"];
    assert_eq!(serving.send("GET /v1/ws", &upgrade, "").await.status, 403);
    assert_eq!((serving.gateway.stats().foreign, serving.bus.stats().accepted), (13, 0));
    let own = format!("origin: http://{}", serving.addr());
    assert_eq!(serving.send("POST /v1/topics/a", &[&own], "").await.status, 202);
    let port = serving.addr().port();
    for host in ["localhost", "127.0.0.1:1", &format!("[::1]:{port}")] {
        assert_eq!(serving.send("POST /v1/topics/a", &[&format!("host: {host}")], "").await.status, 202, "{host}");
    }
}

#[tokio::test]
async fn a_page_that_the_configuration_names_may_ask_and_read() {
    let serving = Serving::start_with(Bus::default(), |settings| {
        settings.origins = vec!["https://tools.example".into()];
        settings.hosts = vec!["bus.example".into()];
    })
    .await;
    let origin = "origin: https://tools.example";
    let answer = serving.send("POST /v1/topics/a", &[origin, "host: bus.example"], "").await;
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!((answer.status, allowed), (202, Some("https://tools.example")));
    let preflight = [origin, "access-control-request-method: POST", "access-control-request-headers: ce-id"];
    let answer = serving.send("OPTIONS /v1/topics/a", &preflight, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-headers")), (200, Some("ce-id")));
}
