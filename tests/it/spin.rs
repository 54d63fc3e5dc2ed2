//! A plugin that spins stops no other, on a runtime of exactly two threads. Each test has a process of its own: if one did
//! stop the others, its test would never end by itself.

use crate::support::alone::{alone, this_test};
use crate::support::events::Recorder;
use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};
use crate::support::wait::until;

const EVENTS: usize = 10_000;

/// Gets the same events as the spinning one, and publishes each again.
const HEALTHY: &str = "filters = [\"work.in\"]\npublish = [\"work.out\"]\n[config]\ntopic = \"work.out\"";

/// Publishes the events and waits until each has been handled by the healthy plugin, once and in order.
async fn all_are_handled(host: &TestHost) {
    let out = Recorder::on(host.bus(), "work.out");
    for number in 0..EVENTS {
        host.publish("work.in", number.to_string()).await;
    }
    host.until("all events are handled", || out.count() >= EVENTS).await;
    host.until_idle("healthy").await;
    let handled: Vec<usize> = out.texts().iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(handled, (0..EVENTS).collect::<Vec<_>>());
    let stats = host.stats("healthy");
    let events = u64::try_from(EVENTS).unwrap();
    assert_eq!((stats.matched, stats.acked, stats.attempts, stats.dead, stats.dropped), (events, events, events, 0, 0));
}

#[test]
fn a_plugin_that_spins_on_every_event_until_its_fuel_is_gone_stops_no_other() {
    alone(this_test!(a_plugin_that_spins_on_every_event_until_its_fuel_is_gone_stops_no_other), async {
        let host = TestHost::start().await;
        // It is given more to spin on than it can get through, and never suspended.
        let spinning = format!(
            "filters = [\"work.in\"]\n[queue]\nwhen_full = \"drop_newest\"\nevents_max = 20\n\
             [retry]\nattempts = 1\n[supervision]\nbudget = 1000\n[limits]\n{PLENTY_OF_TIME}"
        );
        host.run_fixture("spinning", "spin-forever", &spinning).await;
        host.run_fixture("healthy", "republish", HEALTHY).await;
        all_are_handled(&host).await;
        host.until("the spinning plugin has faulted", || host.stats("spinning").faults > 0).await;
        let stats = host.stats("spinning");
        assert_eq!((stats.acked, stats.suspended), (0, false));
        assert_eq!(stats.faults_by_kind.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["fuel"]);
        host.remove("spinning");
        host.until_unloaded("spinning").await;
        host.stop().await;
    });
}

#[test]
fn plugins_that_spin_on_both_threads_all_the_time_stop_no_other() {
    alone(this_test!(plugins_that_spin_on_both_threads_all_the_time_stop_no_other), async {
        let host = Place::new().start_with(|config| config.loader.drain_grace_ms = 100, None).await;
        let spinning = "filters = [\"spin\"]\ninstances = 2\n\
            [limits]\nfuel_per_event = 1000000000000000\ndeadline_ms = 3600000";
        host.run_fixture("spinning", "spin-forever", spinning).await;
        host.run_fixture("healthy", "republish", HEALTHY).await;
        host.publish("spin", "").await;
        host.publish("spin", "").await;
        until("both instances spin", || host.stats("spinning").in_flight == 2).await;
        all_are_handled(&host).await;
        assert_eq!(host.stats("spinning").in_flight, 2);
        host.remove("spinning");
        let unloaded = host.until_unloaded("spinning").await;
        assert_eq!(unloaded["cut_off"], 2);
        host.stop().await;
    });
}
