//! The clients there are: bounded in number, with those that have opened a session and not yet said who they are.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::flow::Flow;
use crate::serve::Meter;

/// How long a session may be open before it connects; the library ends it then.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Characters of a session's id; longer ones are none of ours.
const SID_CHARS: usize = 32;

/// See the module. Cheap to clone; the clones are one.
#[derive(Debug, Clone)]
pub(super) struct Clients(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connected: HashMap<String, Arc<Flow>>,
    /// When sessions were opened that have not connected, oldest first.
    opened: VecDeque<Instant>,
    /// Websockets of sessions that have not connected: a client may change to one before. Oldest first; no more than there may
    /// be clients.
    early: VecDeque<(String, Meter)>,
}

impl Clients {
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max, state: Mutex::default() }))
    }

    /// Whether there is room for one more session; then it counts.
    pub(super) fn admit(&self, now: Instant) -> bool {
        let mut state = self.lock();
        while state.opened.front().is_some_and(|opened| now.duration_since(*opened) > CONNECT_TIMEOUT) {
            state.opened.pop_front();
        }
        let has_room = state.connected.len() + state.opened.len() < self.0.max;
        if has_room {
            state.opened.push_back(now);
        }
        has_room
    }

    /// A session has connected. None where it is connected already.
    pub(super) fn connect(&self, sid: &str) -> Option<Arc<Flow>> {
        let mut state = self.lock();
        if state.connected.contains_key(sid) {
            return None;
        }
        state.opened.pop_front();
        let flow = Arc::<Flow>::default();
        if let Some(at) = state.early.iter().position(|(other, _)| other == sid)
            && let Some((_, meter)) = state.early.remove(at)
        {
            meter.count_for(flow.clone());
        }
        state.connected.insert(sid.to_owned(), flow.clone());
        Some(flow)
    }

    /// A session speaks by this websocket from now on.
    pub(super) fn upgrade(&self, sid: &str, meter: &Meter) {
        let mut state = self.lock();
        match state.connected.get(sid) {
            Some(flow) => meter.count_for(flow.clone()),
            None => {
                if state.early.len() >= self.0.max {
                    state.early.pop_front();
                }
                state.early.push_back((sid.chars().take(SID_CHARS).collect(), meter.clone()));
            }
        }
    }

    /// What is on its way to a client, if it is one.
    pub(super) fn flow(&self, sid: &str) -> Option<Arc<Flow>> {
        self.lock().connected.get(sid).cloned()
    }

    pub(super) fn leave(&self, sid: &str) {
        self.lock().connected.remove(sid);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_count_from_the_moment_they_are_opened_until_they_leave_or_say_nothing() {
        let clients = Clients::new(2);
        let start = Instant::now();
        assert!(clients.admit(start) && clients.admit(start) && !clients.admit(start));
        assert!(clients.connect("one").is_some() && clients.connect("one").is_none());
        assert!(!clients.admit(start));
        let later = start + CONNECT_TIMEOUT + Duration::from_millis(1);
        assert!(clients.admit(later) && !clients.admit(later));
        let meter = Meter::default();
        clients.upgrade("two", &meter);
        assert_eq!(clients.lock().early.len(), 1);
        assert!(clients.flow("one").is_some() && clients.flow("two").is_none());
        let flow = clients.connect("two").unwrap();
        meter.add(7);
        assert_eq!((flow.take(), clients.lock().early.len()), (7, 0), "one that changed early counts too");
        clients.leave("one");
        clients.leave("two");
        assert!(clients.admit(later));
    }
}
