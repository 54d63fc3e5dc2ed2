//! The document that describes the routes.

use crate::support::Serving;

#[tokio::test]
async fn the_document_is_openapi_3_1_and_names_every_way_in() {
    let serving = Serving::start().await;
    let answer = serving.send("GET /v1/openapi.json", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/v1/events", "/v1/topics/{topic}", "/v1/requests/{topic}", "/v1/login"] {
        assert!(document["paths"][path]["post"]["responses"].is_object(), "{path}");
    }
    let content = document["paths"]["/v1/events"]["post"]["requestBody"]["content"].as_object().unwrap();
    for media in ["application/cloudevents+json", "application/cloudevents-batch+json"] {
        assert!(content.contains_key(media), "{media}");
    }
    let refused = &document["paths"]["/v1/topics/{topic}"]["post"]["responses"]["4XX"]["content"];
    assert!(refused["application/problem+json"]["schema"].is_object(), "{refused}");
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}
