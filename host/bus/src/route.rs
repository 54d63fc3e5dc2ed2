//! The routing table: from a topic to the subscriptions whose filters match it.
//!
//! A trie over tokens, built anew on every change and replaced whole, so that publishers read it without a lock. Changes
//! are rare (a plugin comes or goes), publishes are not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::topic::{Filter, HOST_TOKEN, Topic};

/// An immutable table from topics to values.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    root: Node,
    values: Vec<Arc<T>>,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, Node>,
    one: Option<Box<Node>>,
    /// Values whose filter ends here, as indices.
    here: Vec<usize>,
    /// Values whose filter goes on with `>`.
    rest: Vec<usize>,
}

impl<T> Routes<T> {
    /// A table of values with their filters. The order of the values is the order of what [`Routes::matching`] returns.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Arc<T>, Arc<Vec<Filter>>)>) -> Self {
        let mut root = Node::default();
        let mut values = Vec::new();
        for (value, filters) in entries {
            for filter in filters.iter() {
                root.insert(filter.tokens(), values.len());
            }
            values.push(value);
        }
        Self { root, values }
    }

    /// The values whose filters match, each once, in the order of the table.
    pub(crate) fn matching(&self, topic: &Topic) -> Vec<Arc<T>> {
        let tokens: Vec<&str> = topic.tokens().collect();
        let mut found = BTreeMap::new();
        self.root.collect(&tokens, tokens.first() == Some(&HOST_TOKEN), &mut found);
        found.keys().filter_map(|index| self.values.get(*index).cloned()).collect()
    }
}

impl Node {
    fn insert<'a>(&mut self, mut tokens: impl Iterator<Item = &'a str>, value: usize) {
        match tokens.next() {
            None => self.here.push(value),
            Some(">") => self.rest.push(value),
            Some("*") => self.one.get_or_insert_default().insert(tokens, value),
            Some(token) => self.literal.entry(token.into()).or_default().insert(tokens, value),
        }
    }

    /// `host` holds at the first token of a host topic only, which wildcards do not match. The depth of the recursion is
    /// bounded by the tokens of a topic.
    fn collect(&self, tokens: &[&str], host: bool, found: &mut BTreeMap<usize, ()>) {
        let Some((token, rest)) = tokens.split_first() else {
            found.extend(self.here.iter().map(|index| (*index, ())));
            return;
        };
        if !host {
            found.extend(self.rest.iter().map(|index| (*index, ())));
            if let Some(one) = &self.one {
                one.collect(rest, false, found);
            }
        }
        if let Some(next) = self.literal.get(*token) {
            next.collect(rest, false, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> impl Strategy<Value = String> {
        prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("plugbus".to_owned()), "[a-c]{1,2}"]
    }

    fn topic() -> impl Strategy<Value = Topic> {
        prop::collection::vec(token(), 1..6).prop_map(|tokens| Topic::parse(tokens.join(".")).unwrap())
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let token = prop_oneof![3 => token(), 2 => Just("*".to_owned())];
        (prop::collection::vec(token, 1..6), any::<bool>()).prop_map(|(mut tokens, rest)| {
            if rest {
                tokens.push(">".into());
            }
            Filter::parse(tokens.join(".")).unwrap()
        })
    }

    proptest! {
        #[test]
        fn the_trie_finds_what_the_naive_matcher_finds(
            filters in prop::collection::vec(prop::collection::vec(filter(), 1..4), 0..20),
            topics in prop::collection::vec(topic(), 1..20),
        ) {
            let routes = Routes::new(filters.iter().enumerate().map(|(i, f)| (Arc::new(i), Arc::new(f.clone()))));
            for topic in topics {
                let found: Vec<usize> = routes.matching(&topic).iter().map(|index| **index).collect();
                let naive: Vec<usize> = filters
                    .iter()
                    .enumerate()
                    .filter(|(_, filters)| filters.iter().any(|filter| filter.matches(&topic)))
                    .map(|(index, _)| index)
                    .collect();
                prop_assert_eq!(found, naive, "{}", topic);
            }
        }

        #[test]
        fn what_covers_a_filter_matches_all_it_matches(wide in filter(), narrow in filter(), topic in topic()) {
            if wide.covers(&narrow) && narrow.matches(&topic) {
                prop_assert!(wide.matches(&topic), "{} covers {} but misses {}", wide, narrow, topic);
            }
        }
    }
}
