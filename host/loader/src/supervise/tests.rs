//! The supervisor's decisions, as tables.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn policy() -> SupervisionPolicy {
    SupervisionPolicy { budget: NonZeroU32::new(3).unwrap(), ..SupervisionPolicy::default() }
}

fn key(id: impl ToString) -> EventKey {
    EventKey { source: "test".into(), id: id.to_string().into() }
}

/// A supervisor with a clock in seconds.
struct Rig {
    supervisor: Supervisor,
    now: Duration,
}

impl Rig {
    fn new(policy: SupervisionPolicy) -> Self {
        Self { supervisor: Supervisor::new(policy), now: Duration::ZERO }
    }
    fn see(&mut self, id: impl ToString, seen: Observed) -> Decision {
        let ticket = self.supervisor.begin();
        self.supervisor.on_outcome(self.now, ticket, &key(id), seen)
    }
    fn fault(&mut self, id: impl ToString) -> Decision {
        self.see(id, Observed::Fault)
    }
    fn pass(&mut self, time: Duration) -> Decision {
        self.now += time;
        self.supervisor.on_time(self.now)
    }
    fn suspended(policy: SupervisionPolicy) -> Self {
        let mut rig = Self::new(policy);
        for id in 1..=policy.budget.get() {
            rig.fault(id);
        }
        assert!(matches!(rig.supervisor.state(), State::Suspended { .. }));
        rig
    }
}

#[test]
fn the_budget_counts_different_events_within_the_window() {
    let mut rig = Rig::new(policy());
    assert_eq!(rig.fault(1), Decision::Continue);
    assert_eq!(rig.fault(2), Decision::Continue);
    rig.pass(60 * SECOND);
    assert_eq!(rig.fault(3), Decision::Continue, "the first two are out of the window");
    assert_eq!(rig.fault(4), Decision::Continue);
    assert_eq!(rig.fault(5), Decision::Suspend { pause: SECOND });
    assert_eq!(rig.supervisor.state(), State::Suspended { until: 61 * SECOND });
}

#[test]
fn a_poison_event_counts_once_however_often_it_comes() {
    let mut rig = Rig::new(policy());
    for _ in 0..100 {
        assert_eq!(rig.fault("poison"), Decision::Continue);
        assert_eq!(rig.see("good", Observed::Handled), Decision::Continue);
    }
    assert_eq!(rig.fault(2), Decision::Continue);
    assert_eq!(rig.fault(3), Decision::Suspend { pause: SECOND });
}

#[test]
fn an_event_is_named_by_source_and_id() {
    let mut supervisor = Supervisor::new(policy());
    let decisions: Vec<_> = ["a", "b", "c"]
        .map(|source| {
            let (ticket, key) = (supervisor.begin(), EventKey { source: source.into(), id: "1".into() });
            supervisor.on_outcome(Duration::ZERO, ticket, &key, Observed::Fault)
        })
        .to_vec();
    assert_eq!(decisions.last(), Some(&Decision::Suspend { pause: SECOND }));
}

#[test]
fn failures_and_cut_off_calls_do_not_count() {
    let mut rig = Rig::new(policy());
    for id in 0..100 {
        assert_eq!(rig.see(id, Observed::Handled), Decision::Continue);
        assert_eq!(rig.see(id, Observed::CutOff), Decision::Continue);
    }
    assert_eq!(rig.supervisor.state(), State::Running);
}

#[test]
fn a_probe_that_is_handled_resumes() {
    let mut rig = Rig::suspended(policy());
    assert_eq!(rig.pass(SECOND / 2), Decision::Continue);
    assert_eq!(rig.pass(SECOND / 2), Decision::Probe);
    assert_eq!(rig.pass(100 * SECOND), Decision::Continue, "one probe at a time");
    assert_eq!(rig.see("x", Observed::Handled), Decision::Resume);
    assert_eq!(rig.supervisor.state(), State::Running);
    assert_eq!(rig.fault("y"), Decision::Continue, "the budget starts anew");
}

