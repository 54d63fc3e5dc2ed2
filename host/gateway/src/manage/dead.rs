//! `/v1/dead`: dead letters listed, shown, delivered again, dropped.
//!
//! What bounds it: a page of a list, and the letters that one request replays or drops ([`LETTERS_MAX`]).

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::StatusCode;
use plugbus_bus::{AttemptRecord, DeadChosen, DeadFilter, DeadLetter, DeadSelect, Filter, Name, cloudevents};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::auth::Identity;
use crate::problem::{Problem, chain};
use crate::shared::Shared;

/// Letters on one page, and letters that one request changes, at most.
const LETTERS_MAX: usize = 1000;
/// Letters on a page where no number is asked for.
const PAGE: usize = 100;

/// Which letters, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    /// Only those of this plugin.
    plugin: Option<String>,
    /// Only those of this subscription.
    subscription: Option<String>,
    /// Only those on topics that this filter matches.
    topic: Option<String>,
    /// Only those with smaller numbers: the `next` of the page before.
    before: Option<u64>,
    /// How many, at most 1000. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadPage)]
pub(crate) struct Page {
    /// The newest first.
    dead_letters: Vec<Short>,
    /// How many match in all.
    total: usize,
    /// Where the next page begins (`before`); none on the last.
    next: Option<u64>,
}

/// What a list says of a dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Short {
    /// Its number.
    id: u64,
    /// When it was given up, in nanoseconds since the Unix epoch.
    time_ns: u64,
    /// Whose delivery it was; none where the event reached no subscription.
    subscription: Option<String>,
    topic: String,
    event_id: String,
    /// Why, in one word.
    #[schema(example = "exhausted")]
    kind: &'static str,
    /// Why.
    reason: String,
    attempts_made: usize,
}

impl From<&DeadLetter> for Short {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id,
            time_ns: letter.time_ns,
            subscription: letter.subscription.as_ref().map(ToString::to_string),
            topic: letter.event.topic.to_string(),
            event_id: letter.event.id.to_string(),
            kind: letter.reason.name(),
            reason: chain(&letter.reason),
            attempts_made: letter.attempts.len(),
        }
    }
}

/// A dead letter in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Whole {
    #[serde(flatten)]
    short: Short,
    /// The event, as a CloudEvent; JSON data as it came, byte for byte.
    #[schema(value_type = Object)]
    event: Box<RawValue>,
    /// The attempts, first to last, each with `kind`, `reason`, `stderr` and `backtrace`.
    #[schema(value_type = Vec<Object>)]
    attempts: Vec<AttemptRecord>,
}

/// Which letters are meant: `ids`, or `plugin` and `topic`, or `all`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Select {
    /// These, at most 1000.
    #[serde(default)]
    ids: Vec<u64>,
    /// Those of this plugin.
    plugin: Option<String>,
    /// Those on topics that this filter matches.
    topic: Option<String>,
    /// All there are. Must be true where nothing else is named.
    #[serde(default)]
    all: bool,
}

/// What became of the letters that were meant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    /// Replayed or dropped.
    done: Vec<u64>,
    /// Not, and why.
    failed: Vec<NotChanged>,
    /// Letters that are meant too and were too many for one request: ask again.
    left: usize,
}

/// A letter that was not replayed or dropped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotChanged {
    id: u64,
    reason: String,
}

/// List dead letters, the newest first.
#[utoipa::path(
    get, path = "/v1/dead", tag = "dead letters", params(Listing),
    responses((status = OK, body = Page), (status = "4XX", body = Problem)),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    identity: Identity,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    identity.require_admin()?;
    let Query(listing) = listing.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = listing.limit.unwrap_or(PAGE);
    if !(1..=LETTERS_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is {limit}; 1 to {LETTERS_MAX} are allowed")));
    }
    let subscription = match (&listing.plugin, &listing.subscription) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("give `plugin` or `subscription`, not both")),
        (Some(plugin), None) => Some(name("plugin", &format!("plugin/{plugin}"))?),
        (None, Some(subscription)) => Some(name("subscription", subscription)?),
        (None, None) => None,
    };
    let filter = DeadFilter { subscription, topic: topic(listing.topic.as_deref())?, ..DeadFilter::default() };
    let letters = shared.bus.dead_letters().list(&filter);
    let total = letters.len();
    let older = letters.iter().rev().filter(|letter| listing.before.is_none_or(|before| letter.id < before));
    let mut dead_letters: Vec<Short> = older.take(limit.saturating_add(1)).map(Short::from).collect();
    let more = dead_letters.len() > limit;
    dead_letters.truncate(limit);
    let next = dead_letters.last().filter(|_| more).map(|letter| letter.id);
    Ok(Json(Page { dead_letters, total, next }))
}

