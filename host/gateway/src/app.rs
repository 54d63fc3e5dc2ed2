//! The routes and what stands before them.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode, Uri};
use serde_json::Value;
use tower_http::cors::{AllowHeaders, AllowMethods, CorsLayer};
use utoipa_axum::router::OpenApiRouter;

use crate::counters::count;
use crate::gateway::GatewayError;
use crate::problem::{self, Problem};
use crate::shared::{Phase, Shared};
use crate::{auth, dashboard, guard, health, ingest, manage, metrics, openapi, rate, socketio, stream};

/// All routes, and the document that describes them.
///
/// From the outside in: count and look to the form of answers, guard against foreign pages, say who asks, take permits.
///
/// # Errors
/// Where an origin that is to be let in is none.
pub(crate) fn assemble(shared: &Shared) -> Result<(Router, Value), GatewayError> {
    let (routes, openapi) = OpenApiRouter::with_openapi(openapi::document())
        .merge(ingest::routes())
        .merge(stream::routes())
        .merge(socketio::routes(shared))
        .merge(manage::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(dashboard::routes())
        .merge(auth::routes())
        .split_for_parts();
    let openapi = openapi::finish(&openapi);
    let mut router = openapi::serve(routes, &openapi)
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(shared.clone(), rate::limit))
        .layer(from_fn_with_state(shared.clone(), auth::identify));
    if let Some(cors) = cors(&shared.settings.origins)? {
        router = router.layer(cors);
    }
    let router = router
        .layer(from_fn_with_state(shared.clone(), guard::guard))
        .layer(from_fn_with_state(shared.clone(), outermost));
    Ok((router.with_state(shared.clone()), openapi))
}

/// What pages of other origins, which the configuration names, may do: everything that their token allows.
fn cors(origins: &[String]) -> Result<Option<CorsLayer>, GatewayError> {
    let values = origins.iter().map(|origin| {
        let fits = origin.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.contains('/'));
        let value = HeaderValue::from_str(origin).ok().filter(|_| fits);
        value.ok_or_else(|| GatewayError::Origin { origin: origin.clone() })
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let layer = CorsLayer::new().allow_origin(values).allow_methods(AllowMethods::mirror_request());
    Ok((!origins.is_empty()).then(|| layer.allow_headers(AllowHeaders::mirror_request())))
}

/// Counts, refuses what comes after the end, and gives every error the form of a problem.
async fn outermost(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    count(&shared.counters.requests);
    let answer = if *shared.phase.borrow() == Phase::Serving { next.run(request).await } else { stopping() };
    let mut answer = problem::in_form(answer).await;
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = answer.status();
    if status.is_client_error() {
        count(&shared.counters.client_errors);
    } else if status.is_server_error() {
        count(&shared.counters.server_errors);
    }
    answer
}

fn stopping() -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the host is stopping; try again when it has started")
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        .with_header(CONNECTION, HeaderValue::from_static("close"))
        .into_response()
}

async fn no_route(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`; /v1/openapi.json lists what there is", shown(&uri)))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}; the header Allow says what it takes", shown(&uri));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// The path, cut to what a message can hold.
fn shown(uri: &Uri) -> String {
    uri.path().chars().take(200).collect::<String>().escape_debug().to_string()
}
