//! Embedding: the example, and what a host does to the program around it.

#[path = "../../examples/embed.rs"]
#[allow(dead_code, unreachable_pub)]
mod example;

use std::time::Duration;

use plugbus::bus::{Bus, Event};
use plugbus::{Host, HostError};

#[tokio::test]
async fn the_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    // It makes what is not there, and takes what is.
    example::run(&plugins, &folder.path().join("data")).await.unwrap();
    let manifest = include_str!("../../../../plugins/count-topics/count-topics.toml");
    std::fs::write(plugins.join("count-topics.toml"), manifest).unwrap();
    std::fs::copy(plugbus_fixtures::built::plugin("count-topics"), plugins.join("count-topics.wasm")).unwrap();
    example::run(&plugins, &folder.path().join("data")).await.unwrap();
}

#[tokio::test]
async fn hosts_live_side_by_side_in_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let base = folder.path().join(name);
        Host::builder().plugins_dir(base.join("p")).data_dir(base.join("d")).start()
    };
    let (one, two) = (start("1").await.unwrap(), start("2").await.unwrap());
    assert_ne!(one.socket(), two.socket());
    let seen = one.bus().subscribe("a").stream().unwrap();
    two.bus().publish(Event::draft("a").unwrap()).await.unwrap();
    assert_eq!(one.bus().stats().accepted, 0);
    drop(seen);
    one.shutdown(Duration::from_secs(1)).await;
    assert!(two.bus().is_open());
    two.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_bus_of_the_embedder_is_used_and_sees_the_first_events() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::default();
    let host = Host::builder().bus(bus.clone()).plugins_dir(folder.path().join("p")).data_dir(folder.path().join("d"));
    let host = host.no_socket().start().await.unwrap();
    assert_eq!(host.socket(), None);
    host.bus().publish(Event::draft("a").unwrap()).await.unwrap();
    assert_eq!(bus.stats().accepted, 1);
    host.shutdown(Duration::from_secs(1)).await;
    assert!(!bus.is_open());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let started = Host::builder().data_dir(file.join("data")).plugins_dir(folder.path().join("p")).start().await;
    let error = started.unwrap_err();
    assert!(matches!(error, HostError::Folder { key: "data_dir", .. }), "{error}");
    let started = Host::builder().data_dir(folder.path().join("d")).plugins_dir(&file).no_socket().start().await;
    let error = plugbus::report::chain(&started.unwrap_err());
    assert!(error.ends_with("file (`plugins_dir`): it is there, but it is no folder"), "{error}");
}

#[tokio::test]
async fn a_setting_out_of_its_range_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        plugbus::config::Config { data_dir: folder.path().join("d"), ..plugbus::config::Config::default() };
    config.clients.watch_events_max = 0;
    let error = Host::builder().config(config).start().await.unwrap_err();
    assert!(matches!(error, HostError::Config(_)), "{error}");
    assert!(!folder.path().join("d").exists());
}

#[tokio::test]
async fn a_start_that_fails_late_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || Host::builder().plugins_dir(folder.path().join("p")).data_dir(folder.path().join("d"));
    let failed = builder().sandbox(|config| config.tick = Duration::ZERO).start().await.unwrap_err();
    assert!(matches!(failed, HostError::Sandbox(_)), "{failed}");
    let failed = builder().loader(|config| config.rescan = Duration::ZERO).start().await.unwrap_err();
    assert!(matches!(failed, HostError::Loader { .. }), "{failed}");
    assert!(!folder.path().join("d/plugbus.sock").exists());
    let host = builder().start().await.unwrap();
    assert!(host.loader().is_some_and(|loader| loader.plugins().is_empty()));
    host.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn dropped_without_shutdown_a_host_leaves_no_socket_behind() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Host::builder().plugins_dir(folder.path().join("p")).data_dir(folder.path().join("d")).start();
    let host = start().await.unwrap();
    let socket = host.socket().unwrap().to_owned();
    drop(host);
    let again = crate::support::within("the lock is free again", || async { start().await.ok() });
    let again = again.await;
    assert_eq!(again.socket(), Some(&*socket));
    again.shutdown(Duration::from_secs(1)).await;
    assert!(!socket.exists());
}
