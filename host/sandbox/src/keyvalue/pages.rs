//! Cursors of `list-keys`: a number for the guest, a key for the store.
//!
//! A cursor stands for the last key of a page, so that keys which come and go between two pages move nothing. It is good until
//! the call ends or [`PAGES_MAX`] later pages were listed, whichever comes first; a number is never given twice.

use std::collections::VecDeque;
use std::sync::Arc;

/// Most cursors that are remembered.
pub(super) const PAGES_MAX: usize = 64;

/// The cursors of one instance.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The number of the oldest that is remembered.
    first: u64,
    /// Bucket and last key of each, oldest first.
    ends: VecDeque<(Arc<str>, Arc<str>)>,
}

impl Pages {
    /// A call begins: the cursors of the one before are no longer good.
    pub(crate) fn begin(&mut self) {
        while self.ends.pop_front().is_some() {
            self.first = self.first.wrapping_add(1);
        }
    }

    /// A cursor for what comes behind this key of this bucket.
    pub(super) fn remember(&mut self, bucket: Arc<str>, last: Arc<str>) -> u64 {
        if self.ends.len() >= PAGES_MAX {
            self.ends.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        let cursor = self.first.wrapping_add(u64::try_from(self.ends.len()).unwrap_or(u64::MAX));
        self.ends.push_back((bucket, last));
        cursor
    }

    /// The key that a cursor stands for, if it is one of this bucket.
    pub(super) fn last_key(&self, cursor: u64, bucket: &str) -> Option<Arc<str>> {
        let place = usize::try_from(cursor.checked_sub(self.first)?).ok()?;
        let (of, last) = self.ends.get(place)?;
        (**of == *bucket).then(|| last.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_bucket_in_its_call_and_for_so_many_pages() {
        let mut pages = Pages::default();
        let first = pages.remember("b".into(), "k0".into());
        assert_eq!(pages.last_key(first, "b").as_deref(), Some("k0"));
        assert_eq!(pages.last_key(first, "other"), None);
        assert_eq!(pages.last_key(first + 1, "b"), None);
        let cursors: Vec<u64> = (1..=PAGES_MAX).map(|n| pages.remember("b".into(), format!("k{n}").into())).collect();
        assert_eq!(pages.last_key(first, "b"), None, "it was pushed out");
        assert_eq!(pages.last_key(cursors[0], "b").as_deref(), Some("k1"));
        assert_eq!(pages.last_key(cursors[PAGES_MAX - 1], "b").as_deref(), Some("k64"));
        pages.begin();
        let next = pages.remember("b".into(), "x".into());
        assert!(cursors.iter().all(|old| *old != next && pages.last_key(*old, "b").is_none()));
        assert_eq!(pages.last_key(u64::MAX, "b"), None);
    }
}
