use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::Payload;
use crate::topic::Topic;

fn event(seq: u64) -> Arc<Event> {
    about(seq, "")
}

fn about(seq: u64, subject: &str) -> Arc<Event> {
    Arc::new(Event {
        id: seq.to_string().into(),
        source: "s".into(),
        topic: Topic::parse("a").unwrap(),
        subject: Some(subject.into()),
        time_ns: 0,
        payload: Payload::empty(),
        extensions: Vec::new(),
        seq,
        hops: 0,
    })
}

fn item(event: Arc<Event>, lane: Lane) -> Box<Item> {
    Box::new(Item::new(event, lane, None))
}

fn keyed(seq: u64, key: &str) -> Box<Item> {
    item(about(seq, key), Lane::Keyed(key.into()))
}

fn whole(seq: u64) -> Box<Item> {
    item(event(seq), Lane::Whole)
}

fn free(seq: u64) -> Box<Item> {
    item(event(seq), Lane::Free)
}

fn queue(events_max: usize) -> Queue {
    Queue::new(events_max, usize::MAX)
}

fn take(queue: &mut Queue, now: Instant) -> Option<Box<Item>> {
    match queue.take(|| now) {
        Take::Item(item) => Some(item),
        Take::WaitUntil(_) | Take::Idle => None,
    }
}

fn taken_seq(queue: &mut Queue, now: Instant) -> Option<u64> {
    take(queue, now).map(|item| item.event.seq)
}

#[test]
fn one_lane_hands_out_one_at_a_time_in_order() {
    let (mut queue, now) = (queue(10), Instant::now());
    for seq in 1..=3 {
        queue.push(whole(seq)).unwrap();
    }
    let first = take(&mut queue, now).unwrap();
    assert_eq!((first.event.seq, taken_seq(&mut queue, now)), (1, None));
    queue.settle(first.order);
    assert_eq!(taken_seq(&mut queue, now), Some(2));
}

#[test]
fn a_retry_holds_its_lane_and_no_other() {
    let (mut queue, now) = (queue(10), Instant::now());
    queue.push(keyed(1, "a")).unwrap();
    queue.push(keyed(2, "a")).unwrap();
    queue.push(keyed(3, "b")).unwrap();
    let first = take(&mut queue, now).unwrap();
    let due = now + Duration::from_secs(1);
    queue.retry(first, due);
    assert_eq!(taken_seq(&mut queue, now), Some(3));
    assert!(matches!(queue.take(|| now), Take::WaitUntil(at) if at == due));
    let again = take(&mut queue, due).unwrap();
    assert_eq!(again.event.seq, 1);
    queue.settle(again.order);
    assert_eq!(taken_seq(&mut queue, due), Some(2));
}

#[test]
fn retries_that_are_due_come_earliest_first() {
    let (mut queue, now) = (queue(10), Instant::now());
    for seq in 1..=3 {
        queue.push(free(seq)).unwrap();
    }
    for millis in [30, 10, 20] {
        let item = take(&mut queue, now).unwrap();
        queue.retry(item, now + Duration::from_millis(millis));
    }
    let later = now + Duration::from_secs(1);
    let order: Vec<_> = std::iter::from_fn(|| taken_seq(&mut queue, later)).collect();
    assert_eq!(order, [2, 3, 1]);
}

#[test]
fn bounds_hand_back_and_an_empty_queue_takes_any_one_event() {
    let mut small = Queue::new(2, 1);
    small.push(free(1)).unwrap();
    assert_eq!(small.push(free(2)).unwrap_err().event.seq, 2);
    let mut two = queue(2);
    two.push(free(1)).unwrap();
    two.push(free(2)).unwrap();
    assert_eq!(two.push(free(3)).unwrap_err().event.seq, 3);
    assert_eq!(taken_seq(&mut two, Instant::now()), Some(1));
    two.push(free(3)).unwrap();
}

#[test]
fn a_kept_place_counts_as_taken_until_it_is_used_or_given_back() {
    let mut two = queue(2);
    assert!(two.keep_place(10) && two.keep_place(10) && !two.keep_place(10));
    assert_eq!(two.push(free(1)).unwrap_err().event.seq, 1);
    two.push_kept(free(2), 10);
    assert!(!two.keep_place(10));
    two.free_place(10);
    two.push(free(3)).unwrap();
    assert_eq!((two.waiting(), two.keep_place(10)), (2, false));
    let mut small = Queue::new(2, 100);
    assert!(small.keep_place(60) && !small.keep_place(60) && small.keep_place(40));
}

