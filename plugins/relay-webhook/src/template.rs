//! Bodies, URLs and headers made of events: templates in the language of Jinja, with bounds on what one may cost and give.

use std::io;

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use plugbus_sdk::prelude::{Deserialize, Payload};
use serde_json::Map;

/// Steps and output that one rendering may cost, in the measure of minijinja: an instruction or 64 bytes each.
const FUEL: u64 = 500_000;
/// Most bytes of a body.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Most bytes of a URL and of a header.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Most bytes of a template.
const TEMPLATE_BYTES_MAX: usize = 64 << 10;
/// How deep blocks and calls may nest.
const RECURSION_MAX: usize = 50;

/// What an event has; in a batch each of `events`.
const EVENT_FIELDS: &[&str] =
    &["id", "source", "topic", "subject", "time", "content_type", "data", "data_base64", "extensions"];
/// What a batch has.
const BATCH_FIELDS: &[&str] = &["events"];
/// A field that is not there is an error, unless the template says what stands in its place (`| default("…")`).
const STRICT: UndefinedBehavior = UndefinedBehavior::SemiStrict;
/// Functions of minijinja that are no field.
const FUNCTIONS: &[&str] = &["range", "dict", "namespace", "debug"];

/// The table `[config.template]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateConfig {
    /// The body.
    pub(crate) body: String,
    /// Its content type. Text is escaped for it where it is JSON.
    #[serde(default = "json")]
    pub(crate) content_type: String,
}

fn json() -> String {
    "application/json".to_owned()
}

/// Where a rendering goes, which says how text of an event is made harmless there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// JSON: text is escaped for the inside of a string. The whole must be JSON.
    Json,
    /// Other text, as it is.
    Text,
    /// A URL: everything but letters, digits and `-._~` is percent-encoded.
    Url,
    /// A header: as it is, and control characters are refused when the request is sent.
    Header,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Url => "url",
            Self::Header => "header",
        }
    }

    fn bytes_max(self) -> usize {
        match self {
            Self::Json | Self::Text => BODY_BYTES_MAX,
            Self::Url | Self::Header => LINE_BYTES_MAX,
        }
    }

    /// The place of a body of a content type.
    pub(crate) fn of_body(content_type: &str) -> Self {
        if Payload::new(content_type, "").is_json() { Self::Json } else { Self::Text }
    }
}

/// A text of the configuration: fixed, or made anew for each request.
#[derive(Debug)]
pub(crate) struct Text {
    key: String,
    place: Place,
    /// The text, where it is fixed.
    fixed: Option<String>,
}

/// All templates, compiled.
pub(crate) struct Templates {
    env: Environment<'static>,
    fields: &'static [&'static str],
    is_used: bool,
}

impl Templates {
    /// No template yet; for single events or for batches.
    pub(crate) fn new(batches: bool) -> Self {
        let mut env = Environment::new();
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(RECURSION_MAX);
        env.set_undefined_behavior(STRICT);
        env.set_auto_escape_callback(|name| {
            // Names are `place:key`, see `name_of`.
            let place = name.split(':').next().unwrap_or_default();
            AutoEscape::Custom(place.to_owned().into())
        });
        env.set_formatter(write_escaped);
        env.add_filter("json", |value: Value| json_of(&value).map(Value::from_safe_string));
        Self { env, fields: if batches { BATCH_FIELDS } else { EVENT_FIELDS }, is_used: false }
    }

