//! What the crash test tells at the end. Pure.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::hazard::Hazard;
use super::plugins::PLUGINS;
use super::verdict::streamed;
use crate::screen::table;

/// What happened, in tables.
pub(super) fn in_words(evidence: &Evidence) -> String {
    let hazards = Hazard::ALL.iter().map(|hazard| {
        let times = evidence.hazards.get(hazard).copied().unwrap_or_default();
        vec![hazard.name().to_owned(), times.to_string()]
    });
    let hazards: Vec<_> =
        std::iter::once(vec!["The daemon was".to_owned(), "times".to_owned()]).chain(hazards).collect();
    [table(&hazards), published(evidence), plugins(evidence), in_all(evidence)].join("\n\n")
}

fn published(evidence: &Evidence) -> String {
    let headings = ["Source", "sent", "acknowledged", "of them again", "in the journal"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for one in &evidence.published {
        let there = streamed(&evidence.told.journal).filter(|((source, _), _)| *source == one.source).count();
        let numbers = [one.sent, count(one.accepted.len()), one.duplicates, count(there)];
        let name = if one.repeats { format!("{} (sends again)", one.source) } else { one.source.clone() };
        rows.push(std::iter::once(name).chain(numbers.iter().map(ToString::to_string)).collect());
    }
    table(&rows)
}

fn plugins(evidence: &Evidence) -> String {
    let headings = ["Plugin", "events", "written", "of them again", "torn lines", "published", "counted"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for plugin in &PLUGINS {
        let prefix = plugin.filter.trim_end_matches('>');
        let events = evidence.told.journal.iter().filter(|entry| entry.topic.starts_with(prefix)).count();
        let none = || "-".to_owned();
        let written = evidence.handled.get(plugin.name);
        let unique = |handled: &[super::files::Handled]| {
            handled.iter().map(|one| (&one.topic, &one.source, one.number)).collect::<BTreeSet<_>>().len()
        };
        let again = written.map(|written| (written.handled.len() - unique(&written.handled)).to_string());
        let published = plugin
            .publishes
            .map(|topic| evidence.told.journal.iter().filter(|entry| entry.topic == topic).count().to_string());
        rows.push(vec![
            plugin.name.to_owned(),
            events.to_string(),
            written.map_or_else(none, |written| written.handled.len().to_string()),
            again.unwrap_or_else(none),
            written.map_or_else(none, |written| written.torn.to_string()),
            published.unwrap_or_else(none),
            evidence.told.counted.get(plugin.name).map_or_else(none, ToString::to_string),
        ]);
    }
    table(&rows)
}

fn in_all(evidence: &Evidence) -> String {
    let (journal, dead, lives) = (evidence.told.journal.len(), evidence.told.dead.len(), evidence.lives);
    format!("{journal} events in the journal, {dead} dead letters (all of them to be), {lives} daemons in a row.")
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
