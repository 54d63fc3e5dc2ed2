//! `GET /v1/history`: events of the past, page by page.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{RawQuery, State};
use plugbus_bus::cloudevents::raw::write as to_raw_json;
use plugbus_bus::{Event, EventLog, Filter};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::begin::no_past;
use super::filters;
use super::query::Query;
use crate::auth::Identity;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// Events on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// Most events on a page.
const LIMIT_MAX: usize = 1000;
/// Events that are looked at for one page, wanted or not: a filter that matches little gives a short page instead of a long wait.
const SCAN_MAX: u64 = 20_000;
/// About the most bytes of a page.
const PAGE_BYTES: usize = 4 << 20;
/// Most events in one read.
const READ_EVENTS: usize = 1000;

/// A page of the past.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryPage)]
pub(crate) struct Page {
    /// Events in the JSON format of CloudEvents 1.0, in the order of their numbers.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Box<RawValue>>,
    /// Where the next page begins (`from`); null where there is nothing after this one yet.
    next: Option<u64>,
    /// The first number that is remembered.
    first: u64,
    /// The last number that is remembered.
    last: u64,
}

/// Events of the past.
#[utoipa::path(
    get,
    path = "/v1/history",
    params(
        ("filter" = Option<Vec<String>>, Query, description = "Topic filters, as many as one likes; none means `>`", example = json!(["build.>"])),
        ("from" = Option<String>, Query, description = "Where to begin: a number, a time, or how long ago (`17`, `2026-11-24T09:30:00Z`, `1h`); with the oldest event where it is absent"),
        ("limit" = Option<u32>, Query, description = "Events on the page, 100 unless it says otherwise, at most 1000", minimum = 1, maximum = 1000),
    ),
    responses((status = OK, body = Page), (status = "4XX", body = Problem), (status = 503, body = Problem)),
)]
pub(crate) async fn history(
    State(shared): State<Shared>,
    identity: Identity,
    RawQuery(query): RawQuery,
) -> Result<Json<Page>, Problem> {
    let query = Query::parse(query.as_deref(), &["filter", "from", "limit"], SystemTime::now())?;
    let filters = filters::parse(&query.filters, &identity)?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if limit > LIMIT_MAX {
        return Err(Problem::bad_request(format!("`limit` is {limit}; at most {LIMIT_MAX} is allowed")));
    }
    let log = shared.bus.event_log().ok_or_else(no_past)?;
    let from = match query.from {
        Some(position) => position.seq(&log).await?,
        None => 0,
    };
    let page = read(&log, &filters, from, limit).await?;
    Ok(Json(page))
}

async fn read(log: &EventLog, filters: &[Filter], from: u64, limit: usize) -> Result<Page, Problem> {
    let mut page = Page { events: Vec::new(), next: None, first: 0, last: 0 };
    let mut next = from.max(1);
    let mut bytes = 0;
    let mut begun = None;
    loop {
        let batch = log.read(next, READ_EVENTS, PAGE_BYTES).await;
        let batch = batch.map_err(|error| Problem::unavailable(chain(&error)))?;
        (page.first, page.last) = (batch.first, batch.last);
        next = next.max(batch.first);
        let begun = *begun.get_or_insert(next);
        if batch.events.is_empty() {
            return Ok(page);
        }
        for event in &batch.events {
            if page.events.len() >= limit || bytes >= PAGE_BYTES || event.seq - begun >= SCAN_MAX {
                page.next = Some(event.seq);
                return Ok(page);
            }
            next = event.seq + 1;
            if wanted(filters, event) {
                let json = to_raw_json(event).map_err(|error| Problem::internal(chain(&error)))?;
                bytes += json.get().len();
                page.events.push(json);
            }
        }
    }
}

fn wanted(filters: &[Filter], event: &Event) -> bool {
    filters.iter().any(|filter| filter.matches(&event.topic))
}
