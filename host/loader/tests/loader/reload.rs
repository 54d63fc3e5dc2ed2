//! Loading, swapping, refusing.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plugbus_bus::{Event, Settlement};
use plugbus_loader::{PluginState, Reload, ReloadError};

use crate::guest::Guest;
use crate::host::Folder;

#[tokio::test]
async fn what_the_folder_holds_runs_when_start_returns() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    assert_eq!(host.letter().await, "A");
    let status = host.status("p");
    assert_eq!((status.state, status.busy), (PluginState::Running, false));
    let running = status.running.unwrap();
    assert_eq!((running.generation, running.filters[0].as_str()), (1, "hook.>"));
    assert_eq!(host.bus.subscriptions().iter().filter(|s| s.name.as_str() == "plugin/p").count(), 1);
    let loaded = host.until_told("loaded", 1).await;
    assert_eq!((&loaded["plugin"], &loaded["generation"]), (&"p".into(), &1.into()));
    assert_eq!(loaded["sha256"], running.sha256.to_string());
    assert_eq!(serde_json::to_value(host.status("p")).unwrap()["state"], "running");
}

#[tokio::test]
async fn a_new_file_loads_and_a_changed_one_takes_over() {
    let host = Folder::new().start().await;
    assert!(host.loader.plugins().is_empty());
    host.put_guest("p.wasm", &Guest::replies('A'));
    host.until_told("loaded", 1).await;
    assert_eq!(host.letter().await, "A");
    host.put_guest("p.wasm", &Guest::replies('B'));
    let reloaded = host.until_told("reloaded", 1).await;
    assert_eq!((&reloaded["generation"], &reloaded["from_generation"]), (&2.into(), &1.into()));
    assert_eq!(host.letter().await, "B");
    // In place, and slowly.
    let binary = Guest::replies('C').binary();
    let (first, second) = binary.split_at(binary.len() / 2);
    fs::write(host.path("p.wasm"), first).unwrap();
    host.scans(1).await;
    fs::write(host.path("p.wasm"), [first, second].concat()).unwrap();
    host.until_told("reloaded", 2).await;
    assert_eq!(host.letter().await, "C");
}

#[tokio::test]
async fn a_bad_build_keeps_the_old_one_and_is_refused_once() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    host.put("p.wasm", "this is no component");
    let rejected = host.until_told("rejected", 1).await;
    assert_eq!(
        (&rejected["plugin"], &rejected["kind"], &rejected["generation"]),
        (&"p".into(), &"compile".into(), &1.into())
    );
    let cause = rejected["cause"].as_str().unwrap();
    assert!(cause.contains("p.wasm") && cause.contains("not WebAssembly"), "{cause}");
    assert_eq!(host.letter().await, "A");
    let status = host.status("p");
    assert_eq!(status.state, PluginState::Running);
    assert!(status.last_rejection.unwrap().cause.contains("not WebAssembly"));
    // Touched or not, the same content is not tried again.
    host.put("p.wasm", "this is no component");
    host.until("judged again", || host.loader.stats().unchanged == 1).await;
    host.scans(3).await;
    assert_eq!(host.told("rejected").len(), 1);
    // What runs comes back: nothing to load, and nothing wrong any more.
    host.put_guest("p.wasm", &Guest::replies('A'));
    host.until("forgiven", || host.status("p").last_rejection.is_none()).await;
    assert_eq!(host.generation("p"), Some(1));
    host.put_guest("p.wasm", &Guest::replies('B'));
    host.until_told("reloaded", 1).await;
    assert_eq!(host.letter().await, "B");
}

