//! `route-go`, a plugin in Go, with the routes of its sample manifest.

use plugbus::bus::{Event, Payload};
use serde_json::json;

use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::shipped;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_goes_where_its_content_says() {
    if !shipped::is_there("go") {
        return;
    }
    let host = TestHost::start().await;
    host.put_plugin("route-go", shipped::component("route-go"), &shipped::patient_manifest("route-go"));
    host.until_compiled("route-go").await;
    let out = Recorder::on(host.bus(), "routed.>");
    let events = [
        json!({ "total": 1200, "paid": true, "customer": { "country": "DE" } }),
        json!({ "total": 1200, "paid": false, "customer": { "country": "DE" } }),
        json!({ "customer": { "country": "nowhere" } }),
    ];
    for data in &events {
        host.bus().publish(Event::draft("orders.new").unwrap().payload(Payload::json(data).unwrap())).await.unwrap();
    }
    host.publish("orders.new", "no JSON").await;
    host.until("all are settled", || host.stats("route-go").acked + host.stats("route-go").dead == 4).await;

    let seen: Vec<_> = out.all().iter().map(|event| event.topic.to_string()).collect();
    assert_eq!(seen, ["routed.large", "routed.new.de", "routed.rest"]);
    assert_eq!(out.json("routed.new.de")[0], events[1]);
    assert_eq!((out.all()[1].extension("route"), host.stats("route-go").dead), (Some("country"), 1));
    host.stop().await;
}
