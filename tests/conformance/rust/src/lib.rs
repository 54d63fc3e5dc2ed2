//! What every language's guest does: see `tests/conformance/README.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use plugbus_sdk::prelude::*;

struct Conformance {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    greeting: Option<String>,
}

impl Plugin for Conformance {
    const FILTERS: &[&str] = &["c.>"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        match event.topic.as_str() {
            "c.good" => drop(publish("out.good", &with_name(event.json()?))?),
            "c.retry" => retry(event.attempt)?,
            "c.reject" => return Err(Failure::reject("no thanks")),
            "c.exception" => return Err(Boom.into()),
            "c.denied" => denied()?,
            "c.limit" => limit()?,
            "c.request" => return Reply::json(&json!({ "got": event.json::<Value>()? })),
            "c.config" => drop(publish("out.config", &json!({ "greeting": self.config.greeting }))?),
            "c.unicode" => drop(Draft::new("out.unicode").text(event.payload.to_text()).publish()?),
            "c.empty" => drop(publish("out.empty", &json!({ "bytes": event.payload.bytes().len() }))?),
            "c.large" => large(&event)?,
            "c.binary" => binary(event.payload.into_bytes())?,
            "c.count" => drop(publish("out.count", &json!({ "n": event.json::<Numbered>()?.n }))?),
            "c.log" => log::info!("hello from rust"),
            other => return Err(Failure::reject(format!("no row for {other}"))),
        }
        Ok(Reply::none())
    }
}

#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<String>,
}

/// An error of the ordinary kind.
#[derive(Debug)]
struct Boom;

impl std::fmt::Display for Boom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("boom")
    }
}

impl std::error::Error for Boom {}

fn with_name(mut data: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    data.insert("by".into(), "rust".into());
    data
}

fn retry(attempt: u32) -> Result<()> {
    if attempt == 1 {
        publish("out.retry", &json!({ "lost": true }))?;
        return Err(Failure::retry_after("not yet", Duration::from_millis(10)));
    }
    publish("out.retry", &json!({ "attempt": attempt }))?;
    Ok(())
}

fn denied() -> Result<()> {
    let refused = Draft::new("elsewhere.topic").json(&json!({}))?.publish();
    if let Err(PublishError::Denied(_)) = refused {
        publish("out.denied", &json!({ "error": "denied" }))?;
    }
    Ok(())
}

fn limit() -> Result<()> {
    for i in 0.. {
        if let Err(PublishError::OverLimit(_)) = Draft::new("out.limit").json(&json!({ "i": i }))?.publish() {
            return Err(Failure::reject(format!("refused after {i}: over-limit")));
        }
    }
    Ok(())
}

fn large(event: &Event) -> Result<()> {
    let items = event.json::<Items>()?.items.len();
    publish("out.large", &json!({ "items": items, "bytes": event.payload.bytes().len() }))?;
    Ok(())
}

fn binary(mut bytes: Vec<u8>) -> Result<()> {
    bytes.reverse();
    Draft::new("out.binary").payload(Payload::new("application/octet-stream", Body::Bytes(bytes))).publish()?;
    Ok(())
}

plugbus_sdk::export!(Conformance);
