//! The guard on a real bus, with handlers that misbehave on demand, in paused time.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugbus_bus::{Event, Reply, RetryPolicy, Subscription};

use super::*;
use crate::capture::Identity;
use crate::name::PluginName;

const SECOND: Duration = Duration::from_secs(1);

/// Does what the last token of the topic says.
struct Actor {
    calls: Arc<AtomicUsize>,
}

impl Supervisee for Actor {
    async fn call(&mut self, delivery: &Arc<Delivery>) -> Outcome {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match delivery.event.topic.as_str() {
            "act.fault" => Err(Fault::new(FaultKind::Trap, "on demand").into()),
            "act.panic" => panic!("on demand"),
            "act.hang" => std::future::pending().await,
            _ => Ok(Reply(None)),
        }
    }
}

struct Rig {
    bus: Bus,
    guard: Arc<Guard>,
    subscription: Subscription,
    calls: Arc<AtomicUsize>,
    faults: Arc<FaultLog>,
}

impl Rig {
    fn new(budget: u32) -> Self {
        let (bus, calls, faults) = (Bus::default(), Arc::<AtomicUsize>::default(), Arc::<FaultLog>::default());
        let policy = SupervisionPolicy { budget: NonZeroU32::new(budget).unwrap(), ..SupervisionPolicy::default() };
        let about =
            About { plugin: PluginName::parse("actor").unwrap(), generation: 1, sha256: Identity::of_nothing() };
        let guard = Guard::new(about, bus.clone(), faults.clone(), policy);
        let handler = guard.supervise(Actor { calls: calls.clone() });
        let subscribe = bus.subscribe("act.*").name("plugin/actor").retry(RetryPolicy::never());
        let subscription = subscribe.handlers(vec![handler]).unwrap();
        guard.attach(subscription.control());
        Self { bus, guard, subscription, calls, faults }
    }

    async fn publish(&self, what: &str) {
        self.bus.publish(Event::draft(format!("act.{what}")).unwrap()).await.unwrap();
    }

    /// Waits, in paused time, until the actor was called so often; then lets whatever else is ready run.
    async fn calls(&self, count: usize) {
        while self.calls.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(self.calls.load(Ordering::Relaxed), count);
    }

    fn state(&self) -> State {
        self.guard.standing().state
    }
}

#[tokio::test(start_paused = true)]
async fn no_event_is_delivered_while_suspended_and_one_when_probing() {
    let rig = Rig::new(2);
    for what in ["fault", "fault", "fault", "ok", "ok"] {
        rig.publish(what).await;
    }
    rig.calls(2).await;
    assert!(matches!(rig.state(), State::Suspended { .. }) && rig.subscription.is_suspended());
    tokio::time::sleep(SECOND / 2).await;
    rig.calls(2).await;
    tokio::time::sleep(SECOND / 2).await;
    rig.calls(3).await;
    assert_eq!(rig.guard.standing().suspensions, 2);
    tokio::time::sleep(2 * SECOND).await;
    rig.calls(5).await;
    assert_eq!((rig.state(), rig.subscription.is_suspended()), (State::Running, false));
    assert_eq!(rig.faults.list().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_a_fault() {
    let rig = Rig::new(1);
    rig.publish("panic").await;
    rig.calls(1).await;
    assert!(matches!(rig.state(), State::Suspended { .. }));
    assert_eq!(rig.faults.list()[0].kind, "panic");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cut_off_is_repeated() {
    let rig = Rig::new(1);
    rig.publish("fault").await;
    rig.calls(1).await;
    rig.publish("hang").await;
    tokio::time::sleep(SECOND).await;
    rig.calls(2).await;
    assert_eq!(rig.state(), State::Probing);
    // The same generation, with another handler in the place of the one that hangs.
    let control = rig.subscription.control();
    let handlers = vec![rig.guard.supervise(Actor { calls: rig.calls.clone() })];
    let replace = plugbus_bus::Replace { filters: control.filters(), handlers, settings: None };
    assert_eq!(control.replace(replace, Duration::ZERO).await.unwrap().cut_off, 1);
    assert!(matches!(rig.state(), State::Suspended { .. }));
    tokio::time::sleep(SECOND).await;
    rig.calls(3).await;
    assert_eq!(rig.state(), State::Probing);
}

#[tokio::test(start_paused = true)]
async fn a_retired_generation_decides_nothing_any_more() {
    let rig = Rig::new(1);
    rig.guard.retire();
    rig.publish("fault").await;
    rig.publish("ok").await;
    rig.calls(2).await;
    assert_eq!(rig.state(), State::Running);
    assert_eq!(rig.faults.list().len(), 1, "it is recorded all the same");
    assert!(!rig.guard.lift());
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_before_the_subscription_was_known_holds_after() {
    let rig = Rig::new(1);
    rig.guard.lock().control = None;
    rig.publish("fault").await;
    rig.calls(1).await;
    assert!(!rig.subscription.is_suspended());
    rig.guard.attach(rig.subscription.control());
    assert!(rig.subscription.is_suspended());
    assert!(rig.guard.lift());
    assert!(!rig.subscription.is_suspended());
}
