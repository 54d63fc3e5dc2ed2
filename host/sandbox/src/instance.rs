//! One live instance: a store, the guest in it, and how it is called.
//!
//! What bounds a call: fuel (refilled before, reported after), the wall clock twice (the epoch callback stops a guest that
//! computes, a timer drops a call that waits for the host), memory and tables by the limiter, host allocations by the hostcall
//! fuel. An instance that faulted, or whose call was dropped, is never called again: whoever owns it lets go of it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use plugbus_bus::{Delivery, Fault, FaultKind, Filter, Payload};
use wasmtime::Store;

use crate::bindings::exports::plugbus::plugin::subscriber::Registration;
use crate::bindings::plugbus::plugin::types::Failure;
use crate::fault::{Budget, Context};
use crate::guest::Guest;
use crate::metrics::Metrics;
use crate::state::State;
use crate::template::{Inner, StartError};
use crate::text::{cut, prefix};

/// An instance that may be called.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Guest,
}

impl Instance {
    /// Makes an instance and runs `init`.
    pub(crate) async fn start(template: &Arc<Inner>) -> Result<(Self, Vec<Filter>), StartError> {
        let limits = &template.spec.limits;
        let budget = Budget { fuel: limits.fuel_init, deadline: limits.deadline_init };
        let faulted = |fault: Fault| {
            template.metrics.fault(fault.kind);
            StartError::Fault(Box::new(fault))
        };
        let mut store = State::store(template).map_err(|error| {
            let place = error.grant.host.display();
            faulted(Fault::new(FaultKind::Contract, format!("granted folder {place}: {}", error.source)))
        })?;
        let init = async |store: &mut Store<State>| template.pre.start(store, &template.spec.config_json).await;
        let (guest, answer) = call(&mut store, None, budget, Instant::now(), init).await.map_err(faulted)?;
        Metrics::add(&template.metrics.instances_created, 1);
        let registration = answer.map_err(|error| StartError::Init(template.reason(&error)))?;
        Ok((Self { store, guest }, filters(registration)?))
    }

    /// Hands over one event. After a fault the instance must not be used again.
    pub(crate) async fn handle(&mut self, delivery: &Arc<Delivery>) -> Result<Result<Option<Payload>, Failure>, Fault> {
        let limits = &self.store.data().template.spec.limits;
        let budget = Budget { fuel: limits.fuel_per_event, deadline: limits.deadline };
        let guest = &self.guest;
        let began = Instant::now();
        let run = async |store: &mut Store<State>| guest.handle(store, delivery).await;
        let answer = call(&mut self.store, Some(delivery), budget, began, run).await;
        let fuel = budget.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        delivery.notes.set_fuel(fuel);
        let metrics = &self.store.data().template.metrics;
        metrics.call_ended(fuel, began.elapsed(), self.memory_bytes());
        if let Err(fault) = &answer {
            metrics.fault(fault.kind);
        }
        answer
    }

    /// Bytes of linear memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().limiter.memory_bytes()
    }
}

/// Runs one call with its budget. Where the future is dropped, the guest's stack is unwound with it.
async fn call<T>(
    store: &mut Store<State>,
    delivery: Option<&Arc<Delivery>>,
    budget: Budget,
    began: Instant,
    run: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
) -> Result<T, Fault> {
    let config = store.data().template.component.inner.sandbox.config();
    let (tick, stack_bytes) = (config.tick, config.stack_bytes);
    let deadline = began.checked_add(budget.deadline.min(DEADLINE_MAX)).unwrap_or(began);
    store.data_mut().begin(delivery, deadline);
    store.set_epoch_deadline(1);
    let result = match store.set_fuel(budget.fuel) {
        // A little later than the epoch callback, which can say where the guest was.
        Ok(()) => before(deadline + tick * 2, pin!(run(store))).await,
        Err(error) => Some(Err(error)),
    };
    let state = store.data_mut();
    state.end();
    let context = || Context {
        limits: &state.template.spec.limits,
        stack_bytes,
        limiter: &state.limiter,
        stderr: state.log.stderr_tail(),
        budget,
    };
    match result {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(context().fault(&error)),
        None => Err(context().deadline()),
    }
}

/// The future's value, or nothing at the deadline. Most calls never wait: a timer is made only for one that does.
async fn before<F: Future>(deadline: Instant, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut timer = pin!(None);
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep_until(deadline.into())));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(context).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

/// Longest deadline that is kept; longer ones mean this.
const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Checks what `init` registered.
fn filters(registration: Registration) -> Result<Vec<Filter>, StartError> {
    let count = registration.filters.len();
    if count > crate::FILTERS_MAX {
        return Err(StartError::FilterCount { count });
    }
    let parse = |(text, position): (String, usize)| {
        Filter::parse(&text).map_err(|source| StartError::Filter {
            filter: prefix(&text, 160).to_owned(),
            position,
            source,
        })
    };
    registration.filters.into_iter().zip(1..).map(parse).collect()
}

impl Inner {
    /// A reason in the guest's words, cut to its bound.
    pub(crate) fn reason(&self, text: &str) -> String {
        let limit = self.spec.limits.error_bytes;
        if text.len() > limit {
            Metrics::add(&self.metrics.reasons_cut, 1);
        }
        cut(text, limit).into_owned()
    }
}
