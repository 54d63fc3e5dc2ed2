//! The ids of events whose publishers name none: UUIDv7, rising within the process, also where many are made in one moment.
//!
//! The first id of a millisecond is random behind its time, each further one is the one before and one more (RFC 9562,
//! section 6.2, method 2): randomness is asked for once in a millisecond and not for each event.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Where the time begins in an id.
const TIME_SHIFT: u32 = 80;
/// What is random in the first id of a millisecond: all behind version and variant but the first bit, so that there is room
/// to count up.
const RANDOM: u128 = 0xfff << 64 | (u64::MAX >> 3) as u128;
const VERSION_7: u128 = 7 << 76;
const VARIANT: u128 = 0b10 << 62;

/// The id that was made last.
static LAST: Mutex<u128> = Mutex::new(0);

/// A new id for an event that is accepted at this time, in nanoseconds since the Unix epoch.
pub(crate) fn new_id(now_ns: u64) -> Arc<str> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    *last = after(*last, now_ns / 1_000_000, || Uuid::new_v4().as_u128());
    let id = Uuid::from_u128(*last);
    drop(last);
    let mut buffer = Uuid::encode_buffer();
    Arc::from(&*id.hyphenated().encode_lower(&mut buffer))
}

/// The id that comes after another. A clock that was set back changes nothing: ids rise. Pure.
fn after(last: u128, millis: u64, random: impl FnOnce() -> u128) -> u128 {
    let time = u128::from(millis);
    if time > last >> TIME_SHIFT { time << TIME_SHIFT | VERSION_7 | VARIANT | (random() & RANDOM) } else { last + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of(id: u128) -> u128 {
        id >> TIME_SHIFT
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7_with_its_time() {
        for random in [0, u128::MAX] {
            let id = Uuid::from_u128(after(0, 1_767_225_600_123, || random));
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122), "{id}");
            assert_eq!(time_of(id.as_u128()), 1_767_225_600_123);
        }
    }

    #[test]
    fn ids_rise_within_a_millisecond_over_it_and_when_the_clock_is_set_back() {
        let mut last = 0;
        for (millis, time) in [(5, 5), (5, 5), (6, 6), (4, 6), (6, 6), (7, 7)] {
            let id = after(last, millis, || u128::MAX);
            assert!(id > last && time_of(id) == time, "{millis} ms: {id:x} after {last:x}");
            last = id;
        }
    }

    #[test]
    fn the_ids_of_two_milliseconds_have_nothing_in_common_but_what_the_version_says() {
        let fixed = !(RANDOM | u128::MAX << TIME_SHIFT);
        let (one, other) = (after(0, 1, || RANDOM), after(0, 2, || 0));
        assert_eq!((one ^ other) & fixed, 0);
        assert_eq!((one ^ other) & RANDOM, RANDOM);
    }
}