#[test]
fn the_oldest_is_dropped_across_lanes_and_its_lane_goes_on() {
    let (mut queue, now) = (queue(10), Instant::now());
    queue.push(keyed(1, "a")).unwrap();
    queue.push(keyed(2, "a")).unwrap();
    queue.push(keyed(3, "b")).unwrap();
    assert_eq!(queue.drop_oldest().unwrap().event.seq, 1);
    assert_eq!(queue.drop_oldest().unwrap().event.seq, 2);
    assert_eq!(taken_seq(&mut queue, now), Some(3));
    assert!(queue.drop_oldest().is_none());
    assert_eq!((queue.waiting(), queue.waiting_bytes()), (0, 0));
}

#[test]
fn nothing_is_handed_out_while_paused_or_suspended_but_for_one_probe() {
    let (mut queue, now) = (queue(10), Instant::now());
    for seq in 1..=3 {
        queue.push(free(seq)).unwrap();
    }
    queue.set_paused(true);
    queue.suspend();
    queue.probe();
    assert_eq!(taken_seq(&mut queue, now), None, "a probe does not undo a pause");
    queue.set_paused(false);
    assert_eq!(taken_seq(&mut queue, now), Some(1));
    assert_eq!(taken_seq(&mut queue, now), None);
    queue.unsuspend();
    assert_eq!(taken_seq(&mut queue, now), Some(2));
}

#[test]
fn a_change_of_ordering_keeps_every_item_once_in_order() {
    let (mut queue, now) = (queue(10), Instant::now());
    for seq in 1..=4 {
        queue.push(whole(seq)).unwrap();
    }
    let first = take(&mut queue, now).unwrap();
    queue.retry(first, now);
    queue.relane(|_| Lane::Free);
    let order: Vec<_> = std::iter::from_fn(|| taken_seq(&mut queue, now)).collect();
    assert_eq!(order, [1, 2, 3, 4]);
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn what_is_in_flight_holds_its_lane_when_the_ordering_changes() {
    let (mut queue, now) = (queue(10), Instant::now());
    // One lane for all; then one lane for each subject.
    for (seq, subject) in [(1, "a"), (2, "b"), (3, "a"), (4, "a")] {
        queue.push(item(about(seq, subject), Lane::Whole)).unwrap();
    }
    let first = take(&mut queue, now).unwrap();
    queue.relane(by_subject);
    let second = take(&mut queue, now).unwrap();
    assert_eq!((second.event.seq, taken_seq(&mut queue, now)), (2, None), "the first of `a` is still in flight");
    queue.retry(first, now + Duration::from_secs(1));
    queue.settle(second.order);
    assert_eq!(taken_seq(&mut queue, now), None, "it holds its lane until its retry is settled too");
    let again = take(&mut queue, now + Duration::from_secs(1)).unwrap();
    assert_eq!(again.event.seq, 1);
    queue.settle(again.order);
    assert_eq!((taken_seq(&mut queue, now), taken_seq(&mut queue, now)), (Some(3), None));
}

#[test]
fn several_in_flight_hold_a_lane_until_the_last_is_settled() {
    let (mut queue, now) = (queue(10), Instant::now());
    for seq in 1..=4 {
        queue.push(free(seq)).unwrap();
    }
    let (first, second) = (take(&mut queue, now).unwrap(), take(&mut queue, now).unwrap());
    queue.relane(|_| Lane::Whole);
    queue.settle(second.order);
    assert_eq!(taken_seq(&mut queue, now), None);
    queue.settle(first.order);
    assert_eq!((taken_seq(&mut queue, now), taken_seq(&mut queue, now)), (Some(3), None));
}

fn by_subject(event: &Event) -> Lane {
    Lane::Keyed(event.subject.clone().unwrap_or_default())
}

fn one_lane(_event: &Event) -> Lane {
    Lane::Whole
}

/// What a test may do to a queue.
#[derive(Debug, Clone)]
enum Op {
    Push(u8),
    Take,
    Settle(usize),
    Retry(usize, u8),
    Again(usize),
    Tick(u8),
    DropOldest,
    Relane(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..3u8).prop_map(Op::Push),
        8 => Just(Op::Take),
        6 => (0..8usize).prop_map(Op::Settle),
        4 => (0..8usize, 0..50u8).prop_map(|(i, t)| Op::Retry(i, t)),
        2 => (0..8usize).prop_map(Op::Again),
        4 => (0..50u8).prop_map(Op::Tick),
        2 => Just(Op::DropOldest),
        1 => any::<bool>().prop_map(Op::Relane),
    ]
}

