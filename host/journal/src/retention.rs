//! Which events go when: pure.

use crate::config::OnFull;

/// Most events that go in one transaction, so that no publisher waits long for it.
const EVENTS_MAX: u64 = 2048;
/// Most bytes that go in one transaction, approximately; one event always may.
const BYTES_MAX: u64 = 16 << 20;
/// Once over its bound, the journal is brought under it by this part.
const SLACK_PART: u64 = 64;

/// What is known about the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Numbers of the first and last event that are kept.
    pub(crate) span: (u64, u64),
    /// Bytes in use.
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    /// The lowest floor of a cursor; none where there is no cursor.
    pub(crate) floor: Option<u64>,
    /// The last event that is over the age; 0 where none is.
    pub(crate) expired: u64,
    pub(crate) on_full: OnFull,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Events up to this number go now; none where nothing goes.
    pub(crate) retire_to: Option<u64>,
    /// Whether there is more to do after that.
    pub(crate) more: bool,
    /// Whether events from outside are refused.
    pub(crate) full: bool,
}

/// Decides. Age never passes a cursor; size does where that is the policy.
pub(crate) fn plan(facts: &Facts) -> Plan {
    let (first, last) = facts.span;
    let count = (last + 1).saturating_sub(first);
    let kept_back = facts.floor.unwrap_or(last);
    let over = facts.bytes >= facts.bytes_max;
    if count == 0 {
        return Plan { full: over, ..Plan::default() };
    }
    let average = (facts.bytes / count).max(1);
    let by_size = if over {
        let target = facts.bytes_max - facts.bytes_max / SLACK_PART;
        let wanted = first.saturating_add(facts.bytes.saturating_sub(target) / average).min(last);
        if facts.on_full == OnFull::DropOldest { wanted } else { wanted.min(kept_back) }
    } else {
        0
    };
    let target = by_size.max(facts.expired.min(kept_back)).min(last);
    if target < first {
        return Plan { full: over, ..Plan::default() };
    }
    let slice = EVENTS_MAX.min(BYTES_MAX / average).max(1);
    let retire_to = target.min(first + slice - 1);
    Plan { retire_to: Some(retire_to), more: retire_to < target, full: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts =
        Facts { span: (101, 200), bytes: 6400, bytes_max: 6400, floor: None, expired: 0, on_full: OnFull::Refuse };

    fn goes(facts: &Facts) -> Plan {
        plan(facts)
    }

    #[test]
    fn nothing_goes_while_there_is_room_and_nothing_is_old() {
        assert_eq!(goes(&Facts { bytes: 6399, ..FACTS }), Plan::default());
    }

    #[test]
    fn a_full_journal_is_brought_under_its_bound_by_some() {
        // 100 over a target of 6300, at 64 each.
        assert_eq!(goes(&FACTS), Plan { retire_to: Some(102), more: false, full: false });
        assert_eq!(goes(&Facts { bytes: 64_000_000, ..FACTS }).retire_to, Some(100 + 26));
    }

    #[test]
    fn a_cursor_keeps_back_what_it_has_not_settled() {
        let held = Facts { floor: Some(100), ..FACTS };
        assert_eq!(goes(&held), Plan { retire_to: None, more: false, full: true });
        assert_eq!(goes(&Facts { floor: Some(101), ..FACTS }).retire_to, Some(101));
        assert_eq!(goes(&Facts { floor: Some(0), ..FACTS }), Plan { full: true, ..Plan::default() });
        assert!(goes(&Facts { on_full: OnFull::DropOldest, ..held }).retire_to.is_some());
    }

    #[test]
    fn age_passes_no_cursor_whatever_the_policy() {
        let old = Facts { bytes: 0, expired: 150, ..FACTS };
        assert_eq!(goes(&old).retire_to, Some(150));
        for on_full in [OnFull::Refuse, OnFull::DropOldest] {
            assert_eq!(goes(&Facts { floor: Some(120), on_full, ..old }).retire_to, Some(120));
            assert_eq!(goes(&Facts { floor: Some(100), on_full, ..old }), Plan::default());
        }
        assert_eq!(goes(&Facts { expired: 999, ..old }).retire_to, Some(200));
    }

    #[test]
    fn much_goes_in_slices() {
        let old = Facts { span: (1, 1_000_000), bytes: 64_000_000, bytes_max: u64::MAX, expired: 5000, ..FACTS };
        assert_eq!(goes(&old), Plan { retire_to: Some(2048), more: true, full: false });
        let rest = Facts { span: (4097, 1_000_000), ..old };
        assert_eq!(goes(&rest), Plan { retire_to: Some(5000), more: false, full: false });
    }

    #[test]
    fn a_journal_that_is_full_of_other_things_refuses() {
        assert_eq!(goes(&Facts { span: (7, 6), ..FACTS }), Plan { full: true, ..Plan::default() });
    }
}
