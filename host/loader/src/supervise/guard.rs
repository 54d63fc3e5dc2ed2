//! Carries out what the [`Supervisor`] decides for one generation of a plugin.
//!
//! A [`Supervised`] handler reports each outcome from inside the worker's call, so that a suspension holds before the next
//! event can be delivered. The only thing that waits is one timer task while the plugin is suspended; it ends with the
//! suspension or with the generation. Nothing queues up here.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugbus_bus::{BoxFuture, Bus, Control, Delivery, Fault, FaultKind, Handler, HandlerError, Outcome};
use plugbus_sandbox::SandboxHandler;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Decision, EventKey, Observed, State, SupervisionPolicy, Supervisor, Ticket};
use crate::faults::{FaultLog, FaultRecord};
use crate::host_events::{self, About};

/// Supervises one generation of a plugin.
pub(crate) struct Guard {
    about: About,
    bus: Bus,
    faults: Arc<FaultLog>,
    began: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    supervisor: Supervisor,
    /// The subscription, once the generation is on it.
    control: Option<Control>,
    timer: Option<AbortHandle>,
    /// Another generation has taken over: what is still in flight is recorded, but decides nothing.
    retired: bool,
    suspensions: u64,
    last_fault: Option<FaultRecord>,
}

/// Where a generation stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// Time to the next probe, while suspended.
    pub(crate) probe_in: Option<Duration>,
    pub(crate) suspensions: u64,
}

impl Guard {
    pub(crate) fn new(about: About, bus: Bus, faults: Arc<FaultLog>, policy: SupervisionPolicy) -> Arc<Self> {
        let inner = Inner {
            supervisor: Supervisor::new(policy),
            control: None,
            timer: None,
            retired: false,
            suspensions: 0,
            last_fault: None,
        };
        Arc::new(Self { about, bus, faults, began: Instant::now(), inner: Mutex::new(inner) })
    }

    /// A handler whose outcomes are reported here.
    pub(crate) fn supervise(self: &Arc<Self>, handler: impl Supervisee) -> Box<dyn Handler> {
        Box::new(Supervised { handler, guard: self.clone() })
    }

    /// The generation is on this subscription now. Brings the subscription in line with what was decided so far, which may
    /// be something other than what the generation before left behind.
    pub(crate) fn attach(&self, control: Control) {
        let mut inner = self.lock();
        match inner.supervisor.state() {
            State::Running => control.unsuspend(),
            State::Suspended { .. } => control.suspend(),
            State::Probing => {
                control.suspend();
                control.probe();
            }
        }
        inner.control = Some(control);
    }

    /// Another generation has taken over, or the plugin is unloaded.
    pub(crate) fn retire(&self) {
        let mut inner = self.lock();
        inner.retired = true;
        inner.stop_timer();
    }

    /// An operator ends a suspension. Whether there was one.
    pub(crate) fn lift(&self) -> bool {
        let mut inner = self.lock();
        if inner.retired {
            return false;
        }
        let decision = inner.supervisor.lift(self.now());
        self.carry_out(inner, decision);
        decision == Decision::Resume
    }

    /// Where the generation stands.
    pub(crate) fn standing(&self) -> Standing {
        let inner = self.lock();
        let state = inner.supervisor.state();
        let probe_in = match state {
            State::Suspended { until } => Some(until.saturating_sub(self.now())),
            State::Running | State::Probing => None,
        };
        Standing { state, probe_in, suspensions: inner.suspensions }
    }

    fn on_outcome(self: &Arc<Self>, ticket: Ticket, delivery: &Delivery, seen: Observed, fault: Option<&Fault>) {
        if seen != Observed::Fault && !ticket.is_probe() {
            // The way of nearly every event: it decides nothing.
            return;
        }
        let record = fault.map(|fault| FaultRecord::of(self.about.generation, delivery, fault));
        if let Some(record) = &record {
            self.faults.push(record.clone());
        }
        let mut inner = self.lock();
        if inner.retired {
            return;
        }
        if record.is_some() {
            inner.last_fault = record;
        }
        let decision = inner.supervisor.on_outcome(self.now(), ticket, &EventKey::of(&delivery.event), seen);
        if let Decision::Suspend { pause } = decision {
            inner.start_timer(self, pause);
        }
        self.carry_out(inner, decision);
    }

