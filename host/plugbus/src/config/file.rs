//! Text to [`Config`]: finds what is wrong, says where, and names the nearest right key.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use plugbus_bus::event::ATTRIBUTE_BYTES_MAX;
use plugbus_otlp::Endpoint;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::keys::{self, KEYS, Kind};
use super::{Config, ConfigError, Tls};

/// Most texts of a value that is several.
const TEXTS_MAX: usize = 64;
/// Longest text of a value that a message repeats.
const SHOWN_CHARS: usize = 60;

/// Reads a whole file.
pub(super) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let invalid = |span: Option<Range<usize>>, problem: String| {
        let (line, column) = position(text, span.map_or(0, |span| span.start));
        ConfigError::Invalid { place: format!("{}:{line}:{column}", path.display()), problem }
    };
    let spans = DeTable::parse(text).map_err(|error| invalid(error.span(), error.message().into()))?;
    let values: Table = toml::from_str(text).map_err(|error| invalid(error.span(), error.message().into()))?;
    check_table(spans.get_ref(), &values, "").map_err(|(span, problem)| invalid(Some(span), problem))?;
    Config::deserialize(values).map_err(|error| invalid(None, error.message().into()))
}

/// Sets one key from the text of a flag or variable; the error says what is wrong.
pub(super) fn set(config: &mut Config, name: &str, text: &str) -> Result<(), String> {
    let key = keys::find(name).ok_or_else(|| unknown(name))?;
    let value = match key.kind {
        Kind::Number { .. } => match text.replace('_', "").parse::<i64>() {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::String(text.into()),
        },
        Kind::Texts => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Value::Array(words.map(|word| Value::String(word.into())).collect())
        }
        Kind::Switch => text.parse::<bool>().map_or_else(|_| Value::String(text.into()), Value::Boolean),
        Kind::Path | Kind::Address | Kind::Collector | Kind::Text | Kind::Choice(_) => Value::String(text.into()),
    };
    check_value(key.kind, &value).map_err(|problem| format!("`{name}` {problem}"))?;
    let mut table = Table::try_from(&*config).map_err(|error| error.to_string())?;
    match name.split_once('.') {
        None => {
            table.insert(name.into(), value);
        }
        Some((section, leaf)) => {
            let inner = table.get_mut(section).and_then(Value::as_table_mut).ok_or_else(|| unknown(name))?;
            inner.insert(leaf.into(), value);
        }
    }
    *config = Config::deserialize(table).map_err(|error| error.message().to_owned())?;
    Ok(())
}

/// Checks every value; the error says what is wrong.
pub(super) fn check(config: &Config) -> Result<(), String> {
    // Paths need not be text, as they must be in a file, so only their absence is looked for.
    for (name, path) in [("plugins_dir", &config.plugins_dir), ("data_dir", &config.data_dir)] {
        if path.as_os_str().is_empty() {
            return Err(format!("`{name}` is empty; a path is needed"));
        }
    }
    let mut rest = Config { plugins_dir: "p".into(), data_dir: "d".into(), socket: None, ..config.clone() };
    rest.http.tokens = None;
    rest.tls = Tls::default();
    let values = Table::try_from(rest).map_err(|error| error.to_string())?;
    if config.tls.cert.is_some() != config.tls.key.is_some() {
        return Err("`tls.cert` and `tls.key` go together; one of them is missing".into());
    }
    for key in KEYS {
        let found = match key.name.split_once('.') {
            None => values.get(key.name),
            Some((section, leaf)) => values.get(section).and_then(|section| section.get(leaf)),
        };
        if let Some(value) = found {
            check_value(key.kind, value).map_err(|problem| format!("`{}` {problem}", key.name))?;
        }
    }
    Ok(())
}

type Problem = (Range<usize>, String);

/// Checks keys and values, with their places.
fn check_table(spans: &DeTable<'_>, values: &Table, prefix: &str) -> Result<(), Problem> {
    for (key, spanned) in spans {
        let name = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        let value = values.get(&**key.get_ref());
        check_entry(&name, spanned, value, key.span())?;
    }
    Ok(())
}

