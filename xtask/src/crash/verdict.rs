//! Whether what is there at the end is what was promised. Pure.
//!
//! What was acknowledged is held against the journal, the journal against what the plugins wrote and published, and all of it
//! against what the daemon says of itself. What does not fit is a sentence, and the test fails.

mod settled;

use std::collections::{BTreeMap, BTreeSet};

use super::connection::{id, of_text, text};
use super::evidence::{Entry, Evidence};
use super::files::Handled;
use super::plugins::{PLUGINS, Plugin};
use super::publisher::Published;
use crate::screen::brief;

/// Examples that are shown of what is wrong in many places.
const EXAMPLES_MAX: usize = 5;
/// Characters that are shown of one.
const EXAMPLE_CHARACTERS_MAX: usize = 300;

/// An event by its source and number.
type Known<'a> = (&'a str, u64);

/// Everything that is not as promised; nothing if all is well.
pub(super) fn problems(evidence: &Evidence) -> Vec<String> {
    let mut found = Problems(Vec::new());
    let journal = &evidence.told.journal;
    numbers(journal, &mut found);
    evidence.published.iter().for_each(|published| acknowledged(published, journal, &mut found));
    for plugin in &PLUGINS {
        if let Some(topic) = plugin.publishes {
            republished(plugin, topic, journal, &mut found);
        }
        if plugin.writes.is_some() {
            let written = evidence.handled.get(plugin.name).map_or(&[][..], |written| &written.handled);
            handled(plugin, written, journal, &mut found);
        }
    }
    settled::counted(&evidence.told, &mut found);
    settled::dead(&evidence.told, &mut found);
    settled::at_rest(&evidence.told, &mut found);
    found.examples("the log of a daemon complains", evidence.complaints.iter().cloned());
    found.0
}

/// What was found to be wrong.
struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    /// One sentence for many of a kind.
    fn examples<T: std::fmt::Debug>(&mut self, what: &str, wrong: impl Iterator<Item = T>) {
        let wrong: Vec<T> = wrong.collect();
        let shown = wrong
            .iter()
            .take(EXAMPLES_MAX)
            .map(|one| brief(&format!("{one:?}"), EXAMPLE_CHARACTERS_MAX))
            .collect::<Vec<_>>()
            .join(", ");
        self.unless(wrong.is_empty(), || format!("{what}: {} times: {shown}", wrong.len()));
    }
}

/// The events of publishers in the journal.
pub(super) fn streamed(journal: &[Entry]) -> impl Iterator<Item = (Known<'_>, &Entry)> {
    let known = |entry: &'_ Entry| entry.topic.starts_with("crash.") && entry.text.starts_with(&entry.source);
    let streamed = journal.iter().filter(move |entry| known(entry));
    streamed.filter_map(|entry| Some((of_text(&entry.text)?, entry)))
}

/// The journal has every number once, and no event twice.
fn numbers(journal: &[Entry], found: &mut Problems) {
    let gaps = journal.iter().zip(1..).filter(|(entry, seq)| entry.seq != *seq);
    found.examples(
        "the journal has gaps, or its numbers do not rise",
        gaps.take(1).map(|(entry, seq)| (seq, entry.seq)),
    );
    let mut seen = BTreeSet::new();
    let twice = journal.iter().filter(|entry| !seen.insert((&entry.source, &entry.id)));
    found.examples("an event is in the journal twice", twice.map(|entry| (entry.seq, &entry.source, &entry.id)));
}

