//! The OpenAPI document: generated from the handlers, served at `/v1/openapi.json`.

use axum::Router;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, SecurityRequirement};

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

/// Adds the route that shows the document.
pub(crate) fn serve(router: Router<Shared>, document: &Document) -> Router<Shared> {
    // It is made of texts: that it has a JSON form is beyond doubt.
    let text: bytes::Bytes = document.to_json().unwrap_or_default().into();
    let show = move || {
        let answer = ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text.clone());
        async move { answer }
    };
    router.route("/v1/openapi.json", get(show))
}
