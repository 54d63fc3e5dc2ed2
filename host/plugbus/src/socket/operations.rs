//! What each request does. No sockets here: a request in, a response out.

use std::time::Duration;

use plugbus_bus::{Filter, Name, PublishError, Publishing, Receipt, RequestError, Settlement, Watcher};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::counters::count;
use super::protocol::{
    Accepted, ErrorCode, ErrorLine, FILTERS_MAX, PROTOCOL, Position, Request, Response, Settled, SettledAs,
    WAIT_MS_DEFAULT, WAIT_MS_MAX,
};
use super::{Services, event};
use crate::report::chain;
use crate::spool::TakeError;

mod dead;
pub(crate) mod past;
mod plugins;

/// What the names of watchers' subscriptions begin with.
pub(super) const WATCHER_PREFIX: &str = "watch/";

/// Carries out one request. `tail` is not one of them: see [`watch`].
pub(super) async fn answer(services: &Services, request: Request) -> Response {
    let result = match request {
        Request::Ping {} => Ok(pong(services)),
        Request::Publish { event, wait_ms: None } => {
            return finish_publish(begin_publish(services, &event).await).await;
        }
        Request::Publish { event, wait_ms: Some(wait_ms) } => publish_and_wait(services, &event, wait_ms).await,
        Request::Hook { event } => hook(services, &event).await,
        Request::Ask { event, wait_ms } => ask(services, &event, wait_ms.unwrap_or(WAIT_MS_DEFAULT)).await,
        Request::Tail { .. } => Err(ErrorLine::new(ErrorCode::BadRequest, "a watch cannot begin here")),
        Request::Plugins {} => plugins::list(services),
        Request::Plugin { name } => plugins::show(services, &name),
        Request::Reload { name } => plugins::reload(services, &name).await,
        Request::Pause { name } => plugins::pause(services, &name),
        Request::Resume { name } => plugins::resume(services, &name),
        Request::Rescan {} => plugins::rescan(services).await,
        Request::DeadList { select } => dead::list(services, &select),
        Request::DeadShow { id } => dead::show(services, id),
        Request::DeadReplay { select } => dead::replay(services, &select).await,
        Request::DeadDrop { select } => dead::drop_letters(services, &select),
        Request::Replay { past, filters, plugin } => past::replay(services, &past, &filters, plugin).await,
        Request::Stats {} => stats(services),
    };
    result.unwrap_or_else(Response::Error)
}

/// Begins a watch for a client. It is named, so that what a publisher waits for and an operator sees is told from plugins.
pub(super) async fn watch(
    services: &Services,
    filters: &[String],
    from: Option<Position>,
) -> Result<Watcher, ErrorLine> {
    if filters.len() > FILTERS_MAX {
        let message = format!("{} filters; at most {FILTERS_MAX} are allowed in one watch", filters.len());
        return Err(ErrorLine::new(ErrorCode::BadRequest, message));
    }
    let filters = filters.iter().map(|text| {
        Filter::parse(text).map_err(|error| ErrorLine::new(ErrorCode::BadRequest, format!("filter {error}")))
    });
    let filters = filters.collect::<Result<Vec<Filter>, ErrorLine>>()?;
    let number = count(&services.counters.watches);
    let mut watch = services.bus.watch(filters).name(format!("{WATCHER_PREFIX}{number}"));
    watch = watch.limits(services.limits.watch).counters(services.counters.watching.clone());
    if let Some(from) = from {
        let Some(log) = services.bus.event_log() else {
            return Err(ErrorLine::new(ErrorCode::BadRequest, NO_PAST));
        };
        watch = watch.from(past::seq_of(&log, from).await?);
    }
    watch.begin().map_err(|error| {
        let code = if services.bus.is_open() { ErrorCode::Failed } else { ErrorCode::Stopping };
        ErrorLine::new(code, chain(&error))
    })
}

/// There is nothing to begin a watch with.
const NO_PAST: &str = "this host keeps no journal and no history, so there is no past to begin with (`journal.enabled`, `history.events_max`)";

type Result<T, E = ErrorLine> = std::result::Result<T, E>;

fn pong(services: &Services) -> Response {
    let spool = services.taker.as_ref().and_then(|taker| std::path::absolute(taker.path()).ok());
    Response::Pong { version: env!("CARGO_PKG_VERSION").into(), protocol: PROTOCOL, pid: std::process::id(), spool }
}

/// Gives an event its place in the order.
pub(super) async fn begin_publish(services: &Services, event: &RawValue) -> Result<Publishing> {
    services.bus.begin_publish(event::parse_event(event)?).await.map_err(|error| refused(&error))
}

/// Waits until it is accepted.
pub(super) async fn finish_publish(begun: Result<Publishing>) -> Response {
    let finished = async { Ok(accepted(&begun?.finish().await.map_err(|error| refused(&error))?)) };
    finished.await.map_or_else(Response::Error, Response::Accepted)
}

