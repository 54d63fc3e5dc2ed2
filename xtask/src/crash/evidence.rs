//! What is there at the end: what the publishers were told, what the daemon tells, what the plugins wrote.

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::files::Written;
use super::hazard::Hazard;
use super::plugins::PLUGINS;
use super::publisher::Published;
use crate::live::place::read_text;
use crate::live::{Cli, LIMIT, LiveError, POLL, Place, Wire, json as reading};
use crate::screen::brief;

/// Characters that are shown of a complaint.
const COMPLAINT_CHARACTERS_MAX: usize = 300;

/// Everything that the verdict needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    pub(super) published: Vec<Published>,
    pub(super) told: Told,
    /// By the names of the plugins.
    pub(super) handled: BTreeMap<&'static str, Written>,
    /// Lines in the logs of the daemons that should not be there.
    pub(super) complaints: Vec<String>,
    /// How often each hazard happened.
    pub(super) hazards: BTreeMap<Hazard, u32>,
    /// How many daemons have ended.
    pub(super) lives: usize,
}

/// What the last daemon says.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Everything that was ever in the journal, in order: it was read on in each life, before the oldest events were retired.
    pub(super) journal: Vec<Entry>,
    pub(super) dead: Vec<DeadLetter>,
    /// What plugins have counted in their stores, by their names.
    pub(super) counted: BTreeMap<&'static str, u64>,
    /// As `stats` gives it.
    pub(super) stats: Value,
}

/// An event in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) topic: String,
    pub(super) text: String,
}

/// A dead letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeadLetter {
    pub(super) plugin: String,
    pub(super) kind: String,
    pub(super) event: String,
    pub(super) reason: String,
}

/// Waits until every plugin has settled all there is, and asks for everything.
pub(super) fn when_settled(cli: &Cli, mut journal: Vec<Entry>) -> Result<Told, LiveError> {
    let mut wire = cli.wire()?;
    settle(&mut wire)?;
    let counted = counted(&mut wire)?;
    // The questions were events too.
    let stats = settle(&mut wire)?;
    read_on(cli, &mut journal)?;
    let dead = wire.ask(&json!({ "dead_list": {} }), "dead_letters")?;
    let dead = reading::list(&dead, "/dead_letters")?.iter().map(dead_letter).collect::<Result<_, _>>()?;
    Ok(Told { journal, dead, counted, stats })
}

/// Waits until nobody has anything left to do; the counters then.
fn settle(wire: &mut Wire) -> Result<Value, LiveError> {
    let begun = Instant::now();
    let mut settled = 0;
    loop {
        let stats = wire.ask(&json!({ "stats": {} }), "stats")?;
        settled = if is_settled(&stats) { settled + 1 } else { 0 };
        // What an answer is made of is not all of one moment: yes counts when it is said twice.
        if settled == 2 {
            return Ok(stats);
        }
        if begun.elapsed() > LIMIT {
            return Err(LiveError::slow(format!("everything to be settled; the last answer: {stats}")));
        }
        thread::sleep(POLL);
    }
}

/// Asks those who count.
fn counted(wire: &mut Wire) -> Result<BTreeMap<&'static str, u64>, LiveError> {
    let mut all = BTreeMap::new();
    for (name, topic) in PLUGINS.iter().filter_map(|plugin| Some((plugin.name, plugin.counts?))) {
        let event = json!({ "type": topic, "datacontenttype": "text/plain", "data": "ask" });
        let reply = wire.ask(&json!({ "request": { "event": event } }), "reply")?;
        let count = reading::text(&reply, "/text")?;
        let count = count.parse().map_err(|_| LiveError::Refused { asked: topic.to_owned(), answer: count.clone() })?;
        all.insert(name, count);
    }
    Ok(all)
}

/// Whether nobody has anything left to do.
fn is_settled(stats: &Value) -> bool {
    let names: Vec<String> = PLUGINS.iter().map(|plugin| format!("plugin/{}", plugin.name)).collect();
    let empty = Vec::new();
    let all = stats.pointer("/subscriptions").and_then(Value::as_array).unwrap_or(&empty);
    let is = |one: &Value, pointer: &str, number: u64| one.pointer(pointer).and_then(Value::as_u64) == Some(number);
    let done = |one: &&Value| ["/waiting", "/in_flight", "/durable/backlog"].iter().all(|pointer| is(one, pointer, 0));
    let done = all.iter().filter(done).filter_map(|one| one.get("name")?.as_str()).collect::<Vec<_>>();
    names.iter().all(|name| done.contains(&name.as_str())) && is(stats, "/journal/writes_waiting", 0)
}

/// Adds what has come into the journal.
pub(super) fn read_on(cli: &Cli, entries: &mut Vec<Entry>) -> Result<(), LiveError> {
    let stats = cli.wire()?.ask(&json!({ "stats": {} }), "stats")?;
    let last = reading::number(&stats, "/journal/last_seq")?;
    let next = entries.last().map_or(1, |entry| entry.seq + 1);
    let mut wire = cli.wire()?;
    wire.ask(&json!({ "tail": { "filters": [">"], "from": { "seq": next } } }), "watching")?;
    let failed = |error| LiveError::io("read the journal through the daemon", error);
    while entries.last().map_or(0, |entry| entry.seq) < last {
        let line = wire.receive().map_err(failed)?;
        let value: Value = serde_json::from_str(&line)
            .map_err(|source| LiveError::NotJson { what: "a line of the journal".to_owned(), source })?;
        let Some(event) = value.get("event") else {
            return Err(LiveError::Refused { asked: "the journal".to_owned(), answer: line });
        };
        entries.push(Entry {
            seq: reading::number(event, "/seq")?,
            id: reading::text(event, "/id")?,
            source: reading::text(event, "/source")?,
            topic: reading::text(event, "/type")?,
            text: reading::text(event, "/data")?,
        });
    }
    Ok(())
}

fn dead_letter(value: &Value) -> Result<DeadLetter, LiveError> {
    let subscription = reading::optional(value, "/subscription").unwrap_or_else(|| "nobody".to_owned());
    Ok(DeadLetter {
        plugin: subscription.strip_prefix("plugin/").unwrap_or(&subscription).to_owned(),
        kind: reading::text(value, "/kind")?,
        event: reading::text(value, "/event_id")?,
        reason: reading::text(value, "/reason")?,
    })
}

/// What the log lines of plugins are marked with: what is in them is the plugin's affair.
const OF_PLUGINS: &str = " plugbus::plugin: ";

/// Lines in the logs that should never be there: a panic of the host's, an error.
pub(super) fn complaints(place: &Place, logs: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for log in logs {
        let text = read_text(&place.beside(log)).unwrap_or_else(|error| format!("ERROR {error}"));
        let own = text.lines().filter(|line| !line.contains(OF_PLUGINS));
        let bad = own.filter(|line| line.contains("ERROR ") || line.contains("panicked at"));
        found.extend(bad.map(|line| format!("{log}: {}", brief(line, COMPLAINT_CHARACTERS_MAX))));
    }
    found
}