    fn on_time(&self) {
        let mut inner = self.lock();
        if inner.retired {
            return;
        }
        let decision = inner.supervisor.on_time(self.now());
        self.carry_out(inner, decision);
    }

    /// The subscription is told under the lock, so that decisions take effect in their order; the world is told after it.
    fn carry_out(&self, mut inner: MutexGuard<'_, Inner>, decision: Decision) {
        match decision {
            Decision::Continue => {}
            Decision::Probe => inner.tell(Control::probe),
            Decision::Resume => {
                inner.tell(Control::unsuspend);
                inner.stop_timer();
                drop(inner);
                host_events::resumed(&self.bus, &self.about);
            }
            Decision::Suspend { pause } => {
                inner.tell(Control::suspend);
                inner.suspensions += 1;
                let cause = inner.last_fault.clone();
                drop(inner);
                host_events::suspended(&self.bus, &self.about, pause, cause.as_ref());
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).stop_timer();
    }
}

impl Inner {
    fn tell(&self, what: impl FnOnce(&Control)) {
        // Before the generation is on its subscription there is nobody to tell; `attach` makes up for it.
        if let Some(control) = &self.control {
            what(control);
        }
    }

    fn start_timer(&mut self, guard: &Arc<Guard>, pause: Duration) {
        self.stop_timer();
        let guard = Arc::downgrade(guard);
        // A call that is dropped while the runtime shuts down must not panic; nothing is left to be probed then.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let timer = runtime.spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(guard) = guard.upgrade() {
                guard.on_time();
            }
        });
        self.timer = Some(timer.abort_handle());
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

/// What can be supervised: a handler that does not box its future, so that each call is boxed once.
pub(crate) trait Supervisee: Send + 'static {
    /// See [`Handler::handle`].
    fn call<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> impl Future<Output = Outcome> + Send + 'a;
}

impl Supervisee for SandboxHandler {
    fn call<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> impl Future<Output = Outcome> + Send + 'a {
        Self::call(self, delivery)
    }
}

/// A handler whose outcomes are reported to its generation's guard.
struct Supervised<H> {
    handler: H,
    guard: Arc<Guard>,
}

impl<H: Supervisee> Handler for Supervised<H> {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let call = Call::begin(&self.guard, delivery);
            delivery.notes.set_generation(self.guard.about.generation);
            let outcome = self.handler.call(delivery).await;
            call.end(&outcome);
            outcome
        })
    }
}

/// One call, which is reported however it ends.
struct Call<'a> {
    guard: &'a Arc<Guard>,
    delivery: &'a Delivery,
    ticket: Ticket,
    ended: bool,
}

impl<'a> Call<'a> {
    fn begin(guard: &'a Arc<Guard>, delivery: &'a Delivery) -> Self {
        let ticket = guard.lock().supervisor.begin();
        Self { guard, delivery, ticket, ended: false }
    }

    fn end(mut self, outcome: &Outcome) {
        self.ended = true;
        let (seen, fault) = match outcome {
            Ok(_) | Err(HandlerError::Failure(_)) => (Observed::Handled, None),
            Err(HandlerError::Fault(fault)) if fault.kind == FaultKind::Cancelled => (Observed::CutOff, None),
            Err(HandlerError::Fault(fault)) => (Observed::Fault, Some(&**fault)),
        };
        self.guard.on_outcome(self.ticket, self.delivery, seen, fault);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A panic is the handler's doing, as the bus sees it, too; anything else that drops the call is not.
        if std::thread::panicking() {
            let fault = Fault::new(FaultKind::Panic, "the handler panicked");
            self.guard.on_outcome(self.ticket, self.delivery, Observed::Fault, Some(&fault));
        } else {
            self.guard.on_outcome(self.ticket, self.delivery, Observed::CutOff, None);
        }
    }
}
