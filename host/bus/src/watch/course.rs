//! How far a watcher has come: what it wants, what it has been shown, and what is to be read for it. Pure.
//!
//! Numbers below `next` are done with: shown, or not wanted. From `next` to `until` is to be read from the log; beyond that,
//! events come live. A filter that is added with a past of its own brings a `Backfill`: the part below `next`, for that
//! filter alone and without what other filters have shown from there already.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Watched;
use crate::event::Event;
use crate::journal::Batch;
use crate::topic::Filter;

/// A filter, and the first number that it stands for.
#[derive(Debug, Clone)]
struct Wanted {
    filter: Filter,
    since: u64,
}

impl Wanted {
    fn matches(&self, event: &Event) -> bool {
        // An event without a number is only ever live.
        (event.seq == 0 || event.seq >= self.since) && self.filter.matches(&event.topic)
    }
}

#[derive(Debug)]
struct Backfill {
    wanted: Vec<Filter>,
    except: Vec<Wanted>,
    next: u64,
    until: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Course {
    wanted: Vec<Wanted>,
    next: u64,
    until: u64,
    backfills: VecDeque<Backfill>,
    /// Whether numbers come in order, so that a lower one has been shown: not on a bus that remembers nothing.
    in_order: bool,
}

impl Course {
    /// A course that begins live, behind this number.
    pub(crate) fn new(head: u64, in_order: bool) -> Self {
        Self { wanted: Vec::new(), next: head + 1, until: head, backfills: VecDeque::new(), in_order }
    }

    pub(crate) fn filters(&self) -> Vec<Filter> {
        self.wanted.iter().map(|wanted| wanted.filter.clone()).collect()
    }

    /// Filters of these that are not there yet, each once.
    pub(crate) fn new_ones(&self, filters: &[Filter]) -> Vec<Filter> {
        let mut new: Vec<Filter> = Vec::new();
        for filter in filters {
            if !new.contains(filter) && self.wanted.iter().all(|wanted| wanted.filter != *filter) {
                new.push(filter.clone());
            }
        }
        new
    }

    /// Adds filters that are not there yet. `head` is the last number of the log, read after the filters were in force;
    /// `from` is where their past begins.
    pub(crate) fn add(&mut self, filters: Vec<Filter>, head: u64, from: Option<u64>) {
        if filters.is_empty() {
            return;
        }
        let since = from.map_or(head + 1, |from| from.max(1));
        let except = self.wanted.clone();
        self.wanted.extend(filters.iter().map(|filter| Wanted { filter: filter.clone(), since }));
        if from.is_none() {
            return;
        }
        if except.is_empty() && self.backfills.is_empty() {
            // Nobody has been shown anything that counts: the whole course begins there.
            (self.next, self.until) = (since, head);
            return;
        }
        // What is between the last event shown and the head may have been offered before the new filters were in force.
        self.until = self.until.max(head);
        if since < self.next {
            self.backfills.push_back(Backfill { wanted: filters, except, next: since, until: self.next - 1 });
        }
    }

    /// Takes filters away.
    pub(crate) fn remove(&mut self, filters: &[Filter]) {
        self.wanted.retain(|wanted| !filters.contains(&wanted.filter));
        for backfill in &mut self.backfills {
            backfill.wanted.retain(|filter| !filters.contains(filter));
        }
        self.backfills.retain(|backfill| !backfill.wanted.is_empty());
    }

    /// Whether some filter wants the topic of an event that was read.
    pub(crate) fn still_wants(&self, event: &Event) -> bool {
        self.wanted.iter().any(|wanted| wanted.filter.matches(&event.topic))
    }

    /// The number at which to read on in the log; none while everything is live.
    pub(crate) fn reading(&self) -> Option<u64> {
        let backfill = self.backfills.front().map(|backfill| backfill.next);
        backfill.or_else(|| (self.next <= self.until).then_some(self.next))
    }

    /// What has been missed is to be read again, up to this number.
    pub(crate) fn read_again(&mut self, head: u64) {
        self.until = self.until.max(head);
    }

    /// Whether a live event is to be shown; notes that it was.
    pub(crate) fn shows(&mut self, event: &Event) -> bool {
        if event.seq > 0 && self.in_order {
            if event.seq < self.next {
                return false;
            }
            self.next = event.seq + 1;
            self.until = self.until.max(event.seq);
        }
        self.wanted.iter().any(|wanted| wanted.matches(event))
    }

    /// The last number that is done with.
    pub(crate) fn done(&self) -> u64 {
        let backfill = self.backfills.iter().map(|backfill| backfill.next).min();
        backfill.unwrap_or(self.next).min(self.next).saturating_sub(1)
    }

    /// Takes in what was read at [`Course::reading`], and puts what is to be shown of it into `seen`.
    pub(crate) fn take_in(&mut self, batch: &Batch, seen: &mut VecDeque<Watched>) {
        let Some((next, until)) = self.range() else { return };
        let mut begin = next;
        if batch.first > next {
            seen.push_back(Watched::Retired { count: batch.first - next, first: batch.first });
            begin = batch.first;
        }
        let within = batch.events.iter().filter(|event| event.seq >= begin && event.seq <= until);
        let shown = within.filter(|event| self.reads(event)).cloned().map(Watched::Event);
        seen.extend(shown);
        let last = batch.events.last().map_or(until, |event: &Arc<Event>| event.seq.min(until));
        self.advance(begin.max(last + 1));
    }

    /// What was to be read cannot be: it is passed over. How many numbers.
    pub(crate) fn give_up(&mut self) -> u64 {
        let Some((next, until)) = self.range() else { return 0 };
        self.advance(until + 1);
        until.saturating_sub(next) + 1
    }

    fn range(&self) -> Option<(u64, u64)> {
        match self.backfills.front() {
            Some(backfill) => Some((backfill.next, backfill.until)),
            None => (self.next <= self.until).then_some((self.next, self.until)),
        }
    }

    fn reads(&self, event: &Event) -> bool {
        match self.backfills.front() {
            Some(backfill) => {
                backfill.wanted.iter().any(|filter| filter.matches(&event.topic))
                    && !backfill.except.iter().any(|wanted| wanted.matches(event))
            }
            None => self.wanted.iter().any(|wanted| wanted.matches(event)),
        }
    }

    fn advance(&mut self, next: u64) {
        match self.backfills.front_mut() {
            Some(backfill) if next > backfill.until => {
                self.backfills.pop_front();
            }
            Some(backfill) => backfill.next = next,
            None => self.next = self.next.max(next),
        }
    }
}

#[cfg(test)]
mod tests;