#[tokio::test]
async fn whatever_fails_the_old_generation_goes_on_and_the_cause_is_told() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).with_text("p.toml", "").start().await;
    let whole = Guest::replies('B').binary();
    let truncated = whole[..whole.len() / 2].to_vec();
    let missing_folder = "[[grants.dirs]]\nhost = \"none\"\nguest = \"/g\"\n";
    let table = [
        ("text", b"echo hello".to_vec(), "", "compile", "not WebAssembly"),
        ("empty", Vec::new(), "", "compile", "empty"),
        ("core module", b"\0asm\x01\0\0\0".to_vec(), "", "compile", "wasm32-wasip2"),
        ("half a copy", truncated, "", "compile", "p.wasm"),
        ("its own refusal", Guest::refuses_its_config().binary(), "", "init", "init: {}"),
        ("a trap in init", Guest::traps_in_init().binary(), "", "trap", "unreachable"),
        (
            "init without end",
            Guest::spins_in_init().binary(),
            "[limits]\nfuel_init = 1000000\n",
            "fuel",
            "1000000 fuel",
        ),
        ("no filters", Guest::registers_nothing('B').binary(), "", "init", "registers no filters"),
        ("a wrong manifest", whole.clone(), "instanses = 2\n", "manifest", "p.toml:1:1"),
        ("a missing folder", whole.clone(), missing_folder, "link", "plugins/none"),
    ];
    for (number, (what, wasm, manifest, kind, cause)) in table.into_iter().enumerate() {
        // The manifest first: together with the component that runs it changes nothing, or is refused itself.
        host.put("p.toml", manifest);
        host.put("p.wasm", wasm);
        let reload = host.loader.reload("p").await;
        assert!(matches!(reload, Ok(Reload::KeptOld { .. })), "{what}: {reload:?}");
        let status = host.status("p");
        let rejection = status.last_rejection.expect(what);
        assert_eq!((rejection.kind, status.state), (kind, PluginState::Running), "{what}: {rejection:?}");
        assert!(rejection.cause.contains(cause), "{what}: {}", rejection.cause);
        let told = host.told("rejected");
        let told = told.iter().rfind(|told| told["kind"] == kind).unwrap_or_else(|| panic!("{what} is not told"));
        assert_eq!((&told["plugin"], &told["cause"]), (&"p".into(), &rejection.cause.clone().into()), "{what}");
        assert_eq!(told["generation"], host.generation("p").unwrap(), "{what} names what goes on");
        assert_eq!(host.letter().await, "A", "{what}");
        // Mended, it loads again: the next case has an old generation to keep, too.
        host.put("p.toml", format!("# {number}\n"));
        host.put_guest("p.wasm", &Guest::replies('A'));
        let mended = host.loader.reload("p").await;
        assert!(matches!(mended, Ok(Reload::Swapped { .. })), "{what}: {mended:?}");
        assert_eq!(host.status("p").last_rejection, None, "{what}");
    }
}

#[tokio::test]
async fn what_never_ran_is_refused_with_the_step_that_failed() {
    let host = Folder::new()
        .with_text("core.wasm", "\0asm\x01\0\0\0")
        .with_text("empty.wasm", "")
        .with("init.wasm", &Guest::refuses_its_config())
        .with_text("init.toml", "[config]\nurl = \"x\"")
        .with("nothing.wasm", &Guest::registers_nothing('A'))
        .with("trap.wasm", &Guest::traps_in_init())
        .with("typo.wasm", &Guest::replies('A'))
        .with_text("typo.toml", "fresh = true\ninstanses = 2\n")
        .start()
        .await;
    let table = [
        ("core", "compile", "wasm32-wasip2"),
        ("empty", "compile", "empty"),
        ("init", "init", "init: {\"url\":\"x\"}"),
        ("nothing", "init", "registers no filters"),
        ("trap", "trap", "unreachable"),
        ("typo", "manifest", "typo.toml:2:1: unknown key `instanses`; did you mean `instances`?"),
    ];
    for (name, kind, cause) in table {
        let status = host.status(name);
        assert_eq!(status.state, PluginState::Rejected, "{name}");
        let rejection = status.last_rejection.unwrap();
        assert_eq!(rejection.kind, kind, "{rejection:?}");
        assert!(rejection.cause.contains(cause), "{rejection:?}");
    }
    assert!(!host.status("trap").last_rejection.unwrap().backtrace.is_empty());
    assert_eq!(host.told("rejected").len(), table.len());
    // Each is mended by its own means.
    host.put("nothing.toml", "filters = [\"hook.x\"]");
    let loaded = host.until_told("loaded", 1).await;
    assert_eq!((&loaded["plugin"], &loaded["filters"][0]), (&"nothing".into(), &"hook.x".into()));
    assert_eq!(host.letter().await, "A");
}

#[tokio::test]
async fn a_manifest_edit_reloads_and_a_wrong_one_does_not() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    host.put("p.toml", "filters = [\"other.>\"]\ninstances = 3\n[queue]\nevents_max = 7\n");
    host.until_told("reloaded", 1).await;
    let running = host.status("p").running.unwrap();
    assert_eq!((running.filters[0].as_str(), running.instances), ("other.>", 3));
    assert!(matches!(host.ask("other.x").await, Settlement::Acked(_)));
    assert_eq!(host.bus.matching(&plugbus_bus::Topic::parse("hook.x").unwrap()), []);
    host.put("p.toml", "[limits]\nmemory_bytes = 12\n");
    let rejected = host.until_told("rejected", 1).await;
    assert!(rejected["cause"].as_str().unwrap().contains("p.toml:2:16: `limits.memory_bytes` is 12"), "{rejected}");
    assert_eq!(host.generation("p"), Some(2));
    fs::remove_file(host.path("p.toml")).unwrap();
    host.until_told("reloaded", 2).await;
    assert_eq!(host.letter().await, "A");
}

