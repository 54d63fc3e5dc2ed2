//! `plugbus plugins explain`: what a plugin asks for, what it got, and what it was denied.

use std::process::ExitCode;

use plugbus::socket::protocol::{Request, Response};
use serde_json::{Value, json};

use super::text;
use crate::args::Global;
use crate::failure::Outcome;
use crate::{output, place};

/// Asks the daemon and prints it.
pub(super) fn explain(global: &Global, name: String) -> Outcome {
    let Response::Plugin(plugin) = place::call(global, &Request::Plugin { name })? else {
        return Err(place::unexpected(global));
    };
    if global.json {
        let part = |key: &str| plugin.get(key).cloned().unwrap_or_default();
        let keys = ["name", "state", "generation", "needs", "grants", "publish", "denials", "last_rejection"];
        let parts = keys.iter().map(|key| ((*key).to_owned(), part(key)));
        output::json(&Value::Object(parts.collect()))?;
    } else {
        output::line(&in_words(&plugin))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Pure.
fn in_words(plugin: &Value) -> String {
    let mut parts = vec![head(plugin)];
    let rejection = plugin.pointer("/last_rejection/cause").and_then(Value::as_str);
    parts.extend(rejection.map(|cause| format!("refused\n  {}", output::printable(cause))));
    if plugin.get("generation").is_some() {
        parts.push(format!("it asks for\n{}", indented(&asked(plugin))));
        parts.push(format!("its manifest gives\n{}", indented(&given(plugin))));
        parts.push(format!("it was denied, since this generation was loaded\n{}", indented(&denied(plugin))));
    }
    parts.join("\n\n")
}

fn head(plugin: &Value) -> String {
    let generation = text(plugin, "/generation");
    let generation = if generation.is_empty() { generation } else { format!(", generation {generation}") };
    format!("{} ({}{generation})", text(plugin, "/name"), text(plugin, "/state"))
}

/// Imports that need a grant; the others are there for everybody.
fn asked(plugin: &Value) -> Vec<String> {
    let needs = plugin.get("needs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let granted = needs.iter().filter(|need| need.get("needs") == Some(&json!("grant")));
    let mut lines: Vec<String> =
        granted.clone().map(|need| format!("{}, which needs {}", text(need, "/name"), text(need, "/detail"))).collect();
    let free = needs.len() - granted.count();
    if free > 0 {
        lines.push(format!("{free} imports that every plugin may have"));
    }
    lines
}

fn given(plugin: &Value) -> Vec<String> {
    let mut lines = vec![match text(plugin, "/publish") {
        none if none.is_empty() => "publish: nothing".to_owned(),
        topics => format!("publish: {topics}"),
    }];
    for (name, value) in plugin.get("grants").and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::Bool(false) | Value::Null => {}
            Value::Array(values) if values.is_empty() => {}
            value => lines.push(format!("{name}: {}", output::cell(value))),
        }
    }
    lines
}

fn denied(plugin: &Value) -> Vec<String> {
    let denials = plugin.get("denials").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let line =
        |denial: &Value| format!("{} × {}: {}", text(denial, "/count"), text(denial, "/what"), text(denial, "/why"));
    denials.iter().map(line).collect()
}

fn indented(lines: &[String]) -> String {
    if lines.is_empty() {
        return "  nothing".into();
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_given_and_denied_stands_under_each_other() {
        let plugin = json!({
            "name": "relay", "state": "running", "generation": 3, "publish": ["out.>"],
            "needs": [
                { "name": "wasi:io/poll@0.2.6", "needs": "nothing" },
                { "name": "wasi:http/types@0.2.6", "needs": "grant", "detail": "http = [\"https://host\"]" },
            ],
            "grants": { "http": ["https://a.example"], "kv": false, "dirs": [] },
            "denials": [{ "what": "publish", "why": "the filters do not cover `x`", "count": 12 }],
        });
        assert_eq!(
            in_words(&plugin),
            "relay (running, generation 3)\n\n\
             it asks for\n  wasi:http/types@0.2.6, which needs http = [\"https://host\"]\n  1 imports that every plugin may have\n\n\
             its manifest gives\n  publish: out.>\n  http: https://a.example\n\n\
             it was denied, since this generation was loaded\n  12 × publish: the filters do not cover `x`"
        );
        let refused = json!({ "name": "x", "state": "rejected", "last_rejection": { "cause": "`wasi:http` (add …)" } });
        assert_eq!(in_words(&refused), "x (rejected)\n\nrefused\n  `wasi:http` (add …)");
    }
}
