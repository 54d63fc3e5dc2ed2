//! Ticks of plugins whose manifests ask for them.

use std::time::Duration;

use plugbus_bus::Event;

use crate::guest::Guest;
use crate::host::{Folder, Host};

fn ticks(host: &Host) -> u64 {
    host.status("p").running.unwrap().counters.ticks
}

#[tokio::test]
async fn a_plugin_ticks_as_its_manifest_says_and_no_longer_when_it_says_so() {
    let host = Folder::new()
        .with("p.wasm", &Guest::replies('A'))
        .with_text("p.toml", "tick_ms = 100")
        .with("q.wasm", &Guest::replies('B'))
        .start()
        .await;
    host.until("it ticks", || ticks(&host) >= 3).await;
    let status = host.status("p").running.unwrap();
    assert_eq!((status.tick_ms, status.counters.matched, status.counters.ticks_failed), (Some(100), 0, 0));
    assert_eq!(host.status("q").running.unwrap().counters.attempts, 0, "whoever asks for none has none");
    host.loader.pause("p").unwrap();
    let before = ticks(&host);
    host.scans(2).await;
    assert!(ticks(&host) <= before + 1, "but for the one in flight");
    host.loader.resume("p").unwrap();
    host.until("it ticks again", || ticks(&host) >= before + 2).await;
    host.put("p.toml", "tick_ms = 3600000");
    host.until("it is reloaded", || host.generation("p") == Some(2)).await;
    let before = ticks(&host);
    host.scans(2).await;
    assert!(ticks(&host) <= before + 1);
}

#[tokio::test]
async fn a_plugin_that_faults_on_ticks_is_suspended_like_any_other_and_a_tick_probes_it() {
    // It spins until its fuel is out, on whatever it is given.
    let manifest = "tick_ms = 100\n[limits]\nfuel_per_event = 10000\n[supervision]\nbudget = 2\nsuspend_min_ms = 20\n";
    let host = Folder::new().with("p.wasm", &Guest::spins_in_handle()).with_text("p.toml", manifest).start().await;
    let told = host.until_told("suspended", 2).await;
    assert_eq!(told["kind"], "fuel");
    let counters = host.status("p").running.unwrap().counters;
    assert!(counters.ticks_failed >= 3 && counters.dead == 0, "{counters:?}");
}

#[tokio::test]
async fn a_plugin_that_is_taken_away_ticks_no_more_and_its_unloading_does_not_wait_for_one() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).with_text("p.toml", "tick_ms = 100").start().await;
    host.until("it ticks", || ticks(&host) >= 1).await;
    std::fs::remove_file(host.path("p.wasm")).unwrap();
    host.until_told("unloaded", 1).await;
    let settled = host.bus.publish_and_wait(Event::draft("hook.x").unwrap(), Duration::from_secs(10)).await.unwrap();
    assert!(settled.results.is_empty());
}
