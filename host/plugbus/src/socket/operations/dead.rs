//! Dead letters: list, show, replay, drop.

use std::collections::BTreeSet;

use plugbus_bus::{AttemptRecord, DeadFilter, DeadLetter, Filter, Name};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::super::protocol::{DeadFailed, ErrorCode, ErrorLine, Response, SELECT_IDS_MAX, Select};
use super::super::{Services, event};
use super::{Result, failed};
use crate::report::chain;

pub(super) fn list(services: &Services, select: &Select) -> Result<Response> {
    let letters = if select.is_empty() {
        services.bus.dead_letters().list(&DeadFilter::default())
    } else {
        chosen(services, select)?
    };
    Ok(Response::DeadLetters { dead_letters: letters.iter().map(letter_in_short).collect() })
}

pub(super) fn show(services: &Services, id: u64) -> Result<Response> {
    let letter = services.bus.dead_letters().get(id);
    let letter = letter.ok_or_else(|| ErrorLine::new(ErrorCode::NotFound, no_letter(id)))?;
    let event = event::to_json(&letter.event).map_err(|error| failed(&error))?;
    let whole = Whole { short: letter_in_short(&letter), event, attempts: &letter.attempts };
    Ok(Response::DeadLetter(to_raw_value(&whole).map_err(|error| failed(&error))?))
}

/// A dead letter in full. The event's data stays as it is, byte for byte.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    short: Value,
    event: Box<RawValue>,
    attempts: &'a [AttemptRecord],
}

/// What a list says of a dead letter.
fn letter_in_short(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "time_ns": letter.time_ns,
        "subscription": letter.subscription,
        "topic": letter.event.topic,
        "event_id": letter.event.id,
        "kind": letter.reason.name(),
        "reason": chain(&letter.reason),
        "attempts_made": letter.attempts.len(),
    })
}

fn no_letter(id: u64) -> String {
    format!("no dead letter {id}; `plugbus dead list` lists them")
}

/// The letters that a selection means; ids that do not exist are left out.
fn chosen(services: &Services, select: &Select) -> Result<Vec<DeadLetter>> {
    let bad = |message: String| ErrorLine::new(ErrorCode::BadRequest, message);
    if select.ids.len() > SELECT_IDS_MAX {
        return Err(bad(format!("{} ids; at most {SELECT_IDS_MAX} are allowed in one request", select.ids.len())));
    }
    if select.is_empty() {
        return Err(bad("nothing is selected: give `ids`, `plugin`, `topic` or `all`".into()));
    }
    let subscription = select.plugin.as_ref().map(|plugin| Name::parse(format!("plugin/{plugin}"))).transpose();
    let topic = select.topic.as_ref().map(Filter::parse).transpose();
    let filter = DeadFilter {
        subscription: subscription.map_err(|error| bad(error.to_string()))?,
        topic: topic.map_err(|error| bad(format!("filter {error}")))?,
        ..DeadFilter::default()
    };
    let mut letters = services.bus.dead_letters().list(&filter);
    if !select.ids.is_empty() {
        let ids: BTreeSet<u64> = select.ids.iter().copied().collect();
        letters.retain(|letter| ids.contains(&letter.id));
    }
    Ok(letters)
}

pub(super) async fn replay(services: &Services, select: &Select) -> Result<Response> {
    let mut outcome = Changed::new(select);
    for letter in chosen(services, select)? {
        let replayed = services.bus.dead_letters().replay(letter.id).await;
        outcome.note(letter.id, replayed.map_err(|error| chain(&error)));
    }
    Ok(outcome.finish())
}

pub(super) fn drop_letters(services: &Services, select: &Select) -> Result<Response> {
    let mut outcome = Changed::new(select);
    for letter in chosen(services, select)? {
        let dropped = services.bus.dead_letters().remove(letter.id);
        outcome.note(letter.id, dropped.map(|_| ()).ok_or_else(|| no_letter(letter.id)));
    }
    Ok(outcome.finish())
}

/// Collects what became of chosen dead letters.
struct Changed {
    missing: BTreeSet<u64>,
    done: Vec<u64>,
    failed: Vec<DeadFailed>,
}

impl Changed {
    fn new(select: &Select) -> Self {
        Self { missing: select.ids.iter().copied().collect(), done: Vec::new(), failed: Vec::new() }
    }

    fn note(&mut self, id: u64, result: Result<(), String>) {
        self.missing.remove(&id);
        match result {
            Ok(()) => self.done.push(id),
            Err(reason) => self.failed.push(DeadFailed { id, reason }),
        }
    }

    /// Ids that were asked for by number and not met are failures too.
    fn finish(mut self) -> Response {
        self.failed.extend(self.missing.into_iter().map(|id| DeadFailed { id, reason: no_letter(id) }));
        Response::DeadDone { done: self.done, failed: self.failed }
    }
}