/// Everything that a publisher was told to be accepted is there, under its number; nothing is there that was not sent; and
/// all of it in the order in which it was sent.
fn acknowledged(published: &Published, journal: &[Entry], found: &mut Problems) {
    let source = &published.source;
    let own = || streamed(journal).filter(|((of, _), _)| of == source);
    let there: BTreeMap<u64, u64> = own().map(|((_, number), entry)| (number, entry.seq)).collect();
    let lost = published.accepted.iter().filter(|(number, seq)| there.get(number) != Some(seq));
    found.examples(&format!("acknowledged to {source}, and not in the journal under that number"), lost);
    if published.repeats {
        let missing = (1..=published.sent).filter(|number| !there.contains_key(number));
        found.examples(&format!("sent by {source} until it was acknowledged, and not in the journal"), missing);
    }
    let strange = own().filter(|((_, number), entry)| {
        *number == 0
            || *number > published.sent
            || entry.id != id(source, *number)
            || entry.text != text(source, *number)
    });
    found.examples(&format!("in the journal, and not as {source} sent it"), strange.map(|(_, entry)| entry));
    let order: Vec<u64> = own().map(|((_, number), _)| number).collect();
    found.examples(&format!("events of {source} in the journal in another order than sent"), falls(&order));
    found.unless(!published.accepted.is_empty(), || format!("nothing of {source} was ever accepted"));
}

/// For each event that a plugin has acked it has published one, under whatever id, and none for those it has rejected; in
/// order, as it handles one at a time.
fn republished(plugin: &Plugin, topic: &str, journal: &[Entry], found: &mut Problems) {
    let expected: BTreeSet<Known<'_>> =
        streamed(journal).map(|(known, _)| known).filter(|(_, number)| !plugin.rejects(*number)).collect();
    let published: Vec<Known<'_>> =
        journal.iter().filter(|entry| entry.topic == topic).filter_map(|entry| of_text(&entry.text)).collect();
    let unique: BTreeSet<Known<'_>> = published.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let name = plugin.name;
    found.examples(&format!("published twice by {name}"), published.iter().filter(|one| !seen.insert(**one)));
    found.examples(&format!("handled by {name}, and not published"), expected.difference(&unique));
    found.examples(&format!("published by {name}, and it should not have been"), unique.difference(&expected));
    for source in expected.iter().map(|(source, _)| source).collect::<BTreeSet<_>>() {
        let order: Vec<u64> = published.iter().filter(|(of, _)| of == source).map(|(_, number)| *number).collect();
        found.examples(&format!("published by {name} in another order than those of {source} came"), falls(&order));
    }
}

/// Every event in the journal that a plugin subscribes to came to it, and no other; those of one source in order, but for
/// those that came again.
fn handled(plugin: &Plugin, handled: &[Handled], journal: &[Entry], found: &mut Problems) {
    let name = plugin.name;
    let prefix = plugin.filter.trim_end_matches('>');
    let wanted = journal.iter().filter(|entry| entry.topic.starts_with(prefix));
    let expected: BTreeSet<(&str, Known<'_>)> =
        wanted.filter_map(|entry| Some((entry.topic.as_str(), of_text(&entry.text)?))).collect();
    let given: BTreeSet<(&str, Known<'_>)> =
        handled.iter().map(|one| (one.topic.as_str(), (one.source.as_str(), one.number))).collect();
    found.examples(&format!("in the journal, and never given to {name}"), expected.difference(&given));
    found.examples(&format!("given to {name}, and not in the journal"), given.difference(&expected));
    let lanes: BTreeSet<(&str, &str)> = given.iter().map(|(topic, (source, _))| (*topic, *source)).collect();
    for (topic, source) in lanes {
        let lane: Vec<&Handled> = handled.iter().filter(|one| one.topic == topic && one.source == source).collect();
        let mut seen = BTreeSet::new();
        let first: Vec<u64> = lane.iter().map(|one| one.number).filter(|number| seen.insert(*number)).collect();
        found.examples(
            &format!("given to {name} for the first time after a later one on {topic} of {source}"),
            falls(&first),
        );
        let back = lane.windows(2).filter_map(|two| match two {
            [one, next] if one.life == next.life && one.number > next.number => {
                Some((one.life, one.number, next.number))
            }
            _ => None,
        });
        found.examples(&format!("given to {name} after a later one within one life on {topic} of {source}"), back);
    }
}

/// Where numbers do not rise.
fn falls(numbers: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    numbers.windows(2).filter_map(|two| match two {
        [one, next] if next <= one => Some((*one, *next)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
