//! From events to a request: body, headers, signature.

use std::time::Duration;

use plugbus_sdk::http::Request;
use plugbus_sdk::prelude::*;

use crate::config::{Config, Format};
use crate::sign::{Signer, message_id, now_s};
use crate::template::{Place, Templates, Text, batch_fields, fields};

/// How much of an answer is read: enough for the text of an error.
const RESPONSE_BYTES_MAX: usize = 4096;
/// W3C Trace Context: extensions of the event that become headers of the same names, so that the receiver goes on with the
/// trace.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// What makes requests.
pub(crate) struct Poster {
    templates: Templates,
    url: Text,
    headers: Vec<(String, Text)>,
    body: Body,
    signer: Option<Signer>,
    timeout: Duration,
}

/// What the body is.
enum Body {
    Cloudevent,
    Data,
    Template { text: Text, content_type: String },
}

/// What a CloudEvent is known by.
#[derive(Deserialize)]
struct Key {
    source: String,
    id: String,
}

impl Poster {
    /// Reads templates and secrets. Errors name the key.
    pub(crate) fn new(config: &Config, env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut templates = Templates::new(config.batch.is_some());
        let url = templates.add("url", Place::Url, &config.url)?;
        let header = |(name, value): (&String, &String)| {
            Ok((name.clone(), templates.add(&format!("headers.{name}"), Place::Header, value)?))
        };
        let headers = config.headers.iter().map(header).collect::<Result<_, String>>()?;
        let body = match (&config.template, config.format) {
            (Some(template), _) => {
                plugbus_sdk::http::check_header("content-type", &template.content_type)
                    .map_err(|problem| format!("key `template.content_type`: {problem}"))?;
                let place = Place::of_body(&template.content_type);
                let text = templates.add("template.body", place, &template.body)?;
                Body::Template { text, content_type: template.content_type.clone() }
            }
            (None, Some(Format::Data)) => Body::Data,
            (None, Some(Format::Cloudevent) | None) => Body::Cloudevent,
        };
        let signer = config.sign.as_ref().map(|sign| Signer::new(sign, env)).transpose()?;
        Ok(Self { templates, url, headers, body, signer, timeout: config.timeout() })
    }

    /// The request for one event.
    pub(crate) fn one(&self, event: Event) -> Result<Request> {
        let id = message_id([(event.source.as_str(), event.id.as_str())].into_iter());
        let trace = TRACE.map(|name| event.extension(name).filter(|value| is_plain(value)).map(str::to_owned));
        let context = match self.templates.is_used() {
            true => fields(&event.to_cloudevent())?,
            false => minijinja::Value::UNDEFINED,
        };
        let (content_type, body) = match &self.body {
            Body::Cloudevent => ("application/cloudevents+json".to_owned(), event.to_cloudevent().into_bytes()),
            Body::Data => (event.payload.content_type.clone(), event.payload.into_bytes()),
            Body::Template { text, content_type } => (content_type.clone(), self.text(text, &context)?.into_bytes()),
        };
        let content_type = if content_type.is_empty() { "application/octet-stream".to_owned() } else { content_type };
        let mut request = Request::post(self.text(&self.url, &context)?).header("content-type", content_type);
        for (name, value) in TRACE.into_iter().zip(trace) {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        self.finish(request, &context, &id, body)
    }

    /// The request for several events, each in the JSON format of CloudEvents.
    pub(crate) fn batch(&self, events: &[String]) -> Result<Request> {
        let keys: Vec<Key> = events.iter().map(|event| serde_json::from_str(event)).collect::<Result<_, _>>()?;
        let id = message_id(keys.iter().map(|key| (key.source.as_str(), key.id.as_str())));
        let context = match self.templates.is_used() {
            true => batch_fields(events)?,
            false => minijinja::Value::UNDEFINED,
        };
        let (content_type, body) = match &self.body {
            Body::Template { text, content_type } => (content_type.as_str(), self.text(text, &context)?),
            Body::Cloudevent | Body::Data => ("application/cloudevents-batch+json", format!("[{}]", events.join(","))),
        };
        let request = Request::post(self.text(&self.url, &context)?).header("content-type", content_type);
        self.finish(request, &context, &id, body.into_bytes())
    }

    /// What a template cannot make of an event, it will not make of it later.
    fn text(&self, text: &Text, context: &minijinja::Value) -> Result<String> {
        self.templates.render(text, context).map_err(|problem| Failure::reject(format!("template: {problem}")))
    }

    fn finish(&self, mut request: Request, context: &minijinja::Value, id: &str, body: Vec<u8>) -> Result<Request> {
        for (name, value) in &self.headers {
            request = request.header(name, self.text(value, context)?);
        }
        // Signed at each attempt anew: a receiver refuses old times.
        for (name, value) in self.signer.iter().flat_map(|signer| signer.headers(id, now_s(), &body)) {
            request = request.header(name, value);
        }
        Ok(request.body(body).timeout(self.timeout).response_bytes_max(RESPONSE_BYTES_MAX))
    }
}

/// Whether a value from an event may stand in a header: an event is not rejected for a trace that is none.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
