//! What the writer knows by heart of the journal, so that it need not ask: the next number, the cursors, what was seen.
//!
//! Changed while a transaction is made, and put back as it was when that fails.

use std::collections::HashMap;

use plugbus_bus::Name;

use crate::schema::Head;
use crate::seen::Seen;

/// The journal in short.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) head: Head,
    /// The next number to be given.
    pub(crate) next: u64,
    /// Time of acceptance of the last event: the next one has no earlier one, whatever the clock says.
    pub(crate) accepted_ns: u64,
    pub(crate) seen: Seen,
    cursors: HashMap<Name, Meta>,
    undo: Undo,
}

/// A cursor in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) id: i64,
    pub(crate) floor: u64,
    pub(crate) absent_ns: Option<u64>,
    /// Whether it may have rows in `settled`.
    pub(crate) has_settled: bool,
    /// Whether it may have rows in `retries`.
    pub(crate) has_retries: bool,
    /// Numbers over the floor that were settled in this transaction and are not written yet.
    pub(crate) fresh: Vec<u64>,
    /// Whether its row is to be written.
    pub(crate) moved: bool,
}

/// How it was before the transaction.
#[derive(Debug, Default)]
struct Undo {
    head: Head,
    next: u64,
    accepted_ns: u64,
    cursors: HashMap<Name, Option<Meta>>,
}

impl Ledger {
    pub(crate) fn new(head: Head, next: u64, accepted_ns: u64, seen: Seen, cursors: HashMap<Name, Meta>) -> Self {
        Self { head, next, accepted_ns, seen, cursors, undo: Undo { head, next, accepted_ns, cursors: HashMap::new() } }
    }

    /// A cursor.
    pub(crate) fn cursor(&self, name: &Name) -> Option<&Meta> {
        self.cursors.get(name)
    }

    /// A cursor, to change it.
    pub(crate) fn cursor_mut(&mut self, name: &Name) -> Option<&mut Meta> {
        let meta = self.cursors.get_mut(name)?;
        self.undo.cursors.entry(name.clone()).or_insert_with(|| Some(meta.clone()));
        Some(meta)
    }

    /// Adds a cursor.
    pub(crate) fn add(&mut self, name: Name, meta: Meta) {
        let before = self.cursors.insert(name.clone(), meta);
        self.undo.cursors.entry(name).or_insert(before);
    }

    /// Takes a cursor out.
    pub(crate) fn remove(&mut self, name: &Name) -> Option<Meta> {
        let meta = self.cursors.remove(name)?;
        self.undo.cursors.entry(name.clone()).or_insert_with(|| Some(meta.clone()));
        Some(meta)
    }

    /// The cursors that changed in this transaction.
    pub(crate) fn changed(&self) -> Vec<Name> {
        self.undo.cursors.keys().cloned().collect()
    }

    /// Every cursor.
    pub(crate) fn cursors(&self) -> impl Iterator<Item = (&Name, &Meta)> {
        self.cursors.iter()
    }

    /// The numbers of the first and last event that are kept.
    pub(crate) fn span(&self) -> (u64, u64) {
        (self.head.first, self.next.saturating_sub(1))
    }

    /// The transaction is in the journal.
    pub(crate) fn commit(&mut self) {
        self.seen.commit();
        self.undo.cursors.clear();
        self.undo =
            Undo { head: self.head, next: self.next, accepted_ns: self.accepted_ns, ..std::mem::take(&mut self.undo) };
    }

    /// The transaction is not in the journal.
    pub(crate) fn roll_back(&mut self) {
        self.seen.roll_back();
        (self.head, self.next, self.accepted_ns) = (self.undo.head, self.undo.next, self.undo.accepted_ns);
        for (name, before) in self.undo.cursors.drain() {
            match before {
                Some(meta) => self.cursors.insert(name, meta),
                None => self.cursors.remove(&name),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn meta(id: i64) -> Meta {
        Meta { id, floor: 0, absent_ns: None, has_settled: false, has_retries: false, fresh: Vec::new(), moved: false }
    }

    #[test]
    fn a_transaction_that_failed_leaves_nothing() {
        let names = ["kept", "removed", "new"].map(|name| Name::parse(name).unwrap());
        let [kept, removed, new] = &names;
        let cursors = [(kept.clone(), meta(1)), (removed.clone(), meta(2))].into();
        let mut ledger = Ledger::new(Head::default(), 5, 9, Seen::new(9, Duration::MAX), cursors);
        for commit in [false, true] {
            ledger.cursor_mut(kept).unwrap().floor = 3;
            ledger.cursor_mut(kept).unwrap().floor = 4;
            ledger.remove(removed).unwrap();
            ledger.add(new.clone(), meta(3));
            (ledger.next, ledger.accepted_ns) = (6, 10);
            if commit {
                ledger.commit()
            } else {
                ledger.roll_back()
            }
            let found = names.each_ref().map(|name| ledger.cursor(name).map(|meta| (meta.id, meta.floor)));
            let expected = if commit { [Some((1, 4)), None, Some((3, 0))] } else { [Some((1, 0)), Some((2, 0)), None] };
            assert_eq!(found, expected);
            assert_eq!((ledger.next, ledger.accepted_ns), if commit { (6, 10) } else { (5, 9) });
        }
        ledger.roll_back();
        assert_eq!(ledger.next, 6);
        assert_eq!(ledger.changed(), []);
    }
}
