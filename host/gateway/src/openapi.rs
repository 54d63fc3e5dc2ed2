//! The OpenAPI document: generated from the handlers, served at `/v1/openapi.json`.

use axum::Router;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use plugbus_bus::JSON;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, SecurityRequirement};

use crate::problem::PROBLEM_JSON;
use crate::shared::Shared;

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "plugbus",
        description = "The HTTP gateway of a plugbus host: publish events, see them as they happen, look after plugins.",
        license(name = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "publish", description = "Events come in"),
        (name = "auth", description = "Who asks"),
    ),
)]
struct About;

/// The document without routes. A token is needed where the host has a file of them, and nowhere else.
pub(crate) fn document() -> Document {
    let mut document = About::openapi();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", bearer);
    document.security =
        Some(vec![SecurityRequirement::default(), SecurityRequirement::new("token", [] as [String; 0])]);
    document
}

/// The document as it is served: with what the generator cannot know of media types.
pub(crate) fn finish(document: &Document) -> Value {
    // It is made of texts: that it has a JSON form is beyond doubt.
    let mut json = serde_json::to_value(document).unwrap_or_default();
    let paths = json.pointer_mut("/paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if let Some(content) = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut) {
            tidy(content);
        }
        let responses = operation.pointer_mut("/responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(Map::values_mut) {
            if let Some(content) = response.pointer_mut("/content").and_then(Value::as_object_mut) {
                tidy(content);
            }
        }
    }
    json
}

/// A problem has a media type of its own, and bytes are no array of numbers.
fn tidy(content: &mut Map<String, Value>) {
    let is_problem = |found: &Value| found.pointer("/schema/$ref") == Some(&json!("#/components/schemas/Problem"));
    if content.get(JSON).is_some_and(is_problem)
        && let Some(found) = content.remove(JSON)
    {
        content.insert(PROBLEM_JSON.into(), found);
    }
    if let Some(found) = content.get_mut("application/octet-stream") {
        *found = json!({ "schema": { "type": "string", "format": "binary" } });
    }
}

/// Adds the route that shows the document.
pub(crate) fn serve(router: Router<Shared>, document: &Value) -> Router<Shared> {
    let text: bytes::Bytes = document.to_string().into();
    let show = move || {
        let answer = ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text.clone());
        async move { answer }
    };
    router.route("/v1/openapi.json", get(show))
}
