//! Where an event stands in its trace. Pure.

use plugbus_bus::trace::{TRACEPARENT, TRACESTATE};
use plugbus_bus::{Event, TraceParent};
use sha2::{Digest, Sha256};

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) trace_id: [u8; 16],
    /// The span of its publish.
    pub(crate) publish_id: [u8; 8],
    /// The span that it follows from; none where the trace begins with it.
    pub(crate) parent_id: Option<[u8; 8]>,
    /// Whether its spans are recorded.
    pub(crate) sampled: bool,
}

impl Place {
    /// The ids follow from the event's id, source and time, so that they are the same whenever and by whomever they are asked
    /// for: whoever handles an event need not have seen it published.
    pub(crate) fn of(event: &Event, sample_percent: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"plugbus publish");
        for part in [&*event.source, &*event.id] {
            // The length goes first, so that no two different pairs make the same input.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update(event.time_ns.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let (trace, rest) = hash.split_at(16);
        let (publish, chance) = rest.split_at(8);
        let publish_id = nonzero(publish);
        match TraceParent::of(event) {
            Some(TraceParent { trace_id, span_id, sampled }) => {
                Self { trace_id, publish_id, parent_id: Some(span_id), sampled }
            }
            None => {
                let chance = chance.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                Self { trace_id: nonzero(trace), publish_id, parent_id: None, sampled: chance % 100 < sample_percent }
            }
        }
    }
}

/// An id of all zeros means that there is none.
fn nonzero<const BYTES: usize>(bytes: &[u8]) -> [u8; BYTES] {
    let mut id = [0; BYTES];
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    if id == [0; BYTES] { [1; BYTES] } else { id }
}

/// The event with another parent. What belonged to one that was none goes.
pub(crate) fn with_parent(event: &Event, parent: TraceParent) -> Event {
    let had_one = TraceParent::of(event).is_some();
    let mut event = event.clone();
    event.extensions.retain(|(name, _)| &**name != TRACEPARENT && (had_one || &**name != TRACESTATE));
    let at = event.extensions.partition_point(|(name, _)| &**name < TRACEPARENT);
    event.extensions.insert(at, (TRACEPARENT.into(), parent.to_string().into()));
    event
}

#[cfg(test)]
mod tests {
    use plugbus_bus::{Payload, Topic};

    use super::*;

    pub(crate) const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn event(id: &str, source: &str, extensions: &[(&str, &str)]) -> Event {
        Event {
            id: id.into(),
            source: source.into(),
            topic: Topic::parse("a").unwrap(),
            subject: None,
            time_ns: 7,
            payload: Payload::empty(),
            extensions: extensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            seq: 1,
            hops: 0,
        }
    }

    #[test]
    fn an_event_has_the_same_ids_whenever_it_is_asked_and_no_other_has_them() {
        let place = |id, source| Place::of(&event(id, source, &[]), 100);
        assert_eq!(place("1", "s"), place("1", "s"));
        let other = Event { time_ns: 8, ..event("1", "s", &[]) };
        for other in [place("2", "s"), place("1", "t"), place("s1", ""), Place::of(&other, 100)] {
            assert_ne!(place("1", "s").trace_id, other.trace_id);
            assert_ne!(place("1", "s").publish_id, other.publish_id);
        }
        // A number that is given out again (a journal put aside) or a replay changes nothing.
        assert_eq!(Place::of(&Event { seq: 9, ..event("1", "s", &[]) }, 100), place("1", "s"));
    }

    #[test]
    fn a_trace_that_comes_in_goes_on_and_says_for_itself_whether_it_is_recorded() {
        let parent = TraceParent::parse(PARENT).unwrap();
        let place = Place::of(&event("1", "s", &[("traceparent", PARENT)]), 0);
        assert_eq!((place.trace_id, place.parent_id, place.sampled), (parent.trace_id, Some(parent.span_id), true));
        let unsampled = PARENT.replace("-01", "-00");
        assert!(!Place::of(&event("1", "s", &[("traceparent", &unsampled)]), 100).sampled);
        // What is no traceparent begins a trace.
        assert_eq!(Place::of(&event("1", "s", &[("traceparent", "00-aa")]), 100).parent_id, None);
    }

    #[test]
    fn of_the_traces_that_begin_here_about_so_many_in_a_hundred_are_recorded() {
        let recorded = |percent| {
            let sampled = |number: &u64| Place::of(&event(&number.to_string(), "s", &[]), percent).sampled;
            (0..2000).filter(sampled).count()
        };
        assert_eq!((recorded(0), recorded(100)), (0, 2000));
        assert!((300..500).contains(&recorded(20)), "{}", recorded(20));
    }

    #[test]
    fn another_parent_takes_the_place_of_the_one_before_and_leaves_the_rest() {
        let parent = TraceParent { trace_id: [1; 16], span_id: [2; 8], sampled: true };
        let names = |event: &Event| event.extensions.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        let full = event("1", "s", &[("a", "1"), ("traceparent", PARENT), ("tracestate", "x=1"), ("z", "2")]);
        let given = with_parent(&full, parent);
        assert_eq!(names(&given), ["a", "traceparent", "tracestate", "z"]);
        assert_eq!(TraceParent::of(&given), Some(parent));
        let bad = event("1", "s", &[("a", "1"), ("traceparent", "00-aa"), ("tracestate", "x=1"), ("z", "2")]);
        assert_eq!(names(&with_parent(&bad, parent)), ["a", "traceparent", "z"]);
        assert_eq!(names(&with_parent(&event("1", "s", &[]), parent)), ["traceparent"]);
    }
}
