//! W3C Trace Context: `traceparent` and `tracestate` of a request travel with its event as the extensions of the same names,
//! from there into what handlers publish, and out again with a relay.

use http::HeaderMap;
use plugbus_bus::trace::{TRACEPARENT as PARENT, TRACESTATE as STATE};
use plugbus_bus::{Draft, TraceParent};

/// Longest `tracestate` that is handed on. The specification asks for at least 512.
const STATE_BYTES_MAX: usize = 512;

/// Adds to a draft what the headers say, unless it names a parent of its own. A `traceparent` that is malformed is ignored, as
/// the specification wants it: whoever gets the event begins a trace of their own.
pub(crate) fn traced(draft: Draft, headers: &HeaderMap) -> Draft {
    if draft.extensions.iter().any(|(name, _)| &**name == PARENT) {
        return draft;
    }
    let text = |name: &str| {
        let mut values = headers.get_all(name).iter();
        // Two of them contradict each other.
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    let Some(parent) = text(PARENT).map(str::trim).filter(|parent| TraceParent::parse(parent).is_some()) else {
        return draft;
    };
    let draft = draft.extension(PARENT, parent);
    match text(STATE).map(str::trim).filter(|state| !state.is_empty() && state.len() <= STATE_BYTES_MAX) {
        Some(state) => draft.extension(STATE, state),
        None => draft,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use plugbus_bus::Event;

    use super::*;

    const PARENT_HERE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn attached(pairs: &[(&'static str, &str)], draft: Draft) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let draft = traced(draft, &headers);
        draft.extensions.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn draft() -> Draft {
        Event::draft("a").unwrap()
    }

    #[test]
    fn a_trace_goes_from_the_request_into_the_event() {
        let both = attached(&[(PARENT, PARENT_HERE), (STATE, "a=1")], draft());
        assert_eq!(both, [(PARENT.into(), PARENT_HERE.into()), (STATE.into(), "a=1".into())]);
        assert_eq!(attached(&[(STATE, "a=1")], draft()), []);
        assert_eq!(attached(&[(PARENT, "00-aa"), (STATE, "a=1")], draft()), []);
        let own = draft().extension(PARENT, "own");
        assert_eq!(attached(&[(PARENT, PARENT_HERE)], own), [(PARENT.into(), "own".into())]);
        assert_eq!(attached(&[(PARENT, PARENT_HERE), (PARENT, PARENT_HERE)], draft()), []);
        let long = "x".repeat(STATE_BYTES_MAX + 1);
        assert_eq!(attached(&[(PARENT, PARENT_HERE), (STATE, &long)], draft()).len(), 1);
    }
}
