//! A slot for one instance as a handler of events: it makes the instance anew whenever the one before must not be used again.
//!
//! That is after a fault, after a call that was dropped before its end, when its memory has come near its limit (some
//! toolchains leak), and after every event where the plugin is `fresh`. Making it runs `init` again, within the delivery that
//! needs it: that delivery waits for it.

use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::{BoxFuture, Delivery, Failure, Fault, FaultKind, Filter, Handler, Outcome, Payload, Reply};

use crate::bindings::plugbus::plugin::types;
use crate::imports;
use crate::instance::Instance;
use crate::metrics::Metrics;
use crate::template::{Inner, Template};

/// One instance of a plugin at a time. After a fault the next delivery gets a new one.
pub struct SandboxHandler {
    template: Template,
    filters: Vec<Filter>,
    instance: Option<Instance>,
}

impl SandboxHandler {
    pub(crate) fn new(template: Template, instance: Instance, filters: Vec<Filter>) -> Self {
        Self { template, filters, instance: Some(instance) }
    }

    /// What `init` registered when the handler was made, checked: at most [`FILTERS_MAX`](crate::FILTERS_MAX), possibly none
    /// where the manifest has filters of its own. What later instances register is not looked at.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// The template it was made from.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Handles one delivery: [`Handler::handle`] without its box, for whoever wraps this handler in one of its own.
    pub async fn call(&mut self, delivery: &Arc<Delivery>) -> Outcome {
        let Self { template, instance: slot, .. } = self;
        let template = &template.inner;
        let mut cancelled = Cancelled(Some(template));
        // The instance leaves its slot: if this future is dropped, the instance is too.
        let mut instance = match slot.take() {
            Some(instance) => instance,
            // Boxed, because it is rare and large: it would make the future of every call as large.
            None => match Box::pin(Instance::start(template)).await {
                Ok((instance, _)) => instance,
                Err(error) => {
                    cancelled.0 = None;
                    return Err(error.into_fault().into());
                }
            },
        };
        let answer = instance.handle(delivery).await;
        cancelled.0 = None;
        let outcome = match answer? {
            Ok(None) => Ok(Reply(None)),
            Ok(Some(payload)) => {
                check_reply(template, delivery, &payload)?;
                Ok(Reply(Some(payload)))
            }
            Err(failure) => {
                Metrics::add(&template.metrics.failures, 1);
                Err(from_guest(template, failure).into())
            }
        };
        if near_limit(instance.memory_bytes(), template.spec.limits.memory_bytes) {
            Metrics::add(&template.metrics.recycles, 1);
        } else if !template.spec.fresh {
            *slot = Some(instance);
        }
        outcome
    }
}

impl Handler for SandboxHandler {
    fn handle<'a>(&'a mut self, delivery: &'a Arc<Delivery>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.call(delivery))
    }
}

/// Counts a call that was dropped before its end, unless it is disarmed.
struct Cancelled<'a>(Option<&'a Arc<Inner>>);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(template) = self.0 {
            Metrics::add(&template.metrics.cancelled, 1);
        }
    }
}

/// Whether memory is over three quarters of its limit. Pure.
fn near_limit(bytes: u64, limit: u64) -> bool {
    u128::from(bytes) * 4 > u128::from(limit) * 3
}

fn check_reply(template: &Inner, delivery: &Delivery, payload: &Payload) -> Result<(), Fault> {
    imports::check_reply(template, &delivery.event.topic, payload).map_err(|error| {
        template.metrics.fault(FaultKind::Contract);
        Fault::new(FaultKind::Contract, format!("the reply is not acceptable: {error}"))
    })
}

fn from_guest(template: &Inner, failure: types::Failure) -> Failure {
    match failure {
        types::Failure::Retry(hint) => {
            Failure::Retry { reason: template.reason(&hint.reason), after: hint.after_ms.map(Duration::from_millis) }
        }
        types::Failure::Reject(reason) => Failure::Reject(template.reason(&reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_near_its_limit_over_three_quarters() {
        assert!(!near_limit(75, 100));
        assert!(near_limit(76, 100));
        assert!(near_limit(u64::MAX, u64::MAX));
    }
}
