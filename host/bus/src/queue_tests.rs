use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::Payload;
use crate::topic::Topic;

fn event(seq: u64) -> Arc<Event> {
    Arc::new(Event {
        id: seq.to_string().into(),
        source: "s".into(),
        topic: Topic::parse("a").unwrap(),
        subject: None,
        time_ns: 0,
        payload: Payload::empty(),
        extensions: Vec::new(),
        seq,
        hops: 0,
    })
}

fn keyed(seq: u64, key: &str) -> Item {
    Item::new(event(seq), Lane::Keyed(key.into()), None)
}

fn free(seq: u64) -> Item {
    Item::new(event(seq), Lane::Free, None)
}

fn queue(events_max: usize) -> Queue {
    Queue::new(events_max, usize::MAX)
}

fn take(queue: &mut Queue, now: Instant) -> Option<Item> {
    match queue.take(now) {
        Take::Item(item) => Some(*item),
        Take::WaitUntil(_) | Take::Idle => None,
    }
}

fn taken_seq(queue: &mut Queue, now: Instant) -> Option<u64> {
    take(queue, now).map(|item| item.event.seq)
}

#[test]
fn one_lane_hands_out_one_at_a_time_in_order() {
    let (mut queue, now) = (queue(10), Instant::now());
    (1..=3).for_each(|seq| queue.push(keyed(seq, "")).unwrap());
    let first = take(&mut queue, now).unwrap();
    assert_eq!((first.event.seq, taken_seq(&mut queue, now)), (1, None));
    queue.settle(&first.lane);
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
    assert!(matches!(queue.take(now), Take::WaitUntil(at) if at == due));
    assert_eq!(taken_seq(&mut queue, due), Some(1));
    queue.settle(&Lane::Keyed("a".into()));
    assert_eq!(taken_seq(&mut queue, due), Some(2));
}

#[test]
fn retries_that_are_due_come_earliest_first() {
    let (mut queue, now) = (queue(10), Instant::now());
    (1..=3).for_each(|seq| queue.push(free(seq)).unwrap());
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
    (1..=3).for_each(|seq| queue.push(free(seq)).unwrap());
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
    (1..=4).for_each(|seq| queue.push(keyed(seq, "")).unwrap());
    let first = take(&mut queue, now).unwrap();
    queue.retry(first, now);
    queue.relane(|_| Lane::Free);
    let order: Vec<_> = std::iter::from_fn(|| taken_seq(&mut queue, now)).collect();
    assert_eq!(order, [1, 2, 3, 4]);
    assert_eq!(queue.waiting(), 0);
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
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3u8).prop_map(Op::Push),
        4 => Just(Op::Take),
        3 => (0..8usize).prop_map(Op::Settle),
        2 => (0..8usize, 0..50u8).prop_map(|(i, t)| Op::Retry(i, t)),
        1 => (0..8usize).prop_map(Op::Again),
        2 => (0..50u8).prop_map(Op::Tick),
        1 => Just(Op::DropOldest),
    ]
}

proptest! {
    /// The model: a deque per key. Whatever happens, what a lane hands out is its oldest item that is not gone.
    #[test]
    fn lanes_keep_order_and_lose_nothing(ops in prop::collection::vec(op(), 1..200)) {
        let mut queue = queue(16);
        let mut now = Instant::now();
        let mut model: HashMap<String, VecDeque<u64>> = HashMap::new();
        let mut out: Vec<Item> = Vec::new();
        let mut next = 0;
        for op in ops {
            match op {
                Op::Push(key) => {
                    next += 1;
                    let key = key.to_string();
                    if queue.push(keyed(next, &key)).is_ok() {
                        model.entry(key).or_default().push_back(next);
                    } else {
                        prop_assert!(queue.waiting() >= 16, "refused below its bound");
                    }
                }
                Op::Take => if let Some(item) = take(&mut queue, now) {
                    let Lane::Keyed(key) = &item.lane else { unreachable!() };
                    prop_assert!(!out.iter().any(|other| other.lane == item.lane), "two of a lane are out");
                    prop_assert_eq!(model.get(&**key).and_then(|lane| lane.front()).copied(), Some(item.event.seq));
                    out.push(item);
                },
                Op::Settle(index) if index < out.len() => {
                    let item = out.remove(index);
                    let Lane::Keyed(key) = &item.lane else { unreachable!() };
                    model.get_mut(&**key).unwrap().pop_front();
                    queue.settle(&item.lane);
                }
                Op::Retry(index, millis) if index < out.len() => {
                    queue.retry(out.remove(index), now + Duration::from_millis(millis.into()));
                }
                Op::Again(index) if index < out.len() => queue.again(out.remove(index)),
                Op::Settle(_) | Op::Retry(..) | Op::Again(_) => {}
                Op::Tick(millis) => now += Duration::from_millis(millis.into()),
                Op::DropOldest => if let Some(item) = queue.drop_oldest() {
                    let Lane::Keyed(key) = &item.lane else { unreachable!() };
                    model.get_mut(&**key).unwrap().retain(|seq| *seq != item.event.seq);
                },
            }
            let held: usize = model.values().map(VecDeque::len).sum();
            prop_assert_eq!(queue.waiting() + out.len(), held);
            prop_assert_eq!(queue.in_flight(), out.len());
        }
        // In the end everything comes out.
        now += Duration::from_secs(1);
        for item in out.drain(..) {
            queue.again(item);
        }
        let mut drained = 0;
        while let Some(item) = take(&mut queue, now) {
            queue.settle(&item.lane);
            drained += 1;
        }
        let held: usize = model.values().map(VecDeque::len).sum();
        prop_assert_eq!(drained, held);
        prop_assert_eq!((queue.waiting(), queue.waiting_bytes(), queue.lanes.len()), (0, 0, 0));
    }
}
