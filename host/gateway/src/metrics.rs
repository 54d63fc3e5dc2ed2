//! `GET /metrics`: everything that is counted, in the text format of Prometheus.
//!
//! Nothing is registered and nothing is kept: each request reads the counters as they are. What a part counts is read from its
//! figures by name, so that a new counter appears by itself; the tables in [`tables`] add kinds, units and words.
//!
//! Label sets are bounded: plugins by `loader.plugins_max`, subscriptions by [`SUBSCRIPTIONS_MAX`]; those that only look are
//! left out, since each has a name of its own.

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Identity;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

mod encode;
mod family;
mod fields;
mod tables;

pub use family::{Family, Kind, Labels, Number, Sample};
pub use fields::{Field, read};

/// Subscriptions with metrics of their own; the number of the others is a metric.
const SUBSCRIPTIONS_MAX: usize = 1000;

/// The text format, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Every counter as a Prometheus metric.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = OK, body = String, content_type = "text/plain"), (status = "4XX", body = Problem)),
)]
pub(crate) async fn metrics(State(shared): State<Shared>, identity: Identity) -> Result<impl IntoResponse, Problem> {
    identity.require_admin()?;
    let failed = |error: &dyn std::error::Error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, chain(error));
    let families = collect(&shared).map_err(|error| failed(&error))?;
    let text = encode::text(families).map_err(|error| failed(&error))?;
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], text))
}

/// Reads everything.
fn collect(shared: &Shared) -> Result<Vec<Family>, serde_json::Error> {
    let alone = |value: Value| vec![(Labels::new(), value)];
    let mut families = vec![Family::gauge(
        "plugbus_build_info",
        "Always 1; the label is the version.",
        vec![Sample::new(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], Number::Whole(1))],
    )];
    families.extend(read("plugbus_bus", tables::BUS, &alone(serde_json::to_value(shared.bus.stats())?)));
    families.extend(read("plugbus_http", tables::HTTP, &alone(serde_json::to_value(shared.counters.read())?)));
    let history = shared.bus.history_stats().map(serde_json::to_value).transpose()?;
    families.extend(read("plugbus_history", tables::HISTORY, &alone(history.unwrap_or_default())));
    families.extend(subscriptions(shared)?);
    families.extend(shared.admin.iter().flat_map(|admin| admin.metrics()));
    Ok(families)
}

fn subscriptions(shared: &Shared) -> Result<Vec<Family>, serde_json::Error> {
    let mut all = shared.bus.subscriptions();
    all.retain(|subscription| !tables::LOOKING.contains(&subscription.kind));
    // Plugins first: of them there are only so many.
    all.sort_by_key(|subscription| !subscription.name.as_str().starts_with("plugin/"));
    let unlisted = all.len().saturating_sub(SUBSCRIPTIONS_MAX);
    all.truncate(SUBSCRIPTIONS_MAX);

    let labels = |name: &plugbus_bus::Name| vec![("subscription", name.to_string())];
    let (mut rows, mut times, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for subscription in &all {
        rows.push((labels(&subscription.name), serde_json::to_value(subscription)?));
        let time = Number::seconds(&subscription.handler_ns);
        times.push(Sample::new(labels(&subscription.name), time));
        faults.extend(subscription.faults_by_kind.iter().map(|(kind, count)| {
            let labels = [labels(&subscription.name), vec![("kind", (*kind).to_owned())]].concat();
            Sample::new(labels, Number::Whole(*count))
        }));
    }
    let mut families = read("plugbus_subscription", tables::SUBSCRIPTION, &rows);
    families.push(Family::new("plugbus_subscription_handler_seconds", "Time of one attempt.", Kind::Histogram, times));
    families.push(Family::new(
        "plugbus_subscription_faults",
        "Attempts that ended in a fault, by kind.",
        Kind::Counter,
        faults,
    ));
    let unlisted = vec![Sample::new(Labels::new(), Number::Whole(u64::try_from(unlisted).unwrap_or(u64::MAX)))];
    families.push(Family::gauge(
        "plugbus_subscriptions_unlisted",
        "Subscriptions without metrics: there are too many.",
        unlisted,
    ));
    Ok(families)
}
