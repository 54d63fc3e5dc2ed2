//! `plugbus dead`: what subscriptions gave up.

use std::process::ExitCode;

use plugbus::socket::protocol::{Request, Response, Select};
use serde_json::Value;

use crate::args::{Chosen, Dead, DeadAction, Global};
use crate::failure::{Outcome, say};
use crate::{output, place};

/// Characters of a reason in a list.
const REASON_CHARS: usize = 80;

/// Lists, shows, replays or drops.
pub(crate) fn dead(global: &Global, args: Dead) -> Outcome {
    match args.action {
        DeadAction::List { plugin, topic } => list(global, Select { plugin, topic, ..Select::default() }),
        DeadAction::Show { id } => show(global, id),
        DeadAction::Replay(chosen) => change(global, Request::DeadReplay { select: chosen.into() }, "replayed"),
        DeadAction::Drop(chosen) => change(global, Request::DeadDrop { select: chosen.into() }, "dropped"),
    }
}

impl From<Chosen> for Select {
    fn from(chosen: Chosen) -> Self {
        Self { all: chosen.all, ids: chosen.ids, plugin: chosen.plugin, topic: chosen.topic }
    }
}

fn list(global: &Global, select: Select) -> Outcome {
    let Response::DeadLetters { dead_letters } = place::call(global, &Request::DeadList { select })? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&dead_letters)?;
        return Ok(ExitCode::SUCCESS);
    }
    if dead_letters.is_empty() {
        output::line("no dead letters")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = dead_letters
        .iter()
        .map(|letter| {
            let text = |name: &str| output::cell(letter.get(name).unwrap_or(&Value::Null));
            let time = letter.get("time_ns").and_then(Value::as_u64).map(output::time).unwrap_or_default();
            let reason = output::brief(&text("reason"), REASON_CHARS);
            vec![text("id"), time, text("subscription"), text("topic"), text("attempts_made"), text("kind"), reason]
        })
        .collect();
    output::line(&output::table(&["ID", "TIME", "SUBSCRIPTION", "TOPIC", "ATTEMPTS", "KIND", "REASON"], &rows))?;
    Ok(ExitCode::SUCCESS)
}

fn show(global: &Global, id: u64) -> Outcome {
    let Response::DeadLetter(letter) = place::call(global, &Request::DeadShow { id })? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::line(letter.get())?;
        return Ok(ExitCode::SUCCESS);
    }
    let letter: Value = serde_json::from_str(letter.get())?;
    let text = |name: &str| output::cell(letter.get(name).unwrap_or(&Value::Null));
    let time = letter.get("time_ns").and_then(Value::as_u64).map(output::time).unwrap_or_default();
    let event = letter.get("event").unwrap_or(&Value::Null);
    let event = output::printable(&serde_json::to_string_pretty(event)?);
    let head = [
        ("id", text("id")),
        ("time", time),
        ("subscription", text("subscription")),
        ("topic", text("topic")),
        ("kind", text("kind")),
        ("reason", text("reason")),
        ("event", event),
    ];
    output::line(&output::fields(&head))?;
    for attempt in letter.get("attempts").and_then(Value::as_array).into_iter().flatten() {
        output::line(&format!("\n{}", output::fields(&attempt_fields(attempt))))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn attempt_fields(attempt: &Value) -> [(&'static str, String); 6] {
    let text = |name: &str| output::cell(attempt.get(name).unwrap_or(&Value::Null));
    let frames = attempt.get("backtrace").and_then(Value::as_array).into_iter().flatten();
    [
        ("attempt", text("attempt")),
        ("time", attempt.get("time_ns").and_then(Value::as_u64).map(output::time).unwrap_or_default()),
        ("kind", text("kind")),
        ("reason", text("reason")),
        ("stderr", text("stderr")),
        ("backtrace", frames.map(output::cell).collect::<Vec<_>>().join("\n")),
    ]
}

fn change(global: &Global, request: Request, done_word: &str) -> Outcome {
    let Response::DeadDone { done, failed } = place::call(global, &request)? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&serde_json::json!({ "done": done, "failed": failed }))?;
    } else {
        output::line(&format!("{} {done_word}", done.len()))?;
        failed.iter().for_each(|failed| say(&format!("dead letter {}: {}", failed.id, failed.reason)));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