fn check_entry(
    name: &str,
    spanned: &Spanned<DeValue<'_>>,
    value: Option<&Value>,
    at: Range<usize>,
) -> Result<(), Problem> {
    if let Some(key) = keys::find(name) {
        let Some(value) = value else { return Ok(()) };
        return check_value(key.kind, value).map_err(|problem| (spanned.span(), format!("`{name}` {problem}")));
    }
    let section = format!("{name}.");
    if !KEYS.iter().any(|key| key.name.starts_with(&section)) {
        return Err((at, unknown(name)));
    }
    match (spanned.get_ref(), value) {
        (DeValue::Table(spans), Some(Value::Table(values))) => check_table(spans, values, name),
        _ => Err((spanned.span(), format!("`{name}` is a section: write [{name}] and its keys below"))),
    }
}

/// Checks a value against what its key takes. Pure.
fn check_value(kind: Kind, value: &Value) -> Result<(), String> {
    let shown = match value {
        Value::String(text) => format!("`{}`", text.chars().take(SHOWN_CHARS).collect::<String>().escape_debug()),
        other => other.to_string().chars().take(SHOWN_CHARS).collect(),
    };
    match (kind, value) {
        (Kind::Number { min, max }, Value::Integer(number))
            if (i128::from(min)..=i128::from(max)).contains(&i128::from(*number)) =>
        {
            Ok(())
        }
        (Kind::Number { min, max }, _) => Err(format!("is {shown}; a whole number from {min} to {max} is allowed")),
        (Kind::Switch, Value::Boolean(_)) => Ok(()),
        (Kind::Switch, _) => Err(format!("is {shown}; true or false is allowed")),
        (Kind::Path, Value::String(text)) if !text.is_empty() => Ok(()),
        (Kind::Path, _) => Err(format!("is {shown}; a path is needed")),
        (Kind::Address, Value::String(text)) if text.parse::<SocketAddr>().is_ok() => Ok(()),
        (Kind::Address, _) => {
            Err(format!("is {shown}; an IP address and a port are needed, such as 127.0.0.1:7117 or [::1]:7117"))
        }
        (Kind::Collector, Value::String(text)) => match Endpoint::parse(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("is {shown}: {error}")),
        },
        (Kind::Collector, _) => Err(format!("is {shown}; `http://HOST:PORT` is needed")),
        (Kind::Texts, Value::Array(all)) if all.len() <= TEXTS_MAX && all.iter().all(is_plain_text) => Ok(()),
        (Kind::Texts, _) => {
            Err(format!("is {shown}; at most {TEXTS_MAX} texts of 1 to {ATTRIBUTE_BYTES_MAX} bytes are allowed"))
        }
        (Kind::Text, Value::String(text)) if is_plain(text) => Ok(()),
        (Kind::Text, _) => {
            Err(format!("is {shown}; text of 1 to {ATTRIBUTE_BYTES_MAX} bytes without control characters is needed"))
        }
        (Kind::Choice(choices), Value::String(text)) if choices.contains(&text.as_str()) => Ok(()),
        (Kind::Choice(choices), _) => Err(format!("is {shown}; one of {} is allowed", choices.join(", "))),
    }
}

fn is_plain_text(value: &Value) -> bool {
    value.as_str().is_some_and(is_plain)
}

/// Whether a text may be an attribute of every event. Pure.
fn is_plain(text: &str) -> bool {
    (1..=ATTRIBUTE_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(SHOWN_CHARS).collect();
    match keys::nearest(name) {
        Some(nearest) => format!("unknown key `{}`; did you mean `{nearest}`?", shown.escape_debug()),
        None => format!("unknown key `{}`; `plugbus run --help` lists every key", shown.escape_debug()),
    }
}

/// Line and column of a byte, both counted from 1. Pure.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..byte).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = text.get(start..byte).map_or(0, |text| text.chars().count()) + 1;
    (line, column)
}
