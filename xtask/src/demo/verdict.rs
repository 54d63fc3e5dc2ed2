//! Whether what was measured adds up. Pure.
//!
//! Each fact that the daemon tells is held against one that somebody else saw: `emit`, `tail`, the files that log-jsonl
//! wrote, the requests that the webhook got. What does not fit is a sentence for the watcher, and the demo fails.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::facts::{COUNT, DeadLetter, Facts, GOOD, LOG, NORMALIZE, Plugin, RELAY, SPINS, TEXT, TRAPS, count};
use super::watch::Event;

/// What was lost, and how much of it: deliveries that are neither handled nor a dead letter nor waiting, and events that
/// were to arrive somewhere and did not.
pub(super) fn lost(facts: &Facts) -> Vec<(String, u64)> {
    let seen = &facts.seen;
    let answered = count(facts.accepted.iter());
    let mut lost = vec![
        ("lines without an answer of the daemon".to_owned(), facts.lines.saturating_sub(answered)),
        (
            format!("hooks that came out of {NORMALIZE} as nothing"),
            count(seen.raw()).saturating_sub(count(seen.normalized())),
        ),
        (format!("events that are not in the file of {LOG}"), absent(public(facts), logged(facts))),
        (format!("hook events that {RELAY} did not bring to its webhook"), absent(hooks(facts), taken(facts))),
    ];
    let unaccounted =
        |plugin: &Plugin| (format!("deliveries to {} unaccounted for", plugin.name), unaccounted(facts, plugin));
    lost.extend(facts.plugins.iter().map(unaccounted));
    lost.retain(|(_, count)| *count > 0);
    lost
}

/// Deliveries that are neither handled, nor given up, nor waiting. What waited for a plugin that was taken out has to be a
/// dead letter at the end.
fn unaccounted(facts: &Facts, plugin: &Plugin) -> u64 {
    let settled = if GOOD.contains(&plugin.name.as_str()) {
        plugin.acked + plugin.dead + plugin.waiting + plugin.in_flight
    } else {
        plugin.acked + facts.dead_of(&plugin.name)
    };
    plugin.matched.saturating_sub(settled)
}

/// Everything that is not as it should be, one sentence each; nothing if all is well.
pub(super) fn problems(facts: &Facts) -> Vec<String> {
    let mut found = Problems(lost(facts).into_iter().map(|(what, count)| format!("lost: {count} {what}")).collect());
    input(facts, &mut found);
    output(facts, &mut found);
    swap(facts, &mut found);
    GOOD.iter().for_each(|name| good(&facts.plugin(name), name, &mut found));
    bad(facts, TRAPS, "trap", &mut found);
    bad(facts, SPINS, "fuel", &mut found);
    let refused = facts.rejections.iter().any(|rejection| rejection.plugin == TEXT && !rejection.cause.is_empty());
    found.unless(refused, || format!("{TEXT} was not refused"));
    let strange = facts.dead.iter().filter(|letter| ![TRAPS, SPINS].contains(&letter.plugin.as_str()));
    let unexplained =
        |letter: &DeadLetter| format!("{} has an unexplained dead letter: {}", letter.plugin, letter.reason);
    found.0.extend(strange.map(unexplained));
    found
        .unless(facts.is_settled, || "the daemon did not say, when it stopped, that everything was settled".to_owned());
    found.0
}

struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }
}

/// What went in is what `tail` saw.
fn input(facts: &Facts, found: &mut Problems) {
    let seen = &facts.seen;
    found.unless(seen.missed == 0, || format!("`tail` missed {} events: nothing can be held against it", seen.missed));
    let raw: Vec<&str> = seen.raw().map(|event| event.id.as_str()).collect();
    found.unless(raw == facts.accepted, || "`tail` saw other hooks than `emit` sent, or in another order".to_owned());
}

/// What came out is what `tail` saw, and nothing of it came twice.
fn output(facts: &Facts, found: &mut Problems) {
    let known: BTreeSet<&str> = public(facts).collect();
    for (place, ids) in
        [(format!("the file of {LOG}"), logged(facts)), (format!("the webhook of {RELAY}"), taken(facts))]
    {
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        found
            .unless(unique.len() == ids.len(), || format!("{} events came twice to {place}", ids.len() - unique.len()));
        found.unless(unique.is_subset(&known), || format!("events came to {place} that `tail` never saw"));
    }
    let (relay, posts) = (facts.plugin(RELAY), &facts.posts);
    found.unless(posts.refused > 0, || "the webhook was never out of order, so no retry was seen".to_owned());
    let (told, counted) = ((relay.attempts, relay.retried), (posts.received, posts.refused));
    found.unless(told == counted, || {
        format!("{RELAY} is said to have made (attempts, retries) {told:?}, its webhook saw {counted:?}")
    });
    let (counted, seen) = (&facts.counted, hook_topics(facts));
    let differs = |topic: &&String| counted.get(*topic) != seen.get(*topic);
    let topics: BTreeSet<&String> = counted.keys().chain(seen.keys()).filter(differs).collect();
    let differing =
        |first: &&String| format!("{COUNT} counted otherwise than `tail` saw on {} topics, as {first}", topics.len());
    found.0.extend(topics.first().map(differing));
}

