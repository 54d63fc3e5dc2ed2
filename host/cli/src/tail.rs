//! `plugbus tail`: events as they are published.

use std::borrow::Cow;
use std::io::{self, Write};
use std::process::ExitCode;

use plugbus::socket::protocol::{Request, Response};
use serde_json::value::RawValue;

use crate::args::{Global, Tail};
use crate::failure::{Failure, Outcome, say};
use crate::{output, place};

/// Characters of data on one line.
const DATA_CHARS: usize = 160;

/// Shows events until the daemon stops, enough were seen, or nobody reads the output any more.
pub(crate) fn tail(global: &Global, args: &Tail) -> Outcome {
    let mut client = place::connect(global)?;
    match client.call(&Request::Tail { filters: args.filters.clone(), from: args.from })? {
        Response::Watching { .. } => {}
        _ => return Err(client.unexpected().into()),
    }
    let (mut incoming, _outgoing) = client.split();
    incoming.set_patience(None)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut left = args.count;
    while left != Some(0) {
        match incoming.receive()? {
            Response::Event(event) => {
                let line = if global.json { event.get().to_owned() } else { in_words(&event)? };
                writeln!(out, "{line}").map_err(|error| Failure::output(&error))?;
                left = left.map(|left| left - 1);
            }
            Response::Missed { count } if global.json => {
                writeln!(out, "{{\"missed\":{count}}}").map_err(|error| Failure::output(&error))?;
            }
            Response::Missed { count } => {
                say(&format!("{count} events missed here: this watcher reads too slowly"));
            }
            Response::Retired { count, first } if global.json => {
                let line = serde_json::json!({ "retired": count, "first": first });
                writeln!(out, "{line}").map_err(|error| Failure::output(&error))?;
            }
            Response::Retired { count, first } => {
                say(&format!("{count} events here have been retired from the journal; it begins with {first}"));
            }
            // A kind of line that a newer daemon knows.
            _ => {}
        }
        if !incoming.has_more() {
            out.flush().map_err(|error| Failure::output(&error))?;
        }
    }
    out.flush().map_err(|error| Failure::output(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// What is shown of an event. Its JSON data stays as it is.
#[derive(serde::Deserialize)]
struct Shown<'a> {
    #[serde(rename = "type")]
    topic: Cow<'a, str>,
    source: Cow<'a, str>,
    #[serde(default)]
    subject: Option<Cow<'a, str>>,
    #[serde(default)]
    time: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    data_base64: Option<Cow<'a, str>>,
}

/// An event on one line: time, topic, source, subject, data.
fn in_words(event: &RawValue) -> Result<String, Failure> {
    let event: Shown<'_> = serde_json::from_str(event.get())?;
    let data = match (event.data, event.data_base64) {
        (Some(data), _) => serde_json::from_str::<String>(data.get()).unwrap_or_else(|_| data.get().to_owned()),
        (None, Some(encoded)) => format!("base64:{encoded}"),
        (None, None) => String::new(),
    };
    // 2026-01-31T12:00:00.123456789Z: the time of day to the millisecond.
    let time = event.time.as_deref().and_then(|time| time.get(11..23)).unwrap_or_default();
    let about = event.subject.map(|subject| format!(" ({subject})")).unwrap_or_default();
    let head = output::printable(&format!("{time} {} {}{about}", event.topic, event.source));
    Ok(format!("{head}  {}", output::brief(&data, DATA_CHARS)).trim_end().to_owned())
}
