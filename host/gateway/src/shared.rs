//! [`Shared`]: what every handler has at hand.

use std::ops::Deref;
use std::sync::Arc;

use plugbus_bus::Bus;
use tokio::sync::{Semaphore, watch};

use crate::admin::Admin;
use crate::counters::Counters;
use crate::settings::Settings;

/// The bus and what goes with it. Cheap to clone; the clones are one.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Parts>);

/// What is in [`Shared`].
pub(crate) struct Parts {
    pub(crate) bus: Bus,
    pub(crate) admin: Option<Arc<dyn Admin>>,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    /// How far the gateway has come in stopping. Streams subscribe to it and end with it.
    pub(crate) phase: watch::Sender<Phase>,
    /// One plugin at a time comes or goes over HTTP.
    pub(crate) uploading: Semaphore,
}

/// How far the gateway has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything goes on.
    Serving,
    /// No new connection and no new request; what is in hand is finished, and streams still see events.
    Draining,
    /// Streams are told good-bye.
    Closed,
}

impl Shared {
    pub(crate) fn new(bus: Bus, admin: Option<Arc<dyn Admin>>, settings: Settings) -> Self {
        let phase = watch::Sender::new(Phase::Serving);
        Self(Arc::new(Parts {
            bus,
            admin,
            settings,
            counters: Counters::default(),
            phase,
            uploading: Semaphore::new(1),
        }))
    }
}

impl Parts {
    /// Resolves when the gateway takes no more requests.
    pub(crate) async fn draining(&self) {
        self.reached(|phase| phase != Phase::Serving).await;
    }

    /// Resolves when streams must end.
    pub(crate) async fn closed(&self) {
        self.reached(|phase| phase == Phase::Closed).await;
    }

    async fn reached(&self, wanted: impl Fn(Phase) -> bool) {
        // The sender is ours: it cannot be gone.
        drop(self.phase.subscribe().wait_for(|phase| wanted(*phase)).await);
    }
}

impl Deref for Shared {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