/// How many events each topic had that count-topics counts: neither its own summaries nor the request for its counts.
fn hook_topics(facts: &Facts) -> BTreeMap<String, u64> {
    let mut topics = facts.seen.per_topic();
    topics.retain(|topic, _| topic.starts_with("hook."));
    topics
}

/// Each hook came out once, in order, its data untouched: the first ones of one build, all others of the changed one.
fn swap(facts: &Facts, found: &mut Problems) {
    let (raw, normalized): (Vec<&Event>, Vec<&Event>) = (facts.seen.raw().collect(), facts.seen.normalized().collect());
    let extra = normalized.len().saturating_sub(raw.len());
    found.unless(extra == 0, || format!("{NORMALIZE} published {extra} events too many"));
    let wrong = raw.iter().zip(&normalized).position(|(raw, normalized)| !is_made_of(normalized, raw));
    found.unless(wrong.is_none(), || {
        format!("{NORMALIZE}: hook {} did not come out in its place, or not as it was", wrong.unwrap_or_default() + 1)
    });
    found.unless(facts.reloads == 1, || format!("the daemon counts {} reloads, there was 1", facts.reloads));
    let old = normalized.iter().take_while(|event| event.normalizer.is_none()).count();
    let new = normalized.iter().skip(old).filter(|event| event.normalizer.is_some()).count();
    found.unless(old > 0 && new > 0, || format!("the old build handled {old} hooks and the changed one {new}"));
    found.unless(old + new == normalized.len(), || {
        "the old build handled hooks after the changed one took over".to_owned()
    });
}

/// Whether an event is what normalize-hooks makes of a hook: what it has no name of its own for is in `data`, untouched.
fn is_made_of(normalized: &Event, raw: &Event) -> bool {
    let Value::Object(hook) = &raw.data else { return false };
    let rest = hook.iter().filter(|(name, _)| !["session_id", "hook_event_name", "cwd"].contains(&name.as_str()));
    let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    let session = normalized.data.get("session");
    session.is_some() && session == hook.get("session_id") && normalized.data.get("data") == Some(&Value::Object(rest))
}

/// A good plugin handled all it got, at the first attempt or a later one, and never faulted.
fn good(plugin: &Plugin, name: &str, found: &mut Problems) {
    let (matched, acked) = (plugin.matched, plugin.acked);
    found
        .unless(acked > 0 && acked == matched, || format!("{name} was to handle {matched} events and handled {acked}"));
    let last = plugin.last_fault.as_ref().map(|fault| fault.message.as_str()).unwrap_or_default();
    found
        .unless(plugin.faults.is_empty(), || format!("{name} faulted: {}; the last: {last}", in_words(&plugin.faults)));
}

/// A bad plugin shows the fault that it is there for and no other; nothing is handled, everything a dead letter; and it is
/// suspended.
fn bad(facts: &Facts, name: &str, kind: &str, found: &mut Problems) {
    let plugin = facts.plugin(name);
    let kinds: Vec<&String> = plugin.faults.keys().collect();
    found.unless(kinds == [kind], || {
        format!("{name} was to fault with `{kind}` alone, and did with {}", in_words(&plugin.faults))
    });
    let has_limit = plugin.last_fault.as_ref().is_some_and(|fault| fault.limit.is_some());
    found.unless(has_limit || kind != "fuel", || format!("{name}: the fault does not say which limit was hit"));
    let (matched, dead) = (plugin.matched, facts.dead_of(name));
    found.unless(plugin.acked == 0, || format!("{name} is said to have handled {} events", plugin.acked));
    found.unless(matched == dead, || format!("{name} got {matched} events, and {dead} of them are dead letters"));
    let suspended = facts.seen.about("plugbus.plugin.suspended", name);
    found.unless(suspended.is_some(), || format!("{name} was not suspended"));
}

/// Faults by kind.
fn in_words(faults: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> = faults.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
}

/// The ids of what subscribers of `>` get.
fn public(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.seen.public().map(|event| event.id.as_str())
}

/// The ids of what the relay gets, which listens to `hook.>`.
fn hooks(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.seen.public().filter(|event| event.topic.starts_with("hook.")).map(|event| event.id.as_str())
}

fn logged(facts: &Facts) -> Vec<&str> {
    facts.logged.iter().map(String::as_str).collect()
}

fn taken(facts: &Facts) -> Vec<&str> {
    facts.posts.taken.iter().map(|taken| taken.id.as_str()).collect()
}

/// How many are expected and were not found.
fn absent<'a>(expected: impl Iterator<Item = &'a str>, found: Vec<&str>) -> u64 {
    let found: BTreeSet<&str> = found.into_iter().collect();
    count(expected.filter(|id| !found.contains(id)))
}

#[cfg(test)]
mod tests;
