//! `plugbus plugins`: what is loaded, what was refused and why.

use std::process::ExitCode;

use plugbus::socket::protocol::{Request, Response};
use serde_json::Value;

use crate::args::{Global, Plugins, PluginsAction};
use crate::failure::Outcome;
use crate::{output, place};

mod explain;

/// Characters of a cell that can be long.
const CELL_CHARS: usize = 60;

/// Lists, shows or controls.
pub(crate) fn plugins(global: &Global, args: Plugins) -> Outcome {
    match args.action.unwrap_or(PluginsAction::List) {
        PluginsAction::List => list(global),
        PluginsAction::Inspect { name } => inspect(global, name),
        PluginsAction::Explain { name } => explain::explain(global, name),
        PluginsAction::Reload { name } => act(global, &Request::Reload { name }),
        PluginsAction::Pause { name } => act(global, &Request::Pause { name }),
        PluginsAction::Resume { name } => act(global, &Request::Resume { name }),
        PluginsAction::Rescan => act(global, &Request::Rescan {}),
    }
}

fn act(global: &Global, request: &Request) -> Outcome {
    let Response::Done { message } = place::call(global, request)? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&serde_json::json!({ "done": message }))?;
    } else {
        output::line(&output::printable(&message))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global) -> Outcome {
    let Response::Plugins { plugins } = place::call(global, &Request::Plugins {})? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&plugins)?;
        return Ok(ExitCode::SUCCESS);
    }
    if plugins.is_empty() {
        output::line("no plugins: put a component into the plugins folder")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
    let headings = ["NAME", "STATE", "GEN", "ACKED", "RETRIED", "FAULTS", "DEAD", "WAITING", "FILTERS"];
    output::line(&output::table(&headings, &rows))?;
    for plugin in &plugins {
        if let Some(cause) = plugin.pointer("/last_rejection/cause").and_then(Value::as_str) {
            let name = text(plugin, "/name");
            let kept = if plugin.get("generation").is_some() {
                "the file in the folder was refused, the last good version runs"
            } else {
                "refused"
            };
            output::line(&format!("\n{name}: {kept}: {}", output::printable(cause)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(plugin: &Value) -> Vec<String> {
    let state = if plugin.get("busy") == Some(&Value::Bool(true)) {
        format!("{} (busy)", text(plugin, "/state"))
    } else {
        text(plugin, "/state")
    };
    let mut row = vec![text(plugin, "/name"), state, text(plugin, "/generation")];
    row.extend(
        ["acked", "retried", "faults", "dead", "waiting"].map(|name| text(plugin, &format!("/counters/{name}"))),
    );
    row.push(output::brief(&text(plugin, "/filters"), CELL_CHARS));
    row
}

fn text(value: &Value, pointer: &str) -> String {
    output::cell(value.pointer(pointer).unwrap_or(&Value::Null))
}

fn inspect(global: &Global, name: String) -> Outcome {
    let Response::Plugin(plugin) = place::call(global, &Request::Plugin { name })? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        output::json(&plugin)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&output::fields(&head(&plugin)))?;
    for part in ["grants", "limits", "queue", "retry", "supervision", "counters", "metrics"] {
        section(part, plugin.get(part))?;
    }
    section("last rejection", plugin.get("last_rejection"))?;
    for fault in plugin.get("last_faults").and_then(Value::as_array).into_iter().flatten() {
        section("fault", Some(fault))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn head(plugin: &Value) -> [(&'static str, String); 18] {
    let time = |pointer: &str| plugin.pointer(pointer).and_then(Value::as_u64).map(output::time).unwrap_or_default();
    [
        ("name", text(plugin, "/name")),
        ("state", text(plugin, "/state")),
        ("suspended until", time("/until_ns")),
        ("generation", text(plugin, "/generation")),
        ("loaded", time("/loaded_ns")),
        ("sha256", text(plugin, "/sha256")),
        ("component sha256", text(plugin, "/wasm_sha256")),
        ("component bytes", text(plugin, "/size_bytes")),
        ("contract", text(plugin, "/contract")),
        ("filters", text(plugin, "/filters")),
        ("may publish to", text(plugin, "/publish")),
        ("instances", text(plugin, "/instances")),
        ("fresh", text(plugin, "/fresh")),
        ("in order by", text(plugin, "/ordering_key")),
        ("ms between ticks", text(plugin, "/tick_ms")),
        ("only of source", text(plugin, "/source")),
        ("imports", text(plugin, "/imports")),
        ("suspensions", text(plugin, "/suspensions")),
    ]
}

/// Prints an object under a heading; nothing for nothing.
fn section(heading: &str, value: Option<&Value>) -> Result<(), crate::failure::Failure> {
    let Some(Value::Object(members)) = value else { return Ok(()) };
    let shown: Vec<(&str, String)> = members.iter().map(|(name, value)| member(name, value)).collect();
    let body = output::fields(&shown);
    if body.is_empty() {
        return Ok(());
    }
    let body: Vec<String> = body.lines().map(|line| format!("  {line}")).collect();
    output::line(&format!("\n{heading}\n{}", body.join("\n")))
}

/// A member for people: times as dates, backtraces one frame a line.
fn member<'a>(name: &'a str, value: &Value) -> (&'a str, String) {
    match (name, value) {
        ("time_ns", Value::Number(number)) => ("time", number.as_u64().map(output::time).unwrap_or_default()),
        ("backtrace", Value::Array(frames)) => (name, frames.iter().map(output::cell).collect::<Vec<_>>().join("\n")),
        _ => (name, output::cell(value)),
    }
}
