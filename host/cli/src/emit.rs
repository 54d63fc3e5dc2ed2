//! `plugbus emit`: what a hook calls. No runtime, no engine: a socket, one line out, one line in.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use plugbus::socket::NewEvent;
use plugbus::socket::protocol::{Accepted, Request, Response, Settled, SettledAs};

use crate::args::{Attributes, Emit, Global};
use crate::failure::{Failure, Outcome};
use crate::{output, place};

mod lines;

/// Most bytes that are read from the standard input: far over what any host takes in one event.
const INPUT_BYTES_MAX: u64 = 512 << 20;

/// Publishes.
pub(crate) fn emit(global: &Global, args: &Emit) -> Outcome {
    if args.lines {
        return lines::emit(global, args);
    }
    let topic = args.topic.as_deref().unwrap_or_default();
    let data = data(args.data.as_deref())?;
    let event = new_event(topic, &data, &args.attributes, args.id.as_deref()).to_json()?;
    let request = match (args.request, args.wait) {
        (Some(wait_ms), _) => Request::Ask { event, wait_ms: Some(wait_ms) },
        (None, wait_ms) => Request::Publish { event, wait_ms },
    };
    let mut client = place::connect(global)?;
    match client.call(&request)? {
        Response::Reply { content_type, text, data_base64 } if global.json => {
            let reply = serde_json::json!({ "content_type": content_type, "text": text, "data_base64": data_base64 });
            output::json(&reply)?;
            Ok(ExitCode::SUCCESS)
        }
        Response::Reply { text: Some(text), .. } => {
            output::line(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Response::Reply { data_base64, .. } => {
            let message = "the reply is not text; ask for it with --json, which has it in base64";
            if data_base64.is_some() { Err(Failure::new(message)) } else { Ok(ExitCode::SUCCESS) }
        }
        answer @ (Response::Accepted(_) | Response::Settled { .. }) => print(&answer, global.json),
        _ => Err(client.unexpected().into()),
    }
}

/// The event that the arguments describe.
fn new_event<'a>(topic: &'a str, data: &'a [u8], attributes: &'a Attributes, id: Option<&'a str>) -> NewEvent<'a> {
    NewEvent {
        topic,
        data,
        content_type: attributes.content_type.as_deref(),
        id,
        source: attributes.event_source.as_deref(),
        subject: attributes.subject.as_deref(),
        time: None,
        extensions: &attributes.extensions,
    }
}

/// The data: the argument, or the standard input.
pub(crate) fn data(argument: Option<&OsStr>) -> Result<Vec<u8>, Failure> {
    let from_input = match argument {
        Some(text) => text == "-",
        None => !io::stdin().is_terminal(),
    };
    if !from_input {
        return Ok(argument.unwrap_or_default().as_bytes().to_vec());
    }
    let mut data = Vec::new();
    let read = io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut data);
    read.map_err(|error| Failure::doing("cannot read the standard input", &error))?;
    if u64::try_from(data.len()).is_ok_and(|bytes| bytes > INPUT_BYTES_MAX) {
        return Err(Failure::new(format!(
            "the standard input has more than {INPUT_BYTES_MAX} bytes; no host takes that in one event"
        )));
    }
    Ok(data)
}

/// Prints an acceptance. Silent on a pipe, where only a failure is news: what a hook prints goes into somebody's way.
fn print(answer: &Response, json: bool) -> Outcome {
    match answer {
        Response::Accepted(accepted) if json => output::json(accepted)?,
        Response::Accepted(accepted) if io::stdout().is_terminal() => output::line(&in_words(accepted))?,
        Response::Settled { accepted, results } => {
            // The time was up before the journal had it.
            let in_hand = accepted.disposition == "journaling";
            if json {
                output::json(&serde_json::json!({ "accepted": accepted, "results": results }))?;
            } else if in_hand {
                output::line(
                    "pending: the journal has it in hand, and it goes on; wait longer to see what becomes of it",
                )?;
            } else if results.is_empty() {
                output::line("no subscription matched")?;
            } else {
                output::line(&outcomes(results))?;
            }
            let all_acked = !in_hand && results.iter().all(|result| result.outcome == SettledAs::Acked);
            return Ok(if all_acked { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(accepted: &Accepted) -> String {
    let subscriptions = if accepted.matched == 1 { "subscription" } else { "subscriptions" };
    let matched = format!("{} {subscriptions}", accepted.matched);
    let held_back = match accepted.disposition.as_str() {
        "" | "delivered" => String::new(),
        other => format!(", {other}"),
    };
    format!("accepted {}: {matched}{held_back}", accepted.id)
}

fn outcomes(results: &[Settled]) -> String {
    let rows: Vec<Vec<String>> =
        results.iter().map(|result| vec![result.subscription.clone(), outcome(result), detail(result)]).collect();
    output::table(&["SUBSCRIPTION", "OUTCOME", "DETAIL"], &rows)
}

fn outcome(result: &Settled) -> String {
    match result.outcome {
        SettledAs::Acked => "acked",
        SettledAs::Dead => "dead letter",
        SettledAs::Dropped => "dropped",
        SettledAs::Pending => "pending",
        _ => "unknown",
    }
    .into()
}

fn detail(result: &Settled) -> String {
    let reply = result.reply_text.as_deref().or(result.reply_base64.as_deref()).map(|reply| format!("reply: {reply}"));
    output::brief(result.reason.as_deref().or(reply.as_deref()).unwrap_or_default(), 120)
}
