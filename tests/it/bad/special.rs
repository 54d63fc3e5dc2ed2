//! Bad guests with a story of their own.

use super::run::{gone, run_trouble};
use crate::support::alone::this_test;
use crate::support::events::Recorder;
use crate::support::host::{PLENTY_OF_TIME, TestHost};

/// Attempts that fail are repeated at once.
const SOON: &str = "[retry]\nbackoff_min_ms = 1\nbackoff_max_ms = 1";

#[test]
fn a_trap_on_the_third_event_costs_an_instance_and_no_event() {
    run_trouble(
        this_test!(a_trap_on_the_third_event_costs_an_instance_and_no_event),
        async |host: &TestHost, name: &str| {
            host.run_fixture(name, "trap-on-third", &format!("filters = [\"bad\"]\n{SOON}")).await;
            let reported = host.told.json("plugbus.delivery.failed").len();
            for number in 0..9 {
                host.settle("bad", number.to_string()).await;
            }
            // Instances handle the events 0 1 | 2 3 | 4 5 | 6 7 | 8, each but the last trapping on the one after these.
            let stats = host.stats(name);
            assert_eq!((stats.acked, stats.attempts, stats.faults, stats.dead), (9, 13, 4, 0));
            let reports = host.told.json("plugbus.delivery.failed");
            assert_eq!(reports.len() - reported, 4);
            for report in &reports[reported..] {
                assert_eq!(
                    (&report["kind"], &report["attempt"], report["limit"].is_null()),
                    (&"trap".into(), &1.into(), true)
                );
                assert!(report["stderr"].as_str().unwrap().contains("the third event is one too many"), "{report:#}");
            }
            assert_eq!(host.status(name).unwrap().running.unwrap().metrics.instances_created, 5);
            gone(host, name).await;
        },
    );
}

#[test]
fn plugins_that_answer_each_other_for_ever_end_at_the_bound_on_hops() {
    run_trouble(
        this_test!(plugins_that_answer_each_other_for_ever_end_at_the_bound_on_hops),
        async |host: &TestHost, name: &str| {
            host.run_fixture(name, "ping-pong", "publish = [\"ping\", \"pong\"]").await;
            let dead = host.told.json("plugbus.delivery.dead").len();
            let seen = Recorder::on(host.bus(), "*");
            host.publish("ping", "go").await;
            host.until("the loop ends", || host.told.json("plugbus.delivery.dead").len() > dead).await;
            let letter = host.told.json("plugbus.delivery.dead").pop().unwrap();
            assert_eq!(letter["kind"], "too-many-hops");
            let reason = letter["reason"].as_str().unwrap();
            assert!(
                reason.contains("17 hops, at most 16 are allowed: do two handlers publish to each other?"),
                "{reason}"
            );
            let hops: Vec<u8> = seen.all().iter().map(|event| event.hops).collect();
            assert_eq!(hops, (0..=16).collect::<Vec<u8>>());
            gone(host, name).await;
        },
    );
}

#[test]
fn a_plugin_that_faults_on_every_event_is_suspended_and_its_events_are_kept() {
    run_trouble(
        this_test!(a_plugin_that_faults_on_every_event_is_suspended_and_its_events_are_kept),
        async |host: &TestHost, name: &str| {
            let manifest = format!(
                "filters = [\"bad\"]\n[retry]\nattempts = 1\n[limits]\n{PLENTY_OF_TIME}\n\
                 [supervision]\nbudget = 3\nsuspend_min_ms = 3600000\nsuspend_max_ms = 3600000"
            );
            host.run_fixture(name, "spin-forever", &manifest).await;
            for number in 0..8 {
                host.publish("bad", number.to_string()).await;
            }
            let is_it = |data: &serde_json::Value| data["plugin"] == name;
            let report = host.told.until_json("plugbus.plugin.suspended", is_it).await;
            assert_eq!((&report["kind"], &report["suspend_ms"]), (&"fuel".into(), &3_600_000.into()));
            assert_eq!(report["fault"]["limit"], "500000000 fuel");
            // The third attempt is counted a moment after it has led to the suspension.
            host.until("three events have faulted", || host.stats(name).faults == 3).await;
            let stats = host.stats(name);
            assert_eq!((stats.suspended, stats.waiting), (true, 5));
            // A better build gets what was kept.
            host.put_fixture(name, "noop", &manifest);
            host.told.until_json("plugbus.plugin.reloaded", is_it).await;
            host.until("the events that waited are handled", || host.stats(name).acked == 5).await;
            gone(host, name).await;
        },
    );
}

#[test]
fn a_guest_that_leaks_is_made_anew_before_its_memory_is_full() {
    run_trouble(
        this_test!(a_guest_that_leaks_is_made_anew_before_its_memory_is_full),
        async |host: &TestHost, name: &str| {
            let manifest = "filters = [\"bad\"]\n[limits]\nmemory_bytes = 16777216";
            host.run_fixture(name, "leak-memory", manifest).await;
            for number in 0..40 {
                host.settle("bad", number.to_string()).await;
            }
            let stats = host.stats(name);
            assert_eq!((stats.acked, stats.attempts, stats.faults), (40, 40, 0));
            let metrics = host.status(name).unwrap().running.unwrap().metrics;
            // A megabyte each time: three quarters of 16 MiB are reached after about ten events.
            assert!((2..=5).contains(&metrics.recycles), "{metrics:?}");
            assert!(metrics.memory_bytes_peak <= 16 << 20, "{metrics:?}");
            gone(host, name).await;
        },
    );
}
