//! What the last daemon says of itself: dead letters, cursors, counters.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::connection::id;
use super::super::evidence::Told;
use super::super::plugins::PLUGINS;
use super::{Problems, streamed};

/// What a plugin has counted is what is in the journal: not one more for all that was repeated, not one less for all that
/// was killed.
pub(super) fn counted(told: &Told, found: &mut Problems) {
    for plugin in PLUGINS.iter().filter(|plugin| plugin.counts.is_some()) {
        let expected = streamed(&told.journal).filter(|((_, number), _)| !plugin.rejects(*number)).count();
        let counted = told.counted.get(plugin.name).copied();
        found.unless(counted == u64::try_from(expected).ok(), || {
            format!("{} has counted {counted:?} events of {expected}", plugin.name)
        });
    }
}

/// The dead letters are those that a plugin rejects, one for each, and no others.
pub(super) fn dead(told: &Told, found: &mut Problems) {
    let mut expected = BTreeSet::new();
    for plugin in PLUGINS.iter().filter(|plugin| plugin.rejects_every.is_some()) {
        let rejected = streamed(&told.journal).filter(|((_, number), _)| plugin.rejects(*number));
        expected.extend(rejected.map(|((source, number), _)| (plugin.name, "rejected", id(source, number))));
    }
    let mut seen = BTreeSet::new();
    for letter in &told.dead {
        let key = (letter.plugin.as_str(), letter.kind.as_str(), letter.event.clone());
        found.unless(expected.contains(&key), || format!("a dead letter without a cause: {letter:?}"));
        found.unless(!seen.contains(&key), || format!("two dead letters of one delivery: {letter:?}"));
        seen.insert(key);
    }
    found.examples("rejected, and no dead letter", expected.difference(&seen));
}

/// Every cursor is at the end, and what is counted adds up.
pub(super) fn at_rest(told: &Told, found: &mut Problems) {
    let stats = &told.stats;
    let last = u64::try_from(told.journal.len()).unwrap_or(u64::MAX);
    for (pointer, expected) in [
        ("/journal/last_seq", last),
        ("/journal/refused", 0),
        ("/journal/commits_failed", 0),
        ("/bus/journal_refused", 0),
        ("/bus/outbox_refused", 0),
        ("/bus/dead_letters/held", u64::try_from(told.dead.len()).unwrap_or(u64::MAX)),
    ] {
        expect(stats, "stats", pointer, expected, found);
    }
    found.unless(stats.pointer("/journal/trouble").is_some_and(Value::is_null), || {
        format!("the journal is in trouble: {:?}", stats.pointer("/journal/trouble"))
    });
    let empty = Vec::new();
    let subscriptions = stats.pointer("/subscriptions").and_then(Value::as_array).unwrap_or(&empty);
    for plugin in &PLUGINS {
        let name = format!("plugin/{}", plugin.name);
        let own = subscriptions.iter().find(|one| one.get("name").is_some_and(|found| *found == name.as_str()));
        match own {
            Some(own) => subscription(own, &name, last, found),
            None => found.0.push(format!("{name} is not there at the end")),
        }
    }
}

fn subscription(own: &Value, name: &str, last: u64, found: &mut Problems) {
    let zero = ["waiting", "in_flight", "dropped", "discarded", "full", "durable/backlog", "durable/retired"];
    zero.iter().for_each(|counter| expect(own, name, &format!("/{counter}"), 0, found));
    expect(own, name, "/durable/floor", last, found);
    let count = |counter: &str| own.get(counter).and_then(Value::as_u64).unwrap_or(u64::MAX);
    let (matched, settled) = (count("matched"), count("acked").saturating_add(count("dead")));
    found.unless(matched == settled, || format!("{name} took {matched} events in and settled {settled}"));
    let attempts = settled.saturating_add(count("retried")).saturating_add(count("conflicts"));
    found.unless(count("attempts") == attempts, || {
        format!("{name} made {} attempts, and {attempts} led to something", count("attempts"))
    });
}

fn expect(value: &Value, what: &str, pointer: &str, expected: u64, found: &mut Problems) {
    let is = value.pointer(pointer);
    found.unless(is.and_then(Value::as_u64) == Some(expected), || {
        format!("{what}: {pointer} is {}, not {expected}", is.unwrap_or(&Value::Null))
    });
}
