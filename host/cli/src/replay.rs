//! `plugbus replay`: the past, delivered again.

use std::process::ExitCode;

use plugbus::socket::protocol::{Range, Request, Response};

use crate::args::{Global, Replay};
use crate::failure::{Outcome, say};
use crate::{output, place};

/// Replays, and says what was replayed.
pub(crate) fn replay(global: &Global, args: Replay) -> Outcome {
    let past = Range { from: args.from, to: args.to };
    let request = Request::Replay { past, filters: args.filters, plugin: args.plugin };
    let answer = place::call(global, &request)?;
    let Response::Replayed { first, last, events, deliveries, retired } = answer else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&serde_json::json!({
            "first": first, "last": last, "events": events, "deliveries": deliveries, "retired": retired,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if retired > 0 {
        say(&format!("{retired} events before {first} have been retired from the journal and are not replayed"));
    }
    if last < first {
        output::line("nothing to replay")?;
    } else {
        output::line(&format!("events {first} to {last}: {events} delivered again, {deliveries} deliveries in all"))?;
    }
    Ok(ExitCode::SUCCESS)
}
