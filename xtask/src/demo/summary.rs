//! What the watcher takes home: tables for people, one line of JSON for programs. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::facts::{Facts, Plugin};
use super::screen::{brief, table};
use super::verdict;

/// Characters of a reason on the screen.
const REASON_CHARACTERS_MAX: usize = 90;

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

/// The tables.
pub(super) fn in_words(facts: &Facts) -> String {
    let parts = [
        events(facts),
        plugins(facts),
        format!("Swapped without a gap\n{}", swap(facts)),
        format!("Faults, each caught in its sandbox\n{}", faults(facts)),
        format!("Dead letters: {}, kept with their reasons\n{}", facts.dead.len(), dead(facts)),
        format!("Lost: {}\n{}", lost(facts), witnesses(facts)),
    ];
    parts.join("\n\n")
}

fn events(facts: &Facts) -> String {
    let (all, given) = (facts.seen.public().count(), facts.accepted.len());
    let (through, to) = (through_normalize(facts), to_webhook(facts));
    let rows = [
        vec![format!("{given} hooks went in, {} more events came from plugins", all.saturating_sub(given))],
        vec!["time per hook, in ms".to_owned(), "mean".to_owned(), "max".to_owned()],
        vec!["  accepted → queue → sandbox → published again".to_owned(), ms(through.mean), ms(through.max)],
        vec!["  accepted → … → webhook has it, retries included".to_owned(), ms(to.mean), ms(to.max)],
    ];
    let [head, times @ ..] = rows;
    format!("{}\n{}", head.concat(), table(&times))
}

fn plugins(facts: &Facts) -> String {
    let headings = ["plugin", "events", "handled", "retries", "faults", "dead", "mean ms", "max ms"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for plugin in &facts.plugins {
        let (faults, times) = (plugin.faults.values().sum::<u64>(), in_handler(plugin));
        let counts = [plugin.matched, plugin.acked, plugin.retried, faults, facts.dead_of(&plugin.name)];
        let counts = counts.iter().map(ToString::to_string);
        rows.push(std::iter::once(plugin.name.clone()).chain(counts).chain([ms(times.mean), ms(times.max)]).collect());
    }
    format!("{}\n(ms: one attempt in the plugin's handler, in a debug build of the host)", table(&rows))
}

fn swap(facts: &Facts) -> String {
    let normalized: Vec<_> = facts.seen.normalized().collect();
    let old = normalized.iter().take_while(|event| event.normalizer.is_none()).count();
    let (next, all) = (old + 1, normalized.len());
    format!(
        "  hooks 1 to {old} were handled by the old build, {next} to {all} by the changed one; none twice, in order"
    )
}

fn faults(facts: &Facts) -> String {
    let mut rows = Vec::new();
    for plugin in &facts.plugins {
        for (kind, count) in &plugin.faults {
            let last = plugin.last_fault.as_ref().filter(|fault| fault.kind == *kind);
            let limit = last.and_then(|fault| fault.limit.clone()).map(|limit| format!(" (limit: {limit})"));
            let message = last.map(|fault| brief(&fault.message, REASON_CHARACTERS_MAX)).unwrap_or_default();
            let limit = limit.unwrap_or_default();
            rows.push(format!("  {}: {count} × {kind}{limit}: {message}", plugin.name));
        }
    }
    let refused = facts.rejections.iter().map(|rejection| {
        let cause = brief(&rejection.cause, REASON_CHARACTERS_MAX);
        format!("  {}: refused ({}): {cause}", rejection.plugin, rejection.kind)
    });
    rows.into_iter().chain(refused).collect::<Vec<_>>().join("\n")
}

fn dead(facts: &Facts) -> String {
    let mut groups: BTreeMap<(&str, &str), (u64, &str)> = BTreeMap::new();
    for letter in &facts.dead {
        groups.entry((&letter.plugin, &letter.kind)).or_insert((0, &letter.reason)).0 += 1;
    }
    let lines = groups.iter().map(|((plugin, kind), (count, reason))| {
        format!("  {plugin}: {count} × {kind}, for example: {}", brief(reason, REASON_CHARACTERS_MAX))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Who else than the daemon says so.
fn witnesses(facts: &Facts) -> String {
    let (answers, seen, lines) = (facts.accepted.len(), facts.seen.public().count(), facts.logged.len());
    let (taken, refused) = (facts.posts.taken.len(), facts.posts.refused);
    format!(
        "  `emit` got {answers} answers, `tail` saw {seen} events, the log has {lines} lines, the webhook took {taken}\n  \
         events and refused {refused} requests: compared by their ids, they tell the same as the daemon's counters"
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
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_last_line_has_what_programs_ask_for() {
        let facts = samples::facts();
        let summary = in_json(&facts, &verdict::problems(&facts));
        let expected = [
            ("/events_in", json!(4)),
            ("/handled/log-jsonl", json!(8)),
            ("/handled/traps", json!(0)),
            ("/faults", json!({ "trap": 2, "fuel": 2 })),
            ("/rejected", json!({ "not-a-component": "compile" })),
            ("/dead_letters", json!(4)),
            ("/reloads", json!(1)),
            ("/lost", json!(0)),
            ("/handler_time/log-jsonl", json!({ "mean_us": 1500, "max_us": 2000 })),
            ("/time_through_normalize_hooks", json!({ "mean_us": 1000, "max_us": 1000 })),
            ("/time_to_webhook", json!({ "mean_us": 35_000, "max_us": 50_000 })),
            ("/problems", json!([])),
        ];
        for (pointer, value) in expected {
            assert_eq!(summary.pointer(pointer), Some(&value), "{pointer} in {summary}");
        }
        assert!(!summary.to_string().contains('\n'));
    }

    #[test]
    fn what_was_lost_shows_in_both() {
        let mut facts = samples::facts();
        facts.logged.truncate(5);
        assert_eq!(in_json(&facts, &[])["lost"], 3);
        assert!(in_words(&facts).contains("\nLost: 3\n"));
    }

    #[test]
    fn people_see_who_faulted_and_why() {
        let text = in_words(&samples::facts());
        for expected in [
            "4 hooks went in, 4 more events came from plugins",
            "hooks 1 to 2 were handled by the old build, 3 to 4 by the changed one",
            "  spins: 2 × fuel (limit: 7 fuel)",
            "  not-a-component: refused (compile): no component",
            "  traps: 2 × exhausted, for example: r",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    #[test]
    fn times_are_shown_in_milliseconds() {
        assert_eq!((ms(0), ms(1_234_567), ms(12_000_999)), ("0.000".into(), "1.234".into(), "12.000".into()));
        assert_eq!(Times::of(&[]), Times::default());
    }
}
