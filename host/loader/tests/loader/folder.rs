//! What comes and goes in the folder, and the folder itself.

use std::fs;
use std::process::Command;
use std::time::Duration;

use plugbus_bus::{Bus, DeadFilter, Event};
use plugbus_loader::{Loader, LoaderConfig, LoaderError, PluginState};
use plugbus_sandbox::{Sandbox, SandboxConfig};

use crate::guest::Guest;
use crate::host::Folder;

#[tokio::test]
async fn a_file_that_is_gone_for_good_is_unloaded_and_numbers_go_on_rising() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    fs::remove_file(host.path("p.wasm")).unwrap();
    let unloaded = host.until_told("unloaded", 1).await;
    assert_eq!(
        (&unloaded["plugin"], &unloaded["generation"], &unloaded["cut_off"]),
        (&"p".into(), &1.into(), &0.into())
    );
    assert!(host.loader.plugins().is_empty());
    assert_eq!(host.bus.stats().subscriptions, 1, "only the test's own");
    host.put_guest("p.wasm", &Guest::replies('A'));
    host.until_told("loaded", 2).await;
    assert_eq!(host.generation("p"), Some(2));
}

#[tokio::test]
async fn an_unloaded_plugin_finishes_what_is_queued_and_one_that_hangs_is_cut_off() {
    let patient = "[limits]\nfuel_per_event = 1000000000000\ndeadline_ms = 600000\n";
    let host = Folder::new()
        .with("works.wasm", &Guest::works('A', 100_000))
        .with_text("works.toml", "filters = [\"work\"]\n")
        .with("hangs.wasm", &Guest::spins_in_handle())
        .with_text("hangs.toml", &format!("filters = [\"hang\"]\n{patient}"))
        .start_with(|config| config.drain_grace = Duration::from_secs(2))
        .await;
    for topic in ["work", "hang"] {
        for _ in 0..30 {
            host.bus.publish(Event::draft(topic).unwrap()).await.unwrap();
        }
    }
    let counters = |name: &str| host.status(name).running.unwrap().counters;
    host.until("one is in flight", || counters("hangs").in_flight == 1).await;
    fs::remove_file(host.path("works.wasm")).unwrap();
    fs::remove_file(host.path("hangs.wasm")).unwrap();
    host.loader.rescan().await.unwrap();
    let unloaded = host.told("unloaded");
    let cut_off = |name: &str| unloaded.iter().find(|told| told["plugin"] == name).unwrap()["cut_off"].clone();
    assert_eq!((cut_off("works"), cut_off("hangs")), (0.into(), 1.into()));
    let dead = host.bus.dead_letters().list(&DeadFilter::default());
    let of = |name: &str| {
        dead.iter().filter(|letter| letter.subscription.as_ref().is_some_and(|s| s.as_str() == name)).count()
    };
    assert_eq!((of("plugin/works"), of("plugin/hangs")), (0, 30), "nothing is lost in silence");
    assert_eq!(host.bus.stats().subscriptions, 1, "only the test's own");
}

#[tokio::test]
async fn an_explicit_rescan_unloads_and_loads_at_once() {
    let host = Folder::new()
        .with("p.wasm", &Guest::replies('A'))
        .start_with(|config| {
            config.rescan = Duration::from_secs(3600);
            config.unload_grace = Duration::from_secs(3600);
        })
        .await;
    fs::remove_file(host.path("p.wasm")).unwrap();
    host.put_guest("q.wasm", &Guest::replies('B'));
    host.loader.rescan().await.unwrap();
    let names: Vec<_> = host.loader.plugins().into_iter().map(|plugin| plugin.name).collect();
    assert_eq!(names, ["q"]);
    assert_eq!(host.letter().await, "B");
}

#[tokio::test]
async fn an_explicit_rescan_tries_again_what_was_refused_for_a_cause_outside_its_files() {
    let host = Folder::new()
        .with("p.wasm", &Guest::replies('A'))
        .with_text("p.toml", "[[grants.dirs]]\nhost = \"data\"\nguest = \"/data\"\n")
        .with_text("bad.wasm", "no component")
        .start()
        .await;
    let rejection = host.status("p").last_rejection.unwrap();
    assert_eq!(rejection.kind, "link");
    assert!(rejection.cause.contains("plugins/data"), "{}", rejection.cause);
    host.loader.rescan().await.unwrap();
    assert_eq!(host.generation("p"), None);
    fs::create_dir(host.path("data")).unwrap();
    host.loader.rescan().await.unwrap();
    assert_eq!((host.generation("p"), host.status("p").last_rejection), (Some(1), None));
    assert_eq!(host.told("rejected").len(), 2, "each refusal is told once");
}