/// Show a dead letter: its event, and every attempt with the backtrace of its fault.
#[utoipa::path(
    get, path = "/v1/dead/{id}", tag = "dead letters",
    params(("id" = u64, Path, description = "Its number")),
    responses((status = OK, body = Whole), (status = "4XX", body = Problem)),
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Whole>, Problem> {
    identity.require_admin()?;
    let number: u64 = id.parse().map_err(|_| {
        let shown: String = id.chars().take(40).collect();
        Problem::bad_request(format!("`{}` is no number of a dead letter", shown.escape_debug()))
    })?;
    let letter = shared.bus.dead_letters().get(number).ok_or_else(|| Problem::not_found(no_letter(number)))?;
    let event = cloudevents::raw::write(&letter.event);
    let event = event.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, chain(&error)))?;
    Ok(Json(Whole { short: Short::from(&letter), event, attempts: letter.attempts }))
}

/// Deliver dead letters again, each to its own subscription.
#[utoipa::path(
    post, path = "/v1/dead/replay", tag = "dead letters", request_body = Select,
    responses((status = OK, body = Changed), (status = "4XX", body = Problem)),
)]
pub(crate) async fn replay(
    State(shared): State<Shared>,
    identity: Identity,
    select: Result<Json<Select>, JsonRejection>,
) -> Result<Json<Changed>, Problem> {
    identity.require_admin()?;
    let (ids, mut changed) = chosen(&shared, &body(select)?)?;
    for id in ids {
        let replayed = shared.bus.dead_letters().replay(id).await;
        changed.note(id, replayed.map_err(|error| chain(&error)));
    }
    Ok(Json(changed))
}

/// Drop dead letters for good.
#[utoipa::path(
    post, path = "/v1/dead/drop", tag = "dead letters", request_body = Select,
    responses((status = OK, body = Changed), (status = "4XX", body = Problem)),
)]
pub(crate) async fn drop_letters(
    State(shared): State<Shared>,
    identity: Identity,
    select: Result<Json<Select>, JsonRejection>,
) -> Result<Json<Changed>, Problem> {
    identity.require_admin()?;
    let (ids, mut changed) = chosen(&shared, &body(select)?)?;
    for id in ids {
        let dropped = shared.bus.dead_letters().remove(id);
        changed.note(id, dropped.map(|_| ()).ok_or_else(|| no_letter(id)));
    }
    Ok(Json(changed))
}

impl Changed {
    fn note(&mut self, id: u64, result: Result<(), String>) {
        match result {
            Ok(()) => self.done.push(id),
            Err(reason) => self.failed.push(NotChanged { id, reason }),
        }
    }
}

fn body(select: Result<Json<Select>, JsonRejection>) -> Result<Select, Problem> {
    match select {
        Ok(Json(select)) => Ok(select),
        Err(JsonRejection::MissingJsonContentType(_)) => {
            let detail = "the body must be JSON, with the header `content-type: application/json`";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
        Err(error) => Err(Problem::new(error.status(), error.body_text())),
    }
}

/// The numbers that a selection means, oldest first, and the answer so far. Numbers that do not exist are failures.
fn chosen(shared: &Shared, select: &Select) -> Result<(Vec<u64>, Changed), Problem> {
    let Select { ids, plugin, topic, all } = select;
    let select = DeadSelect { ids, plugin: plugin.as_deref(), topic: topic.as_deref(), all: *all };
    let chosen = shared.bus.dead_letters().choose(select, LETTERS_MAX);
    let DeadChosen { mut ids, missing } = chosen.map_err(|error| Problem::bad_request(error.to_string()))?;
    let failed = missing.into_iter().map(|id| NotChanged { id, reason: no_letter(id) }).collect();
    let left = ids.len().saturating_sub(LETTERS_MAX);
    ids.truncate(LETTERS_MAX);
    Ok((ids, Changed { done: Vec::new(), failed, left }))
}

fn name(what: &str, text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| Problem::bad_request(format!("{what}: {error}")))
}

fn topic(text: Option<&str>) -> Result<Option<Filter>, Problem> {
    text.map(Filter::parse).transpose().map_err(|error| Problem::bad_request(format!("topic: filter {error}")))
}

fn no_letter(id: u64) -> String {
    format!("no dead letter {id}; GET /v1/dead lists them")
}
