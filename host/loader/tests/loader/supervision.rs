//! Suspending, probing, pausing.

use plugbus_bus::{DeadReason, Event, Settlement};
use plugbus_loader::{PluginState, Reload};

use crate::guest::Guest;
use crate::host::{Folder, Host};

const ONE_ATTEMPT: &str =
    "[retry]\nattempts = 1\n[supervision]\nbudget = 3\nsuspend_min_ms = 20\nsuspend_max_ms = 50\n";
const LONG: &str =
    "[retry]\nattempts = 1\n[supervision]\nbudget = 3\nsuspend_min_ms = 86400000\nsuspend_max_ms = 86400000\n";

async fn start(manifest: &str) -> Host {
    Folder::new().with("p.wasm", &Guest::traps_on_bad('A')).with_text("p.toml", manifest).start().await
}

async fn fault(host: &Host, times: usize) {
    for _ in 0..times {
        let settled = host.ask("hook.bad").await;
        assert!(matches!(settled, Settlement::Dead(DeadReason::Exhausted { .. })), "{settled:?}");
    }
}

#[tokio::test]
async fn a_plugin_that_faults_on_event_after_event_is_suspended_probed_and_resumed() {
    let host = start(ONE_ATTEMPT).await;
    fault(&host, 3).await;
    let suspended = host.until_told("suspended", 1).await;
    assert_eq!(
        (&suspended["plugin"], &suspended["kind"], &suspended["suspend_ms"]),
        (&"p".into(), &"trap".into(), &20.into())
    );
    assert!(!suspended["fault"]["backtrace"].as_array().unwrap().is_empty());
    // The probe faults on a new event: suspended again, for longer. Then one is handled.
    fault(&host, 1).await;
    assert_eq!(host.until_told("suspended", 2).await["suspend_ms"], 40);
    assert_eq!(host.letter().await, "A");
    host.until_told("resumed", 1).await;
    host.until("running", || host.status("p").state == PluginState::Running).await;
    let status = host.status("p");
    assert_eq!((status.last_faults.len(), status.last_faults[0].kind), (4, "trap"));
    assert_eq!(status.running.unwrap().suspensions, 2);
}

#[tokio::test]
async fn one_poison_event_suspends_nothing() {
    let manifest = "[retry]\nattempts = 10\nbackoff_min_ms = 1\nbackoff_max_ms = 1\n[supervision]\nbudget = 3\n";
    let host = start(manifest).await;
    fault(&host, 2).await;
    assert_eq!(host.letter().await, "A");
    assert_eq!(host.status("p").running.unwrap().counters.faults, 20);
    assert!(host.told("suspended").is_empty());
    assert_eq!(host.status("p").last_faults.len(), 8);
}

#[tokio::test]
async fn events_wait_while_suspended_and_a_reload_or_an_operator_ends_it() {
    let host = start(LONG).await;
    fault(&host, 3).await;
    host.until_told("suspended", 1).await;
    assert!(matches!(host.status("p").state, PluginState::Suspended { .. }));
    for _ in 0..5 {
        host.bus.publish(Event::draft("hook.x").unwrap()).await.unwrap();
    }
    assert_eq!(host.status("p").running.unwrap().counters.waiting, 5);
    assert_eq!(host.loader.reload("p").await, Ok(Reload::Swapped { from: 1, to: 2 }));
    host.until("handled", || host.status("p").running.unwrap().counters.acked == 5).await;
    fault(&host, 3).await;
    host.until_told("suspended", 2).await;
    host.loader.resume("p").unwrap();
    host.until_told("resumed", 1).await;
    assert_eq!(host.letter().await, "A");
}

#[tokio::test]
async fn a_pause_outlasts_a_reload() {
    let host = start("").await;
    host.loader.pause("p").unwrap();
    assert_eq!(host.status("p").state, PluginState::Paused);
    host.put_guest("p.wasm", &Guest::replies('B'));
    host.until_told("reloaded", 1).await;
    assert_eq!((host.status("p").state, host.status("p").paused), (PluginState::Paused, true));
    host.bus.publish(Event::draft("hook.x").unwrap()).await.unwrap();
    assert_eq!(host.status("p").running.unwrap().counters.waiting, 1);
    host.loader.resume("p").unwrap();
    assert_eq!(host.letter().await, "B");
    assert!(host.loader.pause("none").is_err() && host.loader.resume("none").is_err());
}
