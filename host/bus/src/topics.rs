//! The directory of topics: which are declared, which were seen, and how often; and who matches them.
//!
//! Bounded in number; beyond the bound topics are routed as well as ever, only without being remembered (`unlisted` counts
//! them). Who matches is remembered of the topics in the directory, and with it their counter, so that a publish costs one
//! look-up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use serde::Serialize;

use crate::route::Routes;
use crate::settings::WhenFull;
use crate::slot::Slot;
use crate::topic::{Filter, Topic};

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicInfo {
    /// The topic.
    pub topic: Topic,
    /// Events accepted on it.
    pub published: u64,
    /// Whether somebody declared it, and as what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Directory {
    entries: RwLock<HashMap<Topic, Arc<Entry>>>,
    topics_max: usize,
    unlisted: AtomicU64,
}

/// One topic.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) published: Arc<AtomicU64>,
    declared: ArcSwapOption<String>,
}

/// Who matches the topics of the directory, in one version of the routes. It goes with that version.
#[derive(Debug, Default)]
pub(crate) struct KnownRoutes(RwLock<HashMap<Topic, Arc<Routed>>>);

/// Who matches a topic.
#[derive(Debug)]
pub(crate) struct Routed {
    /// The routes that it was found in.
    pub(crate) routes: Arc<Routes<Slot>>,
    pub(crate) slots: Vec<Arc<Slot>>,
    /// Whether one of them hands events back when its queue is full.
    pub(crate) some_refuse: bool,
    /// The topic's counter, where it is in the directory.
    published: Option<Arc<AtomicU64>>,
}

impl KnownRoutes {
    pub(crate) fn get(&self, topic: &Topic) -> Option<Arc<Routed>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    pub(crate) fn insert(&self, topic: &Topic, routed: &Arc<Routed>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(topic.clone(), routed.clone());
    }
}

impl Routed {
    /// Settings change together with the routes.
    pub(crate) fn new(routes: Arc<Routes<Slot>>, topic: &Topic, published: Option<Arc<AtomicU64>>) -> Self {
        let slots = routes.matching(topic);
        let some_refuse = slots.iter().any(|slot| slot.settings.load().when_full == WhenFull::Refuse);
        Self { routes, slots, some_refuse, published }
    }

    /// Counts an event that was accepted on the topic.
    pub(crate) fn count(&self) {
        if let Some(published) = &self.published {
            published.fetch_add(1, Relaxed);
        }
    }
}

impl Directory {
    pub(crate) fn new(topics_max: usize) -> Self {
        Self { entries: RwLock::default(), topics_max, unlisted: AtomicU64::new(0) }
    }

    pub(crate) fn get(&self, topic: &Topic) -> Option<Arc<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    /// The entry of a topic, made if need be and there is room; true when it is new.
    pub(crate) fn get_or_add(&self, topic: &Topic) -> Option<(Arc<Entry>, bool)> {
        if let Some(entry) = self.get(topic) {
            return Some((entry, false));
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(topic) {
            return Some((entry.clone(), false));
        }
        if entries.len() >= self.topics_max {
            self.unlisted.fetch_add(1, Relaxed);
            return None;
        }
        let entry = Arc::new(Entry::default());
        entries.insert(topic.clone(), entry.clone());
        Some((entry, true))
    }

    /// Declares a topic. None where there is no room, true when the topic is new.
    pub(crate) fn declare(&self, topic: &Topic, description: &str) -> Option<bool> {
        let (entry, is_new) = self.get_or_add(topic)?;
        entry.declared.store(Some(Arc::new(description.to_owned())));
        Some(is_new)
    }

    pub(crate) fn is_declared(&self, topic: &Topic) -> bool {
        self.get(topic).is_some_and(|entry| entry.declared.load().is_some())
    }

    /// What is known of the topics a filter matches, in their order.
    pub(crate) fn list(&self, filter: &Filter) -> Vec<TopicInfo> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let matching = entries.iter().filter(|(topic, _)| filter.matches(topic));
        let mut infos: Vec<TopicInfo> = matching.map(|(topic, entry)| entry.info(topic)).collect();
        infos.sort_by(|a, b| a.topic.cmp(&b.topic));
        infos
    }

    /// Publishes on topics that found no room in the directory.
    pub(crate) fn unlisted(&self) -> u64 {
        self.unlisted.load(Relaxed)
    }
}

impl Entry {
    fn info(&self, topic: &Topic) -> TopicInfo {
        TopicInfo {
            topic: topic.clone(),
            published: self.published.load(Relaxed),
            declared: self.declared.load().as_deref().cloned(),
        }
    }
}
