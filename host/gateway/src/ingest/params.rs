//! Path and query, with problems in place of axum's own errors.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use plugbus_bus::Topic;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, chain};

/// The query of a request. Write `deny_unknown_fields` on what it is read into: a misspelt name must not be ignored.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        found.map(|Query(params)| Self(params)).map_err(|error| {
            let detail = chain(&error);
            let detail = detail.trim_start_matches("Failed to deserialize query string: ");
            Problem::bad_request(format!("query: {}", detail.escape_debug()))
        })
    }
}

/// The topic in the path of a request.
pub(crate) struct TopicPath(pub(crate) Topic);

impl<S: Send + Sync> FromRequestParts<S> for TopicPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = found.map_err(|error| Problem::bad_request(format!("path: {}", chain(&error))))?;
        Topic::parse(text).map(Self).map_err(|error| Problem::bad_request(format!("topic {error}")))
    }
}