#[tokio::test]
async fn the_settings_in_force_are_shown_as_the_manifest_names_them() {
    let manifest = "ordering_key = \"extension:session\"\nsource = \"hook/*\"\ninstances = 2\n\
                    [queue]\nevents_max = 7\nwhen_full = \"drop_oldest\"\n[retry]\nattempts = 2\n[supervision]\nbudget = 9\n";
    let host = Folder::new()
        .with("plain.wasm", &Guest::replies('A'))
        .with("set.wasm", &Guest::replies('A'))
        .with_text("set.toml", manifest)
        .start()
        .await;
    let status = |name: &str| serde_json::to_value(host.status(name)).unwrap();
    let plain = serde_json::json!({
        "ordering_key": null,
        "source": null,
        "queue": { "events_max": 1024, "bytes_max": 64 << 20, "when_full": "wait", "wait_max_ms": 1000, "dead_letter_drops": false },
        "retry": { "attempts": 5, "backoff_min_ms": 100, "backoff_max_ms": 30_000, "retry_after_max_ms": 300_000 },
        "supervision": { "budget": 5, "window_ms": 60_000, "suspend_min_ms": 1000, "suspend_max_ms": 300_000 },
    });
    for (key, value) in plain.as_object().unwrap() {
        assert_eq!(status("plain")[key], *value, "{key}");
    }
    let set = status("set");
    assert_eq!((&set["ordering_key"], &set["source"]), (&"extension:session".into(), &"hook/*".into()));
    assert_eq!((&set["queue"]["events_max"], &set["queue"]["when_full"]), (&7.into(), &"drop_oldest".into()));
    assert_eq!(set["queue"]["wait_max_ms"], serde_json::Value::Null);
    assert_eq!((&set["retry"]["attempts"], &set["supervision"]["budget"]), (&2.into(), &9.into()));
}

#[tokio::test]
async fn touching_a_file_reloads_nothing() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    host.put_guest("p.wasm", &Guest::replies('A'));
    host.until("seen as unchanged", || host.loader.stats().unchanged == 1).await;
    host.scans(2).await;
    assert_eq!((host.generation("p"), host.loader.stats().unchanged), (Some(1), 1));
}

#[tokio::test]
async fn a_swap_of_links_takes_over() {
    let folder = Folder::new();
    for (version, letter) in [("..v1", 'A'), ("..v2", 'B')] {
        fs::create_dir(folder.path(version)).unwrap();
        fs::write(folder.path(version).join("p.wasm"), Guest::replies(letter).binary()).unwrap();
    }
    symlink("..v1", folder.path("..data")).unwrap();
    symlink("..data/p.wasm", folder.path("p.wasm")).unwrap();
    let host = folder.start().await;
    assert_eq!(host.letter().await, "A");
    symlink("..v2", host.path("..data_tmp")).unwrap();
    fs::rename(host.path("..data_tmp"), host.path("..data")).unwrap();
    host.until_told("reloaded", 1).await;
    assert_eq!(host.letter().await, "B");
    // A rewritten target gives no notification at all: the rescan sees it.
    fs::write(host.path("..v2/p.wasm"), Guest::replies('C').binary()).unwrap();
    host.until_told("reloaded", 2).await;
    assert_eq!(host.letter().await, "C");
}

#[tokio::test]
async fn an_explicit_reload_makes_a_new_generation_of_the_same_content() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).with_text("bad.wasm", "x").start().await;
    assert_eq!(host.loader.reload("p").await, Ok(Reload::Swapped { from: 1, to: 2 }));
    let Ok(Reload::Rejected { cause }) = host.loader.reload("bad").await else { panic!("bad.wasm was taken") };
    assert!(cause.contains("not WebAssembly"), "{cause}");
    assert!(matches!(host.loader.reload("none").await, Err(ReloadError::NotFound { .. })));
    host.put("p.wasm", "x");
    host.until_told("rejected", 2).await;
    assert!(matches!(host.loader.reload("p").await, Ok(Reload::KeptOld { generation: 2, .. })));
    assert_eq!(host.letter().await, "A");
}

