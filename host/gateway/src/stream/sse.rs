//! `GET /v1/stream`: server-sent events.

use std::convert::Infallible;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use plugbus_bus::{Watched, Watcher};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Open;
use super::begin::{Begin, Wanted, begin, watch};
use super::filters;
use super::missed::Missed;
use super::query::Query;
use crate::auth::{Identity, REVOKED};
use crate::problem::Problem;
use crate::shared::Shared;

/// How long a browser waits before it connects again, milliseconds.
const RETRY_MS: u32 = 1000;
/// Events are collected up to so many bytes while more are at hand.
const CHUNK_BYTES: usize = 32 << 10;
/// What readers are told at the end.
const STOPPED: &str = "the host has stopped";
/// What a browser sends when it connects again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Events as they happen, as server-sent events. Each is an event in the JSON format of CloudEvents 1.0, with its number as `id`: a
/// browser that connects again goes on behind the last one it has seen. What is not there any more, or was read too slowly,
/// is told as an event `missed`; `bye` says that the host stops, or that the token is no longer known.
#[utoipa::path(
    get,
    path = "/v1/stream",
    params(
        ("filter" = Option<Vec<String>>, Query, description = "Topic filters, as many as one likes; none means `>`", example = json!(["build.>"])),
        ("from" = Option<String>, Query, description = "Begin with the past: a number, a time, or how long ago (`17`, `2026-11-24T09:30:00Z`, `1h`)"),
        ("names" = Option<String>, Query, description = "`topic` names each event by its topic; `message`, the default, does not"),
        ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event seen; stronger than `from`"),
    ),
    responses((status = OK, content_type = "text/event-stream", body = String), (status = "4XX", body = Problem), (status = 503, body = Problem)),
)]
pub(crate) async fn stream(
    State(shared): State<Shared>,
    identity: Identity,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["filter", "from", "names"], SystemTime::now())?;
    let filters = filters::parse(&query.filters, &identity)?;
    let log = shared.bus.event_log();
    let wanted = match (last_event_id(&headers)?, query.from, &log) {
        (Some(last), ..) => Wanted::After(last),
        (None, Some(position), Some(log)) => Wanted::From(position.seq(log).await?),
        (None, Some(_), None) => return Err(super::begin::no_past()),
        (None, None, _) => Wanted::Live,
    };
    let Begin { from, missed } = begin(wanted, log.map(|log| log.span()))?;
    // Before the response: whatever is accepted after that has been read is seen.
    let watcher = watch(&shared, filters, from)?;
    let mut text = format!("retry: {RETRY_MS}\n");
    // So that a browser whose connection breaks before the first event still knows where it was.
    push_id(&mut text, from.map_or_else(|| watcher.position(), |from| from.saturating_sub(1)));
    text.push_str("\n:plugbus\n\n");
    if let Some(missed) = missed {
        push_missed(&mut text, &missed);
    }
    let feed = Feed::new(shared, identity, watcher, query.named, text);
    let body = Body::from_stream(futures_util::stream::unfold(feed, Feed::next));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Proxies that collect an answer before they hand it on would hold back every event.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// The number of the last event that a browser has seen; an empty header counts as none.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or("?").trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Problem::bad_request("the header Last-Event-ID is not the number of an event");
    text.parse().map(Some).map_err(|_| wrong())
}

/// What is written to one reader.
struct Feed {
    shared: Shared,
    identity: Identity,
    watcher: Watcher,
    named: bool,
    heartbeat: Interval,
    /// To be written first.
    text: String,
    /// Why it has ended, once it has.
    ended: Option<&'static str>,
    _open: Open,
}

/// Why a feed goes on.
enum Wake {
    Seen(Watched),
    Heartbeat,
    Ended(&'static str),
}

impl Feed {
    fn new(shared: Shared, identity: Identity, watcher: Watcher, named: bool, text: String) -> Self {
        let every = shared.settings.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let open = Open::enter(&shared, |counters| &counters.streams_open);
        Self { shared, identity, watcher, named, heartbeat, text, ended: None, _open: open }
    }

    /// The next chunk; it is made only when there is room to write it, so that a slow reader holds back its watcher.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.ended.is_some() {
            return None;
        }
        if self.text.is_empty() {
            let wake = tokio::select! {
                biased;
                () = self.shared.closed() => Wake::Ended(STOPPED),
                () = self.identity.revoked() => Wake::Ended(REVOKED),
                seen = self.watcher.next() => seen.map_or(Wake::Ended(STOPPED), Wake::Seen),
                _ = self.heartbeat.tick() => Wake::Heartbeat,
            };
            match wake {
                Wake::Seen(seen) => self.push(&seen),
                Wake::Heartbeat => {
                    push_id(&mut self.text, self.watcher.position());
                    self.text.push_str(":\n\n");
                }
                Wake::Ended(reason) => self.ended = Some(reason),
            }
            while self.text.len() < CHUNK_BYTES
                && self.ended != Some(REVOKED)
                && let Some(seen) = self.watcher.try_next()
            {
                self.push(&seen);
            }
            if let Some(reason) = self.ended {
                self.text.push_str(&format!("event: bye\ndata: {{\"reason\":\"{reason}\"}}\n\n"));
            } else {
                self.heartbeat.reset();
            }
        }
        let chunk = Bytes::from(std::mem::take(&mut self.text));
        Some((Ok(chunk), self))
    }

    fn push(&mut self, seen: &Watched) {
        if let Some(missed) = Missed::of(seen) {
            push_missed(&mut self.text, &missed);
        }
        let Watched::Event(event) = seen else { return };
        match self.shared.encoded.json(event) {
            Ok(json) => {
                if event.seq > 0 {
                    push_id(&mut self.text, event.seq);
                }
                if self.named {
                    self.text.push_str("event: ");
                    self.text.push_str(event.topic.as_str());
                    self.text.push('\n');
                }
                self.text.push_str("data: ");
                self.text.push_str(json.get());
                self.text.push_str("\n\n");
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "an event has no JSON form"),
        }
    }
}

fn push_id(text: &mut String, seq: u64) {
    text.push_str("id: ");
    text.push_str(&seq.to_string());
    text.push('\n');
}

fn push_missed(text: &mut String, missed: &Missed) {
    text.push_str("event: missed\ndata: ");
    // Numbers and names: that they have a JSON form is beyond doubt.
    text.push_str(&serde_json::to_string(missed).unwrap_or_default());
    text.push_str("\n\n");
}
