//! The clients there are: bounded in number, with those that have opened a session and not yet said who they are.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::flow::Flow;

/// How long a session may be open before it connects; the library ends it then.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
        state.connected.insert(sid.to_owned(), flow.clone());
        Some(flow)
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
        assert!(clients.flow("one").is_some() && clients.flow("two").is_none());
        clients.leave("one");
        assert!(clients.admit(later));
    }
}