    /// Whether any text is made by a template.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    /// A text of the configuration; with `{{` or `{%` in it, a template.
    ///
    /// # Errors
    /// Names the key, the line and what is wrong there.
    pub(crate) fn add(&mut self, key: &str, place: Place, source: &str) -> Result<Text, String> {
        if !source.contains("{{") && !source.contains("{%") {
            return Ok(Text { key: key.to_owned(), place, fixed: Some(source.to_owned()) });
        }
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(format!(
                "key `{key}`: a template of {} bytes; at most {TEMPLATE_BYTES_MAX} are allowed",
                source.len()
            ));
        }
        let name = name_of(key, place);
        self.env.add_template_owned(name.clone(), source.to_owned()).map_err(|error| problem(key, &error))?;
        self.try_out(&name).map_err(|error| problem(key, &error))?;
        let template = self.env.get_template(&name).map_err(|error| problem(key, &error))?;
        let known = |name: &&String| !self.fields.contains(&name.as_str()) && !FUNCTIONS.contains(&name.as_str());
        let mut unknown: Vec<String> = template.undeclared_variables(false).iter().filter(known).cloned().collect();
        unknown.sort();
        if let Some(field) = unknown.first() {
            return Err(format!("key `{key}`: there is no field `{field}`; there are {}", self.fields.join(", ")));
        }
        self.is_used = true;
        Ok(Text { key: key.to_owned(), place, fixed: None })
    }

    /// Finds filters and functions that there are not, as far as an event without anything leads to them.
    fn try_out(&mut self, name: &str) -> Result<(), Error> {
        self.env.set_undefined_behavior(UndefinedBehavior::Chainable);
        let nothing = || Value::from_pairs::<_, &str, Value>([]);
        let context = Value::from_pairs([("events", Value::from(vec![nothing()])), ("extensions", nothing())]);
        let tried = self.env.get_template(name).and_then(|template| template.render(context));
        self.env.set_undefined_behavior(STRICT);
        let missing = [ErrorKind::UnknownFilter, ErrorKind::UnknownFunction, ErrorKind::UnknownTest];
        // What else goes wrong without an event may go well with one.
        tried.map(drop).or_else(|error| if missing.contains(&error.kind()) { Err(error) } else { Ok(()) })
    }

    /// The text for a request.
    ///
    /// # Errors
    /// Names the key, the line and what is wrong there.
    pub(crate) fn render(&self, text: &Text, context: &Value) -> Result<String, String> {
        if let Some(fixed) = &text.fixed {
            return Ok(fixed.clone());
        }
        let template = self.env.get_template(&name_of(&text.key, text.place));
        let mut out = Bounded { bytes: Vec::new(), bytes_max: text.place.bytes_max() };
        let rendered = template.and_then(|template| template.render_captured_to(context.clone(), &mut out).map(drop));
        rendered.map_err(|error| problem(&text.key, &error))?;
        let rendered = String::from_utf8(out.bytes).map_err(|error| format!("key `{}`: {error}", text.key))?;
        if text.place == Place::Json
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&rendered)
        {
            return Err(format!("key `{}`: what the template gives is no JSON: {error}", text.key));
        }
        Ok(rendered)
    }
}

/// What a template sees of an event, from its form as a CloudEvent.
///
/// # Errors
/// Where the text is no CloudEvent.
pub(crate) fn fields(cloudevent: &str) -> Result<Value, serde_json::Error> {
    let mut attributes: Map<String, serde_json::Value> = serde_json::from_str(cloudevent)?;
    attributes.remove("specversion");
    let mut fields = Map::new();
    for (attribute, field) in [
        ("id", "id"),
        ("source", "source"),
        ("type", "topic"),
        ("subject", "subject"),
        ("time", "time"),
        ("datacontenttype", "content_type"),
        ("data", "data"),
        ("data_base64", "data_base64"),
    ] {
        if let Some(value) = attributes.remove(attribute) {
            fields.insert(field.to_owned(), value);
        }
    }
    fields.insert("extensions".to_owned(), attributes.into());
    Ok(Serde(&fields).into())
}

/// What a template sees of a batch.
///
/// # Errors
/// Where one is no CloudEvent.
pub(crate) fn batch_fields(cloudevents: &[String]) -> Result<Value, serde_json::Error> {
    let events: Vec<Value> = cloudevents.iter().map(|event| fields(event)).collect::<Result<_, _>>()?;
    Ok(Value::from_pairs([("events", Value::from(events))]))
}

fn name_of(key: &str, place: Place) -> String {
    format!("{}:{key}", place.name())
}

/// What minijinja says, without our names for templates.
fn problem(key: &str, error: &Error) -> String {
    let line = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    match error.detail() {
        Some(detail) => format!("key `{key}`{line}: {}: {detail}{cause}", error.kind()),
        None => format!("key `{key}`{line}: {}{cause}", error.kind()),
    }
}

/// Writes a value as its place wants it. Text that a filter has declared fit (`json`, `safe`) is written as it is.
fn write_escaped(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        // What is not there has been refused before, unless the template asked for that.
        ValueKind::Undefined => return Ok(()),
        ValueKind::String => value.to_string(),
        ValueKind::None if !is_place(state, Place::Json) => return Ok(()),
        _ => {
            let json = json_of(value)?;
            // Numbers, lists and objects are JSON already.
            if is_place(state, Place::Json) {
                return out.write_str(&json).map_err(Error::from);
            }
            json
        }
    };
    if value.is_safe() {
        return out.write_str(&text).map_err(Error::from);
    }
    let escaped = match () {
        () if is_place(state, Place::Json) => json_inside(&text),
        () if is_place(state, Place::Url) => percent_encoded(&text),
        () => text,
    };
    out.write_str(&escaped).map_err(Error::from)
}

fn json_of(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "value has no JSON form").with_source(error))
}

fn is_place(state: &State<'_, '_>, place: Place) -> bool {
    matches!(state.auto_escape(), AutoEscape::Custom(name) if *name == place.name())
}

/// Text as it stands inside a string of JSON.
fn json_inside(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// Text as one part of a URL: RFC 3986's unreserved characters, and the rest percent-encoded.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Takes so many bytes and not one more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other(format!("what the template gives is over {} bytes", self.bytes_max)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