/// Publishes behind what hooks have left: a hook that found no answer in time comes before the next one of its session.
async fn hook(services: &Services, event: &RawValue) -> Result<Response> {
    if let Some(taker) = &services.taker {
        match taker.take_in().await {
            Ok(()) => {}
            Err(TakeError::Refused(error)) => return Err(refused(&error)),
            // The file is the trouble, not the bus: no reason to refuse what comes beside it.
            Err(error) => tracing::debug!(reason = chain(&error), "a hook's event goes before what is in the spool"),
        }
    }
    Ok(finish_publish(begin_publish(services, event).await).await)
}

async fn publish_and_wait(services: &Services, event: &RawValue, wait_ms: u64) -> Result<Response> {
    let wait = wait(wait_ms)?;
    let settled =
        services.bus.publish_and_wait(event::parse_event(event)?, wait).await.map_err(|error| refused(&error))?;
    let results = settled.results.iter().map(|(name, settlement)| settled_line(name, settlement)).collect();
    Ok(Response::Settled { accepted: accepted(&settled.receipt), results })
}

async fn ask(services: &Services, event: &RawValue, wait_ms: u64) -> Result<Response> {
    let reply = services.bus.request(event::parse_event(event)?, wait(wait_ms)?).await;
    let payload = reply.map_err(|error| match &error {
        RequestError::Publish(error) => refused(error),
        other => ErrorLine::new(ErrorCode::NoReply, other.to_string()),
    })?;
    let (text, data_base64) = event::text_or_encoded(&payload);
    Ok(Response::Reply { content_type: payload.content_type.to_string(), text, data_base64 })
}

/// A time that a client asks to wait, within bounds.
fn wait(wait_ms: u64) -> Result<Duration> {
    if wait_ms > WAIT_MS_MAX {
        let message = format!("wait_ms is {wait_ms}; at most {WAIT_MS_MAX} is allowed");
        return Err(ErrorLine::new(ErrorCode::BadRequest, message));
    }
    Ok(Duration::from_millis(wait_ms))
}

fn accepted(receipt: &Receipt) -> Accepted {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let disposition = match to_value(&receipt.disposition) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    };
    Accepted {
        id: receipt.id.to_string(),
        seq: receipt.seq,
        matched: number(receipt.matched),
        dead: number(receipt.dead),
        dropped: number(receipt.dropped),
        disposition,
    }
}

fn refused(error: &PublishError) -> ErrorLine {
    let code = match error {
        PublishError::Full { .. } | PublishError::Busy(_) => ErrorCode::Full,
        PublishError::Journal { .. } => ErrorCode::Failed,
        PublishError::Closed(_) => ErrorCode::Stopping,
        _ => ErrorCode::InvalidEvent,
    };
    ErrorLine::new(code, chain(error))
}

fn settled_line(name: &Name, settlement: &Settlement) -> Settled {
    let (outcome, reason, reply) = match settlement {
        Settlement::Acked(reply) => (SettledAs::Acked, None, reply.0.as_ref()),
        Settlement::Dead(reason) => (SettledAs::Dead, Some(chain(reason)), None),
        Settlement::Dropped => {
            (SettledAs::Dropped, Some("dropped by the queue's policy, or the subscription ended".into()), None)
        }
        Settlement::Pending => {
            (SettledAs::Pending, Some("not settled in the time that was allowed; it goes on".into()), None)
        }
    };
    let (reply_text, reply_base64) = reply.map(event::text_or_encoded).unwrap_or_default();
    let reply_content_type = reply.map(|payload| payload.content_type.to_string());
    Settled { subscription: name.to_string(), outcome, reason, reply_content_type, reply_text, reply_base64 }
}

fn stats(services: &Services) -> Result<Response> {
    Ok(Response::Stats(json!({
        "bus": to_value(&services.bus.stats())?,
        "subscriptions": to_value(&services.bus.subscriptions())?,
        "plugins": services.loader.as_ref().map(|loader| to_value(&loader.stats())).transpose()?,
        "journal": services.journal.as_ref().map(|journal| past::stats(services, &journal.stats())),
        "history": services.bus.history_stats().map(|stats| to_value(&stats)).transpose()?,
        "socket": to_value(&services.counters.read())?,
        "spool": services.taker.as_ref().map(|taker| to_value(&taker.stats())).transpose()?,
        "otlp": services.tracer.as_ref().map(|tracer| to_value(&tracer.stats())).transpose()?,
        "http": http(services)?,
    })))
}

/// What the gateway counted, and where it is.
fn http(services: &Services) -> Result<Value> {
    let mut stats = to_value(&services.gateway.stats())?;
    if let (Value::Object(fields), Some(addr)) = (&mut stats, services.gateway.addr()) {
        fields.insert("address".into(), addr.to_string().into());
    }
    Ok(stats)
}

fn to_value<T: serde::Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> ErrorLine {
    ErrorLine::new(ErrorCode::Failed, chain(error))
}
