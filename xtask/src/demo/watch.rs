//! `plugbus tail`: what the demo sees of the bus from outside, event by event.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::{DemoError, time};
use crate::live::{self, Cli, LIMIT, LiveError, json};

/// What recorded hooks are published on.
pub(super) const RAW: &str = "hook.raw";

/// An event as `tail` shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) topic: String,
    /// When it was published, nanoseconds since the Unix epoch.
    pub(super) time_ns: u64,
    pub(super) data: Value,
    /// What the changed build of normalize-hooks adds to its events.
    pub(super) normalizer: Option<String>,
}

/// Everything that was seen, in the order of publication.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) events: Vec<Event>,
    /// Events that the watcher was too slow for, by the daemon's word, and lines that it could not read.
    pub(super) missed: u64,
    has_ended: bool,
}

impl Seen {
    /// What was streamed in.
    pub(super) fn raw(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.topic == RAW)
    }

    /// What normalize-hooks made of it.
    pub(super) fn normalized(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.topic.starts_with("hook.") && event.topic != RAW)
    }

    /// The daemon's own events on a topic.
    pub(super) fn of_host<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.topic == topic)
    }

    /// The daemon's own event about a plugin.
    pub(super) fn about(&self, topic: &str, plugin: &str) -> Option<Event> {
        self.of_host(topic).find(|event| event.data.get("plugin").is_some_and(|found| found == plugin)).cloned()
    }

    /// Everything but the daemon's own events: what subscribers of `>` get.
    pub(super) fn public(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| !event.topic.starts_with("plugbus."))
    }

    /// How many public events each topic had.
    pub(super) fn per_topic(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        self.public().for_each(|event| *counts.entry(event.topic.clone()).or_default() += 1);
        counts
    }

    /// Takes a line of `tail --json`.
    fn take(&mut self, line: &str) {
        match serde_json::from_str::<Value>(line).map(|line| (json::number(&line, "/missed"), read(&line))) {
            Ok((Ok(missed), _)) => self.missed += missed,
            Ok((_, Some(event))) => self.events.push(event),
            _ => self.missed += 1,
        }
    }
}

fn read(line: &Value) -> Option<Event> {
    Some(Event {
        id: json::optional(line, "/id")?,
        topic: json::optional(line, "/type")?,
        time_ns: time::unix_ns(line.get("time")?.as_str()?)?,
        data: line.get("data").cloned().unwrap_or_default(),
        normalizer: json::optional(line, "/normalizer"),
    })
}

/// A running `tail`. Killed when dropped.
pub(super) struct Watch {
    child: Child,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    news: Condvar,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Starts it. It sees everything that is published once the daemon counts a watcher.
    pub(super) fn start(cli: &Cli) -> Result<Self, DemoError> {
        let mut command = cli.command(&["tail", ">", "plugbus.>", "--json"]);
        command.stdout(Stdio::piped()).stderr(cli.file("tail.err")?);
        let mut child = command.spawn().map_err(|error| LiveError::io("start `plugbus tail`", error))?;
        let shared = Arc::new(Shared::default());
        if let Some(lines) = child.stdout.take() {
            let shared = shared.clone();
            thread::spawn(move || follow(lines, &shared));
        }
        Ok(Self { child, shared })
    }

    /// Looks at what was seen so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.seen())
    }

    /// Waits until what was seen answers a question.
    pub(super) fn wait<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> Result<T, DemoError> {
        let begun = Instant::now();
        let mut seen = self.shared.seen();
        loop {
            if let Some(answer) = look(&seen) {
                return Ok(answer);
            }
            let left = LIMIT.saturating_sub(begun.elapsed());
            if seen.has_ended {
                return Err(DemoError::Gone { what: what.to_owned() });
            }
            if left.is_zero() {
                return Err(LiveError::slow(what).into());
            }
            (seen, _) = self.shared.news.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Watch {
    /// Waits for the end, which comes when the daemon stops, and takes everything that was seen.
    pub(super) fn finish(self) -> Result<Seen, DemoError> {
        let begun = Instant::now();
        let mut seen = self.shared.seen();
        while !seen.has_ended {
            let left = LIMIT.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(LiveError::slow("the end of `plugbus tail`").into());
            }
            (seen, _) = self.shared.news.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(std::mem::take(&mut seen))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        live::end(&mut self.child);
    }
}

fn follow(lines: ChildStdout, shared: &Shared) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        shared.seen().take(&line);
        shared.news.notify_all();
    }
    shared.seen().has_ended = true;
    shared.news.notify_all();
}

#[cfg(test)]
mod tests;
