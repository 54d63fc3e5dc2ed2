//! Which dead letters somebody means who wants to replay or drop some.

use std::collections::BTreeSet;

use crate::dead::DeadFilter;
use crate::dead_api::DeadLetterBox;
use crate::name::{Name, NameError};
use crate::topic::{Filter, TopicError};

/// A selection of dead letters, as somebody writes it: `ids`, `plugin` and `topic`, which must hold together, or `all`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadSelect<'a> {
    /// These.
    pub ids: &'a [u64],
    /// Those of the subscription `plugin/NAME`.
    pub plugin: Option<&'a str>,
    /// Those on topics that this filter matches.
    pub topic: Option<&'a str>,
    /// All there are; only where nothing else is named, so that a forgotten argument is no disaster.
    pub all: bool,
}

/// The letters that a selection means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadChosen {
    /// Their numbers, oldest first.
    pub ids: Vec<u64>,
    /// Numbers that were named and are not among them: there is no such letter, or it is of another plugin or topic.
    pub missing: Vec<u64>,
}

/// Why a selection means nothing. Says what is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeadSelectError {
    /// Too many numbers.
    #[error("{found} ids; at most {max} are allowed in one request")]
    TooMany {
        /// Numbers given.
        found: usize,
        /// The most.
        max: usize,
    },
    /// Nothing is named.
    #[error("nothing is selected: give `ids`, `plugin`, `topic`, or `all`")]
    Nothing,
    /// `all`, and something else.
    #[error("`all` stands beside a selection: give `ids`, `plugin`, `topic`, or `all`")]
    AllAndMore,
    /// It is no name of a plugin.
    #[error("plugin: {0}")]
    Plugin(NameError),
    /// It is no filter.
    #[error("topic: filter {0}")]
    Topic(TopicError),
}

impl DeadSelect<'_> {
    /// Whether nothing is named, not even all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn filter(&self, ids_max: usize) -> Result<DeadFilter, DeadSelectError> {
        let found = self.ids.len();
        if found > ids_max {
            return Err(DeadSelectError::TooMany { found, max: ids_max });
        }
        if self.is_empty() {
            return Err(DeadSelectError::Nothing);
        }
        if self.all && *self != (Self { all: true, ..Self::default() }) {
            return Err(DeadSelectError::AllAndMore);
        }
        let subscription = self.plugin.map(|plugin| Name::parse(format!("plugin/{plugin}"))).transpose();
        let topic = self.topic.map(Filter::parse).transpose();
        Ok(DeadFilter {
            subscription: subscription.map_err(DeadSelectError::Plugin)?,
            topic: topic.map_err(DeadSelectError::Topic)?,
            ..DeadFilter::default()
        })
    }
}

impl DeadLetterBox<'_> {
    /// The letters that a selection of at most so many numbers means.
    ///
    /// # Errors
    /// [`DeadSelectError`].
    pub fn choose(&self, select: DeadSelect<'_>, ids_max: usize) -> Result<DeadChosen, DeadSelectError> {
        let mut ids: Vec<u64> = self.list(&select.filter(ids_max)?).iter().map(|letter| letter.id).collect();
        if select.ids.is_empty() {
            return Ok(DeadChosen { ids, missing: Vec::new() });
        }
        let wanted: BTreeSet<u64> = select.ids.iter().copied().collect();
        ids.retain(|id| wanted.contains(id));
        let found: BTreeSet<u64> = ids.iter().copied().collect();
        let missing = wanted.difference(&found).copied().collect();
        Ok(DeadChosen { ids, missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::handle::Bus;
    use crate::handler::Failure;

    fn select() -> DeadSelect<'static> {
        DeadSelect::default()
    }

    #[tokio::test]
    async fn a_selection_means_what_all_of_it_holds_for_and_says_what_is_missing() {
        let bus = Bus::default();
        let mut kept = Vec::new();
        for (name, filter) in [("plugin/one", "a"), ("plugin/two", ">"), ("native", "b")] {
            let rejects = bus.subscribe(filter).name(name).on(|_| async { Err::<(), _>(Failure::reject("no")) });
            kept.push(rejects.unwrap());
        }
        for topic in ["a", "b"] {
            let wait = std::time::Duration::from_secs(30);
            bus.publish_and_wait(Event::draft(topic).unwrap(), wait).await.unwrap();
        }
        let letters = bus.dead_letters();
        let chosen = |select| letters.choose(select, 3).unwrap();
        let all = chosen(DeadSelect { all: true, ..select() }).ids;
        assert_eq!(all.len(), 4);
        assert!(all.is_sorted());
        assert_eq!(chosen(DeadSelect { plugin: Some("two"), ..select() }).ids.len(), 2);
        assert_eq!(chosen(DeadSelect { topic: Some("a"), ..select() }).ids.len(), 2);
        let both = chosen(DeadSelect { plugin: Some("two"), topic: Some("a"), ..select() });
        assert_eq!((both.ids.len(), &*both.missing), (1, &[][..]));
        let named = [all[3], 99, all[0]];
        assert_eq!(
            chosen(DeadSelect { ids: &named, ..select() }),
            DeadChosen { ids: vec![all[0], all[3]], missing: vec![99] }
        );
        let other = DeadSelect { ids: &named, plugin: Some("none"), ..select() };
        assert_eq!((chosen(other).ids.len(), chosen(other).missing.len()), (0, 3));
    }

    #[test]
    fn a_selection_of_nothing_or_too_much_means_nothing() {
        let bus = Bus::default();
        let said = |select: DeadSelect<'_>| bus.dead_letters().choose(select, 2).unwrap_err().to_string();
        assert!(select().is_empty());
        assert!(said(select()).starts_with("nothing is selected"));
        assert!(said(DeadSelect { all: true, topic: Some("a"), ..select() }).starts_with("`all` stands beside"));
        assert_eq!(said(DeadSelect { ids: &[1, 2, 3], ..select() }), "3 ids; at most 2 are allowed in one request");
        assert!(said(DeadSelect { plugin: Some(" "), ..select() }).starts_with("plugin: "));
        assert!(said(DeadSelect { topic: Some("a..b"), ..select() }).starts_with("topic: filter `a..b`"));
    }
}