/// The model: every item that is not gone, in order of arrival.
#[derive(Debug, Clone)]
struct Held {
    seq: u64,
    key: String,
    state: HeldAs,
    /// It had begun when the ordering changed: others of its lane may have begun too.
    since_before: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldAs {
    New,
    InFlight,
    /// It has been in flight and comes again.
    Back,
}

#[derive(Debug, Default)]
struct Model {
    held: Vec<Held>,
    by_key: bool,
}

impl Model {
    fn find(&mut self, seq: u64) -> &mut Held {
        self.held.iter_mut().find(|held| held.seq == seq).unwrap()
    }

    /// Whatever happens, what a lane hands out is its oldest item, and no other of it has begun.
    fn taken(&mut self, seq: u64) {
        let by_key = self.by_key;
        let item = self.find(seq).clone();
        let of_lane = |other: &&Held| other.seq != seq && (!by_key || other.key == item.key);
        let first = |other: &&Held| {
            other.seq < seq || other.state == HeldAs::InFlight || (other.state == HeldAs::Back && !other.since_before)
        };
        let before: Vec<&Held> = self.held.iter().filter(of_lane).filter(first).collect();
        assert!(item.since_before || before.is_empty(), "{item:?} was handed out before {before:?}");
        self.find(seq).state = HeldAs::InFlight;
    }

    fn gone(&mut self, seq: u64) {
        self.held.retain(|held| held.seq != seq);
    }

    fn relane(&mut self, by_key: bool) {
        self.by_key = by_key;
        self.held.iter_mut().for_each(|held| held.since_before |= held.state != HeldAs::New);
    }
}

proptest! {
    #[test]
    fn lanes_keep_order_and_lose_nothing(ops in prop::collection::vec(op(), 1..200)) {
        let mut queue = queue(16);
        let mut now = Instant::now();
        let mut model = Model { by_key: true, ..Model::default() };
        let mut out: VecDeque<Box<Item>> = VecDeque::new();
        let mut next = 0;
        for op in ops {
            match op {
                Op::Push(key) => {
                    next += 1;
                    let (key, event) = (key.to_string(), about(next, &key.to_string()));
                    let lane = if model.by_key { by_subject(&event) } else { one_lane(&event) };
                    if queue.push(item(event, lane)).is_ok() {
                        model.held.push(Held { seq: next, key, state: HeldAs::New, since_before: false });
                    } else {
                        prop_assert!(queue.waiting() >= 16, "refused below its bound");
                    }
                }
                Op::Take => if let Some(item) = take(&mut queue, now) {
                    model.taken(item.event.seq);
                    out.push_back(item);
                },
                Op::Settle(index) if index < out.len() => {
                    let item = out.remove(index).unwrap();
                    model.gone(item.event.seq);
                    queue.settle(item.order);
                }
                Op::Retry(index, millis) if index < out.len() => {
                    model.find(out[index].event.seq).state = HeldAs::Back;
                    queue.retry(out.remove(index).unwrap(), now + Duration::from_millis(millis.into()));
                }
                Op::Again(index) if index < out.len() => {
                    model.find(out[index].event.seq).state = HeldAs::Back;
                    queue.again(out.remove(index).unwrap());
                }
                Op::Settle(_) | Op::Retry(..) | Op::Again(_) => {}
                Op::Tick(millis) => now += Duration::from_millis(millis.into()),
                Op::DropOldest => if let Some(item) = queue.drop_oldest() {
                    model.gone(item.event.seq);
                },
                Op::Relane(by_key) => {
                    model.relane(by_key);
                    queue.relane(if by_key { by_subject } else { one_lane });
                }
            }
            prop_assert_eq!(queue.waiting() + out.len(), model.held.len());
            prop_assert_eq!(queue.in_flight(), out.len());
        }
        // In the end everything comes out.
        now += Duration::from_secs(1);
        for item in out.drain(..) {
            queue.again(item);
        }
        let mut drained = 0;
        while let Some(item) = take(&mut queue, now) {
            queue.settle(item.order);
            drained += 1;
        }
        prop_assert_eq!(drained, model.held.len());
        prop_assert_eq!((queue.waiting(), queue.waiting_bytes(), queue.lanes.len()), (0, 0, 0));
    }
}