#[test]
fn probes_that_fault_double_the_suspension_up_to_its_bound() {
    let mut rig = Rig::suspended(policy());
    let mut pauses = Vec::new();
    let mut pause = SECOND;
    for id in 100..112 {
        assert_eq!(rig.pass(pause), Decision::Probe);
        let Decision::Suspend { pause: next } = rig.fault(id) else { panic!("a faulted probe must suspend") };
        pause = next;
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
}

#[test]
fn a_probe_on_known_poison_or_cut_off_repeats_the_suspension_without_doubling() {
    let mut rig = Rig::suspended(policy());
    for seen in [Observed::Fault, Observed::CutOff, Observed::Fault] {
        assert_eq!(rig.pass(SECOND), Decision::Probe);
        assert_eq!(rig.see(1, seen), Decision::Suspend { pause: SECOND });
    }
    assert_eq!(rig.pass(SECOND), Decision::Probe);
    assert_eq!(rig.fault("new"), Decision::Suspend { pause: 2 * SECOND });
}

#[test]
fn only_the_probe_itself_decides() {
    let mut rig = Rig::new(policy());
    let old = rig.supervisor.begin();
    for id in 1..=3 {
        rig.fault(id);
    }
    assert_eq!(rig.supervisor.on_outcome(rig.now, old, &key("old"), Observed::Handled), Decision::Continue);
    rig.pass(SECOND);
    assert_eq!(rig.supervisor.on_outcome(rig.now, old, &key("old"), Observed::Fault), Decision::Continue);
    let probe = rig.supervisor.begin();
    let beside = rig.supervisor.begin();
    assert_eq!(rig.supervisor.on_outcome(rig.now, beside, &key("b"), Observed::Fault), Decision::Continue);
    assert_eq!(rig.supervisor.on_outcome(rig.now, probe, &key("p"), Observed::Handled), Decision::Resume);
}

#[test]
fn a_plugin_that_fails_again_soon_after_it_resumed_goes_on_doubling_and_later_starts_anew() {
    let mut rig = Rig::suspended(policy());
    rig.pass(SECOND);
    assert_eq!(rig.see("ok", Observed::Handled), Decision::Resume);
    rig.fault(11);
    rig.fault(12);
    assert_eq!(rig.fault(13), Decision::Suspend { pause: 2 * SECOND });
    rig.pass(2 * SECOND);
    assert_eq!(rig.see("ok", Observed::Handled), Decision::Resume);
    rig.pass(60 * SECOND);
    rig.fault(21);
    rig.fault(22);
    assert_eq!(rig.fault(23), Decision::Suspend { pause: SECOND });
}

#[test]
fn an_operator_lifts_a_suspension_at_once() {
    let mut rig = Rig::suspended(policy());
    assert_eq!(rig.supervisor.lift(rig.now), Decision::Resume);
    assert_eq!(rig.supervisor.lift(rig.now), Decision::Continue);
    assert_eq!(rig.pass(100 * SECOND), Decision::Continue);
}

proptest! {
    #[test]
    fn memory_stays_bounded_and_states_follow_the_diagram(
        steps in prop::collection::vec((0u16..600, 0u8..4, 0u64..400_000), 0..800)
    ) {
        let mut rig = Rig::new(policy());
        for (id, what, millis) in steps {
            let before = rig.supervisor.state();
            let decision = match what {
                0 => rig.see(id, Observed::Handled),
                1 => rig.fault(id),
                2 => rig.see(id, Observed::CutOff),
                _ => rig.pass(Duration::from_millis(millis)),
            };
            let after = rig.supervisor.state();
            match decision {
                Decision::Continue => prop_assert_eq!(before, after),
                Decision::Suspend { pause } => {
                    prop_assert!(pause >= policy().suspend_min && pause <= policy().suspend_max);
                    prop_assert_eq!(after, State::Suspended { until: rig.now + pause });
                }
                Decision::Probe => prop_assert_eq!(after, State::Probing),
                Decision::Resume => prop_assert_eq!(after, State::Running),
            }
            prop_assert!(rig.supervisor.known.len() <= KNOWN_EVENTS_MAX);
            prop_assert!(rig.supervisor.faults.len() < 3);
        }
    }
}
