//! Dead letters: list, show, replay, drop.

use plugbus_bus::{AttemptRecord, DeadChosen, DeadLetter, DeadSelect};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::super::protocol::{DeadFailed, ErrorCode, ErrorLine, Response, SELECT_IDS_MAX, Select};
use super::super::{Services, event};
use super::{Result, failed};
use crate::report::chain;

pub(super) fn list(services: &Services, select: &Select) -> Result<Response> {
    // To look at, everything is meant where nothing is named.
    let select = Select { all: select.all || select.is_empty(), ..select.clone() };
    let letters = services.bus.dead_letters();
    let chosen = chosen(services, &select)?.ids.into_iter().filter_map(|id| letters.get(id));
    Ok(Response::DeadLetters { dead_letters: chosen.map(|letter| letter_in_short(&letter)).collect() })
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

/// The letters that a selection means.
fn chosen(services: &Services, select: &Select) -> Result<DeadChosen> {
    let chosen = services.bus.dead_letters().choose(meant(select), SELECT_IDS_MAX);
    chosen.map_err(|error| ErrorLine::new(ErrorCode::BadRequest, error.to_string()))
}

fn meant(select: &Select) -> DeadSelect<'_> {
    let Select { all, ids, plugin, topic } = select;
    DeadSelect { ids, plugin: plugin.as_deref(), topic: topic.as_deref(), all: *all }
}

pub(super) async fn replay(services: &Services, select: &Select) -> Result<Response> {
    let DeadChosen { ids, missing } = chosen(services, select)?;
    let mut outcome = Changed::default();
    for id in ids {
        let replayed = services.bus.dead_letters().replay(id).await;
        outcome.note(id, replayed.map_err(|error| chain(&error)));
    }
    Ok(outcome.finish(missing))
}

pub(super) fn drop_letters(services: &Services, select: &Select) -> Result<Response> {
    let DeadChosen { ids, missing } = chosen(services, select)?;
    let mut outcome = Changed::default();
    for id in ids {
        let dropped = services.bus.dead_letters().remove(id);
        outcome.note(id, dropped.map(|_| ()).ok_or_else(|| no_letter(id)));
    }
    Ok(outcome.finish(missing))
}

/// Collects what became of chosen dead letters.
#[derive(Default)]
struct Changed {
    done: Vec<u64>,
    failed: Vec<DeadFailed>,
}

impl Changed {
    fn note(&mut self, id: u64, result: Result<(), String>) {
        match result {
            Ok(()) => self.done.push(id),
            Err(reason) => self.failed.push(DeadFailed { id, reason }),
        }
    }

    /// Ids that were asked for by number and not met are failures too.
    fn finish(mut self, missing: Vec<u64>) -> Response {
        self.failed.extend(missing.into_iter().map(|id| DeadFailed { id, reason: no_letter(id) }));
        Response::DeadDone { done: self.done, failed: self.failed }
    }
}