#[tokio::test]
async fn a_folder_that_vanishes_takes_nothing_with_it_and_is_found_again() {
    let host = Folder::new().with("p.wasm", &Guest::replies('A')).start().await;
    let aside = host.parent.path().join("aside");
    fs::rename(host.path(""), &aside).unwrap();
    host.until("scans fail", || host.loader.stats().scans_failed >= 3).await;
    let error = host.loader.rescan().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot read the plugins folder `"), "{error}");
    assert_eq!(host.letter().await, "A");
    fs::create_dir(host.path("")).unwrap();
    host.put_guest("p.wasm", &Guest::replies('B'));
    host.until_told("reloaded", 1).await;
    assert_eq!(host.letter().await, "B");
    host.until("watched anew", || host.loader.stats().watches == 2).await;
    assert!(host.told("unloaded").is_empty());
}

#[tokio::test]
async fn what_cannot_be_a_plugin_is_named_and_harms_no_other() {
    let folder = Folder::new().with("good.wasm", &Guest::replies('A')).with_text("Not_A_Name.wasm", "");
    fs::create_dir(folder.path("folder.wasm")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path("pipe.wasm")).status().unwrap().success());
    fs::File::create(folder.path("huge.wasm")).unwrap().set_len(1 << 40).unwrap();
    let host = folder.start().await;
    let table = [
        ("Not_A_Name", "is not a plugin name"),
        ("folder", "is a folder"),
        ("pipe", "is a pipe"),
        ("huge", "has 1099511627776 bytes; at most 67108864 are allowed"),
    ];
    for (name, cause) in table {
        let status = host.status(name);
        assert_eq!(status.state, PluginState::Rejected);
        let rejection = status.last_rejection.unwrap();
        assert_eq!(rejection.kind, "files");
        assert!(rejection.cause.contains(cause), "{}", rejection.cause);
    }
    assert_eq!(host.letter().await, "A");
    host.scans(3).await;
    assert_eq!(host.told("rejected").len(), table.len(), "each is told once");
    fs::remove_dir(host.path("folder.wasm")).unwrap();
    host.until("forgotten", || host.loader.plugin("folder").is_none()).await;
    // A pipe in the place of a running plugin: it goes on running.
    fs::remove_file(host.path("good.wasm")).unwrap();
    assert!(Command::new("mkfifo").arg(host.path("good.wasm")).status().unwrap().success());
    host.until_told("rejected", table.len() + 1).await;
    assert_eq!(host.letter().await, "A");
}

#[tokio::test]
async fn plugins_over_the_limit_wait_for_a_place() {
    let folder = Folder::new().with("a.wasm", &Guest::replies('A')).with("b.wasm", &Guest::replies('B'));
    let host = folder.start_with(|config| config.plugins_max = 1).await;
    assert_eq!(host.generation("a"), Some(1));
    assert!(host.status("b").last_rejection.unwrap().cause.contains("more than 1 plugins"));
    fs::remove_file(host.path("a.wasm")).unwrap();
    host.until_told("unloaded", 1).await;
    host.until("b has its place", || host.generation("b") == Some(1)).await;
    assert_eq!(host.letter().await, "B");
}

#[tokio::test]
async fn a_file_that_goes_on_changing_holds_up_no_other() {
    let folder = Folder::new().with("good.wasm", &Guest::replies('A'));
    let host = folder.start_with(|config| config.loads_max = std::num::NonZeroUsize::MIN).await;
    let path = host.path("restless.wasm");
    let writer = tokio::spawn(async move {
        for n in 0u32.. {
            fs::write(&path, n.to_string()).unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    host.until("restless is seen", || host.loader.plugin("restless").is_some()).await;
    host.put_guest("good.wasm", &Guest::replies('B'));
    host.until_told("reloaded", 1).await;
    assert_eq!(host.letter().await, "B");
    writer.abort();
    let _ = writer.await;
    host.put_guest("restless.wasm", &Guest::replies('C'));
    host.until("restless runs", || host.generation("restless").is_some()).await;
}

#[tokio::test]
async fn a_loader_without_a_folder_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let config = LoaderConfig::new(dir.path().join("none"));
    let Err(error) = Loader::start(Bus::default(), sandbox, config).await else { panic!("started") };
    assert!(matches!(&error, LoaderError::Scan(_)), "{error}");
}