#[tokio::test]
async fn many_swaps_under_load_lose_no_event() {
    let folder = Folder::new().with("p.wasm", &Guest::works('A', 20_000));
    let host = folder.start_with(|config| config.unload_grace = Duration::from_secs(60)).await;
    let done = Arc::new(AtomicBool::new(false));
    let (bus, stop) = (host.bus.clone(), done.clone());
    let publisher = tokio::spawn(async move {
        let mut published = 0u64;
        while !stop.load(Ordering::Relaxed) {
            let receipt = bus.publish(Event::draft("hook.x").unwrap()).await.unwrap();
            assert_eq!(receipt.matched, 1, "there is a subscription at every moment");
            published += 1;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        published
    });
    for (swap, letter) in ('B'..='K').enumerate() {
        if swap % 3 == 2 {
            fs::remove_file(host.path("p.wasm")).unwrap();
        }
        host.put_guest("p.wasm", &Guest::works(letter, 20_000));
        host.until_told("reloaded", swap + 1).await;
    }
    done.store(true, Ordering::Relaxed);
    let published = publisher.await.unwrap();
    let counters = || host.status("p").running.unwrap().counters;
    host.until("everything acked", || counters().acked == published).await;
    let counters = counters();
    assert_eq!((counters.matched, counters.attempts), (published, published), "each once");
    assert_eq!((counters.dead, counters.dropped, counters.faults), (0, 0, 0));
    assert!(host.told("unloaded").is_empty() && host.told("rejected").is_empty());
    assert_eq!(host.generation("p"), Some(11));
}

#[tokio::test]
async fn a_plugin_that_spins_in_init_holds_up_no_other() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    host.put("spin.toml", "[limits]\nfuel_init = 1000000000000\ndeadline_init_ms = 600000\n");
    host.put_guest("spin.wasm", &Guest::spins_in_init());
    host.until("spin is being loaded", || host.loader.plugin("spin").is_some_and(|plugin| plugin.busy)).await;
    host.put_guest("p.wasm", &Guest::replies('B'));
    host.until_told("reloaded", 1).await;
    assert_eq!(host.letter().await, "B");
    assert_eq!((host.status("spin").state, host.status("spin").busy), (PluginState::Starting, true));
    // The loader stops all the same.
    assert_eq!(host.loader.stop().await, 0);
}

#[tokio::test]
async fn a_handler_that_hangs_is_cut_off_after_the_grace_and_its_event_goes_to_the_new_generation() {
    let folder = Folder::new()
        .with("p.wasm", &Guest::spins_in_handle())
        .with_text("p.toml", "[limits]\nfuel_per_event = 1000000000000\ndeadline_ms = 600000\n");
    let host = folder.start_with(|config| config.drain_grace = Duration::from_millis(50)).await;
    let (first, second) = (host.ask("hook.first"), host.ask("hook.second"));
    let swap = async {
        let counters = || host.status("p").running.unwrap().counters;
        host.until("one in flight", || counters().in_flight == 1 && counters().waiting == 1).await;
        host.put_guest("p.wasm", &Guest::replies('B'));
        host.until_told("reloaded", 1).await;
    };
    let (first, second, ()) = tokio::join!(first, second, swap);
    for settled in [first, second] {
        assert!(matches!(settled, Settlement::Acked(_)), "{settled:?}");
    }
    let counters = host.status("p").running.unwrap().counters;
    assert_eq!(
        (counters.acked, counters.attempts, counters.dead),
        (2, 2, 0),
        "an attempt that was cut off does not count"
    );
    host.until("the job has ended", || !host.status("p").busy).await;
}

#[tokio::test]
async fn stop_lets_the_plugins_finish() {
    let host = Folder::new().with("p.wasm", &Guest::works('A', 100_000)).start().await;
    let counters = host.bus.clone();
    for _ in 0..50 {
        host.bus.publish(Event::draft("hook.x").unwrap()).await.unwrap();
    }
    assert_eq!(host.loader.stop().await, 0);
    assert_eq!(counters.stats().dead_letters.total, 0);
    assert!(host.loader.plugins().is_empty() && host.bus.stats().subscriptions == 1);
    assert_eq!(host.loader.stop().await, 0);
    assert!(host.loader.rescan().await.is_err());
    assert_eq!(host.loader.reload("p").await, Err(ReloadError::Stopped));
}
