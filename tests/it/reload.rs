//! Reload under load: while numbered events stream through a plugin without a pause, its files change in every way that
//! people and tools change files. Each event is handled once, by one build, in order.

mod build;
mod stream;
mod swap;

use std::fs::File;
use std::time::SystemTime;

use plugbus_fixtures::files;

use self::build::build;
use self::stream::Stream;
use self::swap::{Swap, Swapper};
use crate::support::host::{Place, TestHost};

/// So few places that events wait in the queue at the moment of every swap. A file that is gone for a while is not gone.
const MANIFEST: &str = "publish = [\"generation.handled\"]\n[queue]\nevents_max = 64\n";

/// A host with the first build of the plugin `p`.
async fn host(manifest: &str) -> TestHost {
    let place = Place::new();
    place.put("p.toml", manifest);
    place.put("p.wasm", build(1));
    let host = place.start_with(|config| config.loader.unload_grace_ms = 600_000, None).await;
    host.until_running("p").await;
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_swaps_of_every_kind_lose_no_event_and_double_none() {
    let host = host(MANIFEST).await;
    let stream = Stream::begin(&host, 1);
    let mut swapper = Swapper::new(&host, 1);
    for kind in [Swap::Rename, Swap::WriteInPlace, Swap::DeleteAndCreate, Swap::Relink] {
        for _ in 0..13 {
            let number = swapper.swap(kind).await;
            stream.until_handled_by(&host, number).await;
        }
    }
    let builds = stream.end(&host).await;
    assert_eq!(builds, (1..=53).collect::<Vec<_>>(), "every build had its events");
    assert_eq!(host.generation("p"), Some(53));
    assert!(host.told.json("plugbus.plugin.unloaded").is_empty());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_each_key_holds_through_swaps_with_several_instances() {
    let host = host(&format!("instances = 3\nordering_key = \"subject\"\n{MANIFEST}")).await;
    let stream = Stream::begin(&host, 5);
    let mut swapper = Swapper::new(&host, 1);
    for _ in 0..20 {
        let number = swapper.swap(Swap::Rename).await;
        stream.until_handled_by(&host, number).await;
    }
    assert_eq!(stream.end(&host).await, (1..=21).collect::<Vec<_>>());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_builds_in_the_stream_keep_the_old_one_running_and_are_told() {
    let host = host(MANIFEST).await;
    let stream = Stream::begin(&host, 1);
    let mut swapper = Swapper::new(&host, 1);
    let whole = build(2);
    let bad: [(&[u8], &str); 4] = [
        (&files::text(), "not WebAssembly"),
        (&whole[..whole.len() / 2], "does not validate"),
        (&files::core_module(), "core WebAssembly module"),
        (b"", "empty"),
    ];
    for (round, (bytes, cause)) in bad.into_iter().enumerate() {
        let runs = host.generation("p").unwrap();
        host.put_bytes("p.wasm", bytes);
        let told = || host.told.json("plugbus.plugin.rejected");
        host.until("it is refused", || told().len() > round).await;
        let rejected = told().pop().unwrap();
        assert_eq!((&rejected["plugin"], &rejected["generation"]), (&"p".into(), &runs.into()));
        assert!(rejected["cause"].as_str().unwrap().contains(cause), "{rejected}");
        stream.until_more(&host, 200).await;
        assert_eq!(host.generation("p"), Some(runs), "the old one runs on");
        let number = swapper.swap(Swap::Rename).await;
        stream.until_handled_by(&host, number).await;
        assert!(host.status("p").unwrap().last_rejection.is_none());
    }
    assert_eq!(stream.end(&host).await, [1, 2, 3, 4, 5]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_manifest_reloads_in_the_stream_and_a_touched_file_does_not() {
    let host = host(MANIFEST).await;
    let stream = Stream::begin(&host, 1);
    for (edit, generation) in [("[limits]\nlog_bytes = 2048\n", 2), ("[limits]\nlog_bytes = 4096\n", 3)] {
        host.put_manifest("p", &format!("{MANIFEST}{edit}"));
        host.until("the manifest is in force", || host.generation("p") == Some(generation)).await;
        stream.until_more(&host, 200).await;
    }
    assert_eq!(host.status("p").unwrap().running.unwrap().limits.log_bytes, 4096);

    let unchanged = || host.loader().stats().unchanged;
    for file in ["p.wasm", "p.toml"] {
        let before = unchanged();
        File::options().append(true).open(host.path(file)).unwrap().set_modified(SystemTime::now()).unwrap();
        host.until("the touch is seen", || unchanged() > before).await;
        stream.until_more(&host, 200).await;
    }
    assert_eq!(host.generation("p"), Some(3));

    host.put_manifest("p", &format!("{MANIFEST}[limits]\nlog_byte = 1\n"));
    let rejected = host.until_rejected("p").await;
    assert!(rejected["cause"].as_str().unwrap().contains("did you mean `limits.log_bytes`"), "{rejected}");
    stream.until_more(&host, 200).await;
    assert_eq!(host.generation("p"), Some(3));
    assert_eq!(stream.end(&host).await, [1]);
    host.stop().await;
}
