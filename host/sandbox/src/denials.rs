//! What a plugin asked for and was denied, each thing with how often: for an operator who decides on grants.
//!
//! Bounded: a guest chooses what it asks for. The first [`KINDS_MAX`] different denials are kept with their words, all further
//! ones are counted together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::text::prefix;

/// Most different denials that are kept apart.
const KINDS_MAX: usize = 64;
/// Most bytes of one denial's words.
const WORDS_BYTES_MAX: usize = 512;

/// The denials of one generation.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    known: BTreeMap<(&'static str, String), u64>,
    others: u64,
}

/// Something that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// What kind of thing: `publish`, `http`, `secret`, `tcp`, `udp`, `request`, or `other` for what found no room in the list.
    pub what: &'static str,
    /// Why, in the words that the guest or its log was given.
    pub why: String,
    /// How often.
    pub count: u64,
}

impl Denials {
    /// Counts one. Whether it is the first with these words; none is where the list is full.
    pub(crate) fn note(&self, what: &'static str, why: &str) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let why = prefix(why, WORDS_BYTES_MAX);
        let full = counted.known.len() >= KINDS_MAX;
        match counted.known.entry((what, why.to_owned())) {
            Entry::Occupied(mut known) => *known.get_mut() += 1,
            Entry::Vacant(_) if full => counted.others += 1,
            Entry::Vacant(new) => {
                new.insert(1);
                return true;
            }
        }
        false
    }

    /// All of them, the most frequent first.
    pub(crate) fn snapshot(&self) -> Vec<Denial> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counted.known.iter();
        let mut denials: Vec<Denial> =
            known.map(|((what, why), count)| Denial { what, why: why.clone(), count: *count }).collect();
        denials.sort_by_key(|denial| std::cmp::Reverse(denial.count));
        if counted.others > 0 {
            let why = format!("different ones after the first {KINDS_MAX}");
            denials.push(Denial { what: "other", why, count: counted.others });
        }
        denials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_different_denials_stays_bounded_and_nothing_goes_uncounted() {
        let denials = Denials::default();
        for topic in 0..1000 {
            denials.note("publish", &format!("topic {topic}"));
            denials.note("http", &"x".repeat(10_000));
        }
        let seen = denials.snapshot();
        assert_eq!((seen.len(), seen[0].what, seen[0].count), (KINDS_MAX + 1, "http", 1000));
        assert!(seen.iter().all(|denial| denial.why.len() <= WORDS_BYTES_MAX));
        assert_eq!(seen.iter().map(|denial| denial.count).sum::<u64>(), 2000);
        assert_eq!(seen.last().unwrap().what, "other");
    }
}
