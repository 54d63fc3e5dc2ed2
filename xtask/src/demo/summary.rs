//! What the watcher takes home: tables for people, one line of JSON for programs. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::facts::{Facts, Plugin};
use super::verdict;
use crate::screen::{brief, table};

/// Characters of a reason on the screen.
const REASON_CHARACTERS_MAX: usize = 150;

/// How long something took, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Times {
    mean: u64,
    max: u64,
}

impl Times {
    fn of(all: &[u64]) -> Self {
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let mean = all.iter().sum::<u64>().checked_div(count).unwrap_or_default();
        Self { mean, max: all.iter().copied().max().unwrap_or_default() }
    }

    fn json(self) -> Value {
        json!({ "mean_us": self.mean / 1000, "max_us": self.max / 1000 })
    }
}

/// Milliseconds with three digits, made without a detour over floating point.
fn ms(nanos: u64) -> String {
    let micros = nanos / 1000;
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// Time of one attempt in a plugin's handler.
fn in_handler(plugin: &Plugin) -> Times {
    let mean = plugin.handler_ns_total.checked_div(plugin.attempts).unwrap_or_default();
    Times { mean, max: plugin.handler_ns_max }
}

/// From the acceptance of a hook to that of what normalize-hooks made of it.
fn through_normalize(facts: &Facts) -> Times {
    let pairs = facts.seen.raw().zip(facts.seen.normalized());
    Times::of(&pairs.map(|(raw, normalized)| normalized.time_ns.saturating_sub(raw.time_ns)).collect::<Vec<_>>())
}

/// From the acceptance of a hook to the moment when the webhook has what was made of it.
fn to_webhook(facts: &Facts) -> Times {
    let taken: BTreeMap<&str, u64> = facts.posts.taken.iter().map(|taken| (taken.id.as_str(), taken.time_ns)).collect();
    let pairs = facts.seen.raw().zip(facts.seen.normalized());
    let arrived = pairs.filter_map(|(raw, event)| Some(taken.get(event.id.as_str())?.saturating_sub(raw.time_ns)));
    Times::of(&arrived.collect::<Vec<_>>())
}

fn lost(facts: &Facts) -> u64 {
    verdict::lost(facts).iter().map(|(_, count)| count).sum()
}

/// For people: what was measured, and whether it adds up.
pub(super) fn in_words(facts: &Facts, problems: &[String]) -> String {
    let parts = [
        events(facts),
        plugins(facts),
        swap(facts),
        format!("Faults, caught in the sandbox, and refusals:\n{}", faults(facts)),
        format!("Dead letters: {}\n{}", facts.dead.len(), dead(facts)),
        format!("Lost: {}\n{}", lost(facts), witnesses(facts, problems)),
    ];
    parts.join("\n\n")
}

fn events(facts: &Facts) -> String {
    let (all, given) = (facts.seen.public().count(), facts.accepted.len());
    let (through, to) = (through_normalize(facts), to_webhook(facts));
    let rows = [
        ["Time of one hook, from its acceptance", "mean ms", "max ms"].map(str::to_owned),
        ["  until its normalized event is published".to_owned(), ms(through.mean), ms(through.max)],
        ["  until the webhook has that, retries included".to_owned(), ms(to.mean), ms(to.max)],
    ];
    format!(
        "{given} hooks went in, {} more events came from plugins.\n\n{}",
        all.saturating_sub(given),
        table(&rows.map(Vec::from))
    )
}

fn plugins(facts: &Facts) -> String {
    let headings = ["Plugin", "events", "handled", "retries", "faults", "dead", "mean ms", "max ms"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for plugin in &facts.plugins {
        let (faults, times) = (plugin.faults.values().sum::<u64>(), in_handler(plugin));
        let counts = [plugin.matched, plugin.acked, plugin.retried, faults, facts.dead_of(&plugin.name)];
        let counts = counts.iter().map(ToString::to_string);
        rows.push(std::iter::once(plugin.name.clone()).chain(counts).chain([ms(times.mean), ms(times.max)]).collect());
    }
    format!("{}\n(ms: one attempt inside the plugin; the host is a debug build here)", table(&rows))
}

fn swap(facts: &Facts) -> String {
    let normalized: Vec<_> = facts.seen.normalized().collect();
    let old = normalized.iter().take_while(|event| event.normalizer.is_none()).count();
    let (next, all, reloads) = (old + 1, normalized.len(), facts.reloads);
    format!("Reloads: {reloads}\n  hooks 1 to {old} came out of the old build, {next} to {all} out of the changed one")
}

fn faults(facts: &Facts) -> String {
    let mut lines = Vec::new();
    for plugin in &facts.plugins {
        for (kind, count) in &plugin.faults {
            let last = plugin.last_fault.as_ref().filter(|fault| fault.kind == *kind);
            let limit = last.and_then(|fault| fault.limit.as_ref()).map(|limit| format!(" (limit: {limit})"));
            let message = last.map(|fault| brief(&fault.message, REASON_CHARACTERS_MAX)).unwrap_or_default();
            lines.push(format!("  {}: {count} × {kind}{}: {message}", plugin.name, limit.unwrap_or_default()));
        }
    }
    let refused = facts.rejections.iter().map(|rejection| {
        let cause = brief(&rejection.cause, REASON_CHARACTERS_MAX);
        format!("  {}: refused ({}): {cause}", rejection.plugin, rejection.kind)
    });
    lines.into_iter().chain(refused).collect::<Vec<_>>().join("\n")
}

fn dead(facts: &Facts) -> String {
    let mut groups: BTreeMap<(&str, &str), (u64, &str)> = BTreeMap::new();
    for letter in &facts.dead {
        groups.entry((&letter.plugin, &letter.kind)).or_insert((0, &letter.reason)).0 += 1;
    }
    let lines = groups.iter().map(|((plugin, kind), (count, reason))| {
        format!("  {plugin}: {count} × {kind}: {}", brief(reason, REASON_CHARACTERS_MAX))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Who else than the daemon was there, and whether they say the same.
fn witnesses(facts: &Facts, problems: &[String]) -> String {
    let (answers, seen, lines) = (facts.accepted.len(), facts.seen.public().count(), facts.logged.len());
    let (taken, refused) = (facts.posts.taken.len(), facts.posts.refused);
    let verdict = match problems.len() {
        0 => "All of that fits the daemon's counters, event by event: each came once, the normalized hooks in their order.".to_owned(),
        count => format!("It does NOT add up, see the problems below: {count} in number."),
    };
    format!(
        "  `emit` printed {answers} acceptances, `tail` saw {seen} events, the log of log-jsonl has {lines} lines, the \
         webhook took {taken} events and refused {refused} requests. {verdict}"
    )
}

/// The last line.
pub(super) fn in_json(facts: &Facts, problems: &[String]) -> Value {
    let of_plugins = |value: &dyn Fn(&Plugin) -> Value| -> Map<String, Value> {
        facts.plugins.iter().map(|plugin| (plugin.name.clone(), value(plugin))).collect()
    };
    let rejected: Map<String, Value> =
        facts.rejections.iter().map(|rejection| (rejection.plugin.clone(), json!(rejection.kind))).collect();
    json!({
        "events_in": facts.accepted.len(),
        "events_published_by_plugins": facts.seen.public().count().saturating_sub(facts.accepted.len()),
        "handled": of_plugins(&|plugin| json!(plugin.acked)),
        "retries": of_plugins(&|plugin| json!(plugin.retried)),
        "faults": facts.faults(),
        "rejected": rejected,
        "dead_letters": facts.dead.len(),
        "reloads": facts.reloads,
        "lost": lost(facts),
        "handler_time": of_plugins(&|plugin| in_handler(plugin).json()),
        "time_through_normalize_hooks": through_normalize(facts).json(),
        "time_to_webhook": to_webhook(facts).json(),
        "problems": problems,
    })
}

#[cfg(test)]
mod tests;
