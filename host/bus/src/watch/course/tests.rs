use super::*;
use crate::event::Payload;
use crate::topic::Topic;

fn event(topic: &str, seq: u64) -> Arc<Event> {
    Arc::new(Event {
        id: "1".into(),
        source: "s".into(),
        topic: Topic::parse(topic).unwrap(),
        subject: None,
        time_ns: 0,
        payload: Payload::empty(),
        extensions: Vec::new(),
        seq,
        hops: 0,
    })
}

fn filters(texts: &[&str]) -> Vec<Filter> {
    texts.iter().map(|text| Filter::parse(text).unwrap()).collect()
}

/// A log of events on the topics `a` (even numbers) and `b` (odd numbers), of which the first are gone.
struct Log {
    first: u64,
    last: u64,
}

impl Log {
    fn event(seq: u64) -> Arc<Event> {
        event(if seq.is_multiple_of(2) { "a" } else { "b" }, seq)
    }

    fn read(&self, from: u64, max: usize) -> Batch {
        let events = (from.max(self.first)..=self.last).take(max).map(Self::event).collect();
        Batch { events, first: self.first, last: self.last }
    }

    /// Everything that is to be read, in batches of three.
    fn all(&self, course: &mut Course) -> Vec<Watched> {
        let mut seen = VecDeque::new();
        while let Some(from) = course.reading() {
            course.take_in(&self.read(from, 3), &mut seen);
        }
        seen.into()
    }
}

fn numbers(seen: &[Watched]) -> Vec<u64> {
    let number = |seen: &Watched| match seen {
        Watched::Event(event) => event.seq,
        other => panic!("{other:?}"),
    };
    seen.iter().map(number).collect()
}

#[test]
fn a_past_ends_where_what_is_live_begins() {
    let log = Log { first: 1, last: 9 };
    let mut course = Course::new(log.last, true);
    course.add(filters(&["a"]), log.last, Some(3));
    assert_eq!(numbers(&log.all(&mut course)), [4, 6, 8]);
    let live = [8, 9, 10, 12, 10].map(|seq| course.shows(&Log::event(seq)));
    assert_eq!(live, [false, false, true, true, false]);
    assert!(course.shows(&event("a", 0)), "an event without a number is only ever live");
}

#[test]
fn what_was_missed_is_read_again_and_once() {
    let mut course = Course::new(0, true);
    course.add(filters(&[">"]), 0, Some(1));
    assert!(course.shows(&Log::event(1)) && course.shows(&Log::event(2)));
    let log = Log { first: 1, last: 7 };
    course.read_again(log.last);
    assert_eq!(numbers(&log.all(&mut course)), [3, 4, 5, 6, 7]);
    assert!(!course.shows(&Log::event(6)) && course.shows(&Log::event(8)));
}

#[test]
fn what_is_gone_is_said_with_its_place() {
    let log = Log { first: 6, last: 9 };
    let mut course = Course::new(log.last, true);
    course.add(filters(&["b"]), log.last, Some(0));
    let seen = log.all(&mut course);
    assert_eq!(seen.first(), Some(&Watched::Retired { count: 5, first: 6 }));
    assert_eq!(numbers(&seen[1..]), [7, 9]);
    // All of it is gone, and nothing came after it.
    let mut course = Course::new(9, true);
    course.add(filters(&["b"]), 9, Some(3));
    assert_eq!(Log { first: 10, last: 9 }.all(&mut course), [Watched::Retired { count: 7, first: 10 }]);
    assert!(!course.shows(&Log::event(9)) && course.shows(&Log::event(11)));
}

#[test]
fn what_cannot_be_read_is_passed_over_once() {
    let mut course = Course::new(9, true);
    course.add(filters(&["b"]), 9, Some(3));
    assert_eq!((course.reading(), course.give_up(), course.reading(), course.give_up()), (Some(3), 7, None, 0));
    assert!(course.shows(&Log::event(11)));
}

#[test]
fn a_filter_that_comes_later_has_a_past_of_its_own_and_doubles_nothing() {
    let log = Log { first: 1, last: 20 };
    let mut course = Course::new(10, true);
    course.add(filters(&["a"]), 10, None);
    assert!(course.shows(&Log::event(12)), "live so far");
    course.add(filters(&["*"]), log.last, Some(4));
    // First its past below what was shown, without what `a` has been shown there; then both from there on.
    assert_eq!(numbers(&log.all(&mut course)), [4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20]);
    assert!(!course.shows(&Log::event(20)) && course.shows(&Log::event(21)));
}

#[test]
fn a_filter_without_a_past_sees_nothing_from_before_it() {
    let log = Log { first: 1, last: 20 };
    let mut course = Course::new(0, true);
    course.add(filters(&["a"]), 0, Some(1));
    course.add(filters(&["b"]), 10, None);
    course.read_again(log.last);
    assert_eq!(numbers(&log.all(&mut course)), [2, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
}

#[test]
fn a_filter_that_is_taken_away_ends_its_past_too() {
    let log = Log { first: 1, last: 20 };
    let mut course = Course::new(20, true);
    course.add(filters(&["a"]), 20, None);
    course.add(filters(&["b"]), 20, Some(1));
    assert_eq!(course.new_ones(&filters(&["a", "b", "c", "c"])), filters(&["c"]));
    course.remove(&filters(&["b"]));
    assert_eq!((log.all(&mut course), course.filters()), (Vec::new(), filters(&["a"])));
    assert!(!course.shows(&Log::event(21)) && course.shows(&Log::event(22)));
}

#[test]
fn without_a_log_nothing_is_taken_for_a_double() {
    let mut course = Course::new(0, false);
    course.add(filters(&[">"]), 0, None);
    assert!(course.shows(&Log::event(5)) && course.shows(&Log::event(4)));
}
