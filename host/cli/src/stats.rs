//! `plugbus stats` and `plugbus ping`.

use std::process::ExitCode;

use plugbus::socket::protocol::{Request, Response};
use serde_json::Value;

use crate::args::Global;
use crate::failure::Outcome;
use crate::{output, place};

/// Shows the counters.
pub(crate) fn stats(global: &Global) -> Outcome {
    let Response::Stats(stats) = place::call(global, &Request::Stats {})? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&stats)?;
        return Ok(ExitCode::SUCCESS);
    }
    for part in ["bus", "journal", "socket", "http", "spool", "otlp"] {
        let Some(counters) = stats.get(part).filter(|part| !part.is_null()) else { continue };
        let counters = counters.as_object();
        let fields: Vec<(&str, String)> =
            counters.into_iter().flatten().map(|(name, value)| (name.as_str(), output::cell(value))).collect();
        output::line(&format!("{part}\n{}\n", indented(&output::fields(&fields))))?;
    }
    let columns = ["name", "kind", "matched", "acked", "retried", "faults", "dead", "dropped", "waiting"];
    let headings: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let subscriptions = stats.get("subscriptions").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = subscriptions
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|column| output::cell(row.get(column).unwrap_or(&Value::Null))).collect())
        .collect();
    output::line(&output::table(&headings, &rows))?;
    Ok(ExitCode::SUCCESS)
}

/// Says who answers.
pub(crate) fn ping(global: &Global) -> Outcome {
    let answer = place::call(global, &Request::Ping {})?;
    let Response::Pong { version, protocol, pid, .. } = &answer else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&serde_json::json!({ "version": version, "protocol": protocol, "pid": pid }))?;
    } else {
        output::line(&format!("plugbus {} answers (pid {pid})", output::printable(version)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
