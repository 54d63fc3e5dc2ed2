//! What is loaded and what is refused, and with which words.

use super::guest::{CONFIG, HTTP, KEY_VALUE, Wasi};
use super::*;
use crate::{CompileError, Contract, DirGrant, DirMode, LinkError, StartError};

async fn refused(bytes: impl Into<Bytes>) -> CompileError {
    sandbox().compile(bytes.into()).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn what_is_not_a_component_is_refused() {
    assert_eq!(refused("").await, CompileError::Empty);
    assert_eq!(refused(wat::parse_str("(module)").unwrap()).await, CompileError::CoreModule);
    assert!(matches!(refused("(component)").await, CompileError::NotWasm { .. }));
    assert!(matches!(refused(vec![0; 1 << 20]).await, CompileError::NotWasm { .. }));
    assert!(matches!(refused(vec![0; 200 << 20]).await, CompileError::TooLarge { bytes, .. } if bytes == 200 << 20));
    let mut damaged = Guest::default().binary().to_vec();
    damaged.truncate(damaged.len() / 2);
    assert!(matches!(refused(damaged).await, CompileError::Invalid(_)));
}

#[tokio::test]
async fn precompiled_code_is_never_loaded() {
    let sandbox = sandbox();
    let code = sandbox.engine().precompile_component(&Guest::default().binary()).unwrap();
    let error = sandbox.compile(code.into()).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("never loads machine code"), "{error}");
}

#[tokio::test]
async fn a_foreign_world_is_named() {
    let nothing = refused(wat::parse_str("(component)").unwrap()).await.to_string();
    assert!(nothing.contains("exports nothing") && nothing.contains(crate::SUBSCRIBER), "{nothing}");
    let newer = Guest { export: "plugbus:plugin/subscriber@0.2.0".into(), ..Guest::default() };
    let newer = refused(newer.binary()).await.to_string();
    assert!(newer.contains("`plugbus:plugin/subscriber@0.2.0`") && newer.contains("speaks 0.1"), "{newer}");
    let blobstore = Wasi {
        component: r#"(import "wasi:blobstore/blobstore@0.2.0-draft" (instance))
            (core module $nothing (func (export "f"))) (core instance $n (instantiate $nothing))
            (alias core export $n "f" (core func $kv))"#,
        name: "kv",
        ty: "",
    };
    let unknown = refused(Guest::default().wasi(&[blobstore]).binary()).await.to_string();
    assert!(unknown.contains("`wasi:blobstore/blobstore@0.2.0-draft`"), "{unknown}");
}

#[tokio::test]
async fn a_patch_release_of_the_contract_is_taken() {
    let guest = Guest { export: "plugbus:plugin/subscriber@0.1.4".into(), ..Guest::default() };
    assert!(handle(&mut start(&guest, spec()).await).await.is_ok());
}

#[tokio::test]
async fn other_types_under_the_right_names_are_refused_at_load() {
    let guest =
        Guest { failure: r#"(case "retry" $hint) (case "reject" string) (case "later" u64)"#, ..Guest::default() };
    let error = sandbox().compile(guest.binary()).await.unwrap().link(spec()).map(drop).unwrap_err();
    assert!(
        matches!(&error, LinkError::Contract { problem, contract: Contract::Plugin } if problem.contains("handle")),
        "{error}"
    );
}

/// A component that exports the handler of messages with these types, after these declarations.
async fn messaging(declarations: &str) -> LinkError {
    let component = format!(
        r#"(component {declarations}
            (core module $m (func (export "handle")))
            (core instance $i (instantiate $m))
            (func $handle (canon lift (core func $i "handle")))
            (instance $own (export "handle" (func $handle)))
            (export "{}" (instance $own)))"#,
        crate::INCOMING_HANDLER
    );
    let component = sandbox().compile(wat::parse_str(component).unwrap().into()).await.unwrap();
    component.link(spec()).map(drop).unwrap_err()
}

#[tokio::test]
async fn other_types_in_the_interfaces_of_messages_are_refused_at_load_by_their_names() {
    let error = messaging("").await;
    assert!(matches!(&error, LinkError::Contract { contract: Contract::Messaging, .. }), "{error:?}");
    let error = error.to_string();
    assert!(
        error.contains("wasi:messaging/messaging-request-reply@") && error.contains("function `handle`"),
        "{error}"
    );
    // Another draft under the same version: a setter that may fail.
    let error = messaging(
        r#"(import "wasi:messaging/types@0.2.0-draft" (instance
            (export "message" (type $message (sub resource)))
            (export "[method]message.set-content-type"
                (func (param "self" (borrow $message)) (param "content-type" string) (result (result))))))"#,
    );
    let error = error.await.to_string();
    assert!(error.contains("`wasi:messaging/types@0.2.0-draft`") && error.contains("set-content-type"), "{error}");
}

#[tokio::test]
async fn missing_grants_are_named_at_load_and_granted_ones_link() {
    let sandbox = sandbox();
    let component = sandbox.compile(Guest::default().wasi(&[CONFIG, HTTP, KEY_VALUE]).binary()).await.unwrap();
    assert!(component.info().imports.contains(&"wasi:config/store@0.2.0-rc.1".to_owned()));
    let LinkError::MissingGrants(missing) = component.link(spec()).map(drop).unwrap_err() else { panic!() };
    let names: Vec<_> = missing.iter().map(|missing| missing.import.as_str()).collect();
    let expected =
        ["wasi:config/store@0.2.0-rc.1", "wasi:http/outgoing-handler@0.2.3", "wasi:keyvalue/store@0.2.0-draft"];
    assert_eq!(names, expected);
    let mut granted = spec();
    granted.grants.config = true;
    granted.grants.kv = true;
    granted.grants.http = vec!["https://example.com".parse().unwrap()];
    component.link(granted).unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_named_at_load() {
    let mut spec = spec();
    let host = tempfile::tempdir().unwrap().path().join("gone");
    spec.grants.dirs = vec![DirGrant { host: host.clone(), guest: "/data".into(), mode: DirMode::ReadOnly }];
    let error = sandbox().compile(Guest::default().binary()).await.unwrap().link(spec).map(drop).unwrap_err();
    assert!(matches!(&error, LinkError::Dir { host: named, .. } if *named == host), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_folder_that_goes_away_later_is_a_fault_of_the_start() {
    let mut spec = spec();
    let folder = tempfile::tempdir().unwrap();
    spec.grants.dirs = vec![DirGrant { host: folder.path().into(), guest: "/data".into(), mode: DirMode::ReadWrite }];
    let template = template(&Guest::default(), spec).await;
    template.start().await.unwrap();
    drop(folder);
    let Err(StartError::Fault(fault)) = template.start().await.map(drop) else { panic!() };
    assert!(fault.message.contains("granted folder"), "{fault:?}");
}

/// Every file in a folder and the folders in it.
fn files(from: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut folders = vec![from.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// A sandbox on a cache compiles a component, which then handles an event.
async fn run_cached(folder: &std::path::Path) {
    let cache_dir = Some(folder.join("cache"));
    let sandbox = Sandbox::new(SandboxConfig { cache_dir, pooling: Pooling::Off, ..SandboxConfig::default() }).unwrap();
    let component = sandbox.compile(Guest::default().binary()).await.unwrap();
    let mut handler = component.link(spec()).unwrap().start().await.unwrap();
    assert!(handle(&mut handler).await.is_ok());
}

/// The one entry of a cache.
fn entry(folder: &std::path::Path) -> std::path::PathBuf {
    let of_code = files(&folder.join("cache/code"));
    of_code.into_iter().find(|path| path.extension().is_none()).unwrap()
}

/// Puts damage in the place of the entry, and sees that the next sandbox makes it anew.
async fn damage(folder: &std::path::Path, damaged: &[u8]) {
    let entry = entry(folder);
    std::fs::write(&entry, damaged).unwrap();
    run_cached(folder).await;
    assert_ne!(std::fs::read(&entry).unwrap(), damaged);
}

#[tokio::test]
async fn compiled_code_is_taken_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    run_cached(folder.path()).await;
    let written = || std::fs::metadata(entry(folder.path())).unwrap().modified().unwrap();
    let before = written();
    run_cached(folder.path()).await;
    assert_eq!(written(), before);
}

#[tokio::test]
async fn a_damaged_entry_of_the_cache_is_not_run_but_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    run_cached(folder.path()).await;
    let good = std::fs::read(entry(folder.path())).unwrap();
    damage(folder.path(), b"damaged").await;
    damage(folder.path(), b"").await;
    damage(folder.path(), &good[..good.len() / 2]).await;
    damage(folder.path(), &[&good[..good.len() / 2], &vec![0; good.len() / 2]].concat()).await;
    // One bit in machine code is enough to end the host, if the code is run.
    for part in 1..20 {
        let mut flipped = good.clone();
        flipped[good.len() * part / 20] ^= 1 << (part % 8);
        damage(folder.path(), &flipped).await;
    }
}

#[tokio::test]
async fn a_lost_or_damaged_digest_costs_one_compilation() {
    let folder = tempfile::tempdir().unwrap();
    run_cached(folder.path()).await;
    let digests = || files(&folder.path().join("cache/digests"));
    let good = std::fs::read(&digests()[0]).unwrap();
    for damage in [None, Some("x")] {
        match damage {
            None => std::fs::remove_file(&digests()[0]).unwrap(),
            Some(text) => std::fs::write(&digests()[0], text).unwrap(),
        }
        run_cached(folder.path()).await;
        assert_eq!(std::fs::read(&digests()[0]).unwrap(), good);
    }
}

#[tokio::test]
async fn what_a_killed_host_left_half_written_keeps_nothing_out_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    run_cached(folder.path()).await;
    let entry = entry(folder.path());
    let half = entry.with_extension("wip-atomic-write-mod");
    std::fs::rename(&entry, &half).unwrap();
    run_cached(folder.path()).await;
    assert!(entry.exists() && !half.exists());
}

#[tokio::test]
async fn a_cache_folder_that_cannot_be_made_is_an_error_with_its_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = SandboxConfig { cache_dir: Some(file.path().join("cache")), ..SandboxConfig::default() };
    let error = Sandbox::new(config).map(drop).unwrap_err();
    assert!(matches!(error, crate::SandboxError::Cache { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_cache_folder_that_others_may_write_into_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let open = |mode: u32| {
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(mode)).unwrap();
        let config =
            SandboxConfig { cache_dir: Some(cache.clone()), pooling: Pooling::Off, ..SandboxConfig::default() };
        Sandbox::new(config).map(drop)
    };
    open(0o700).unwrap();
    open(0o755).unwrap();
    for mode in [0o777, 0o770, 0o1777] {
        let error = open(mode).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("others may write"), "{mode:o}: {cause}");
    }
    // Only root can give a folder away.
    if chown(&cache, Some(65534), None).is_ok() {
        let error = open(0o700).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("somebody else"), "{cause}");
    }
    let left: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("probe")), "{left:?}");
}

#[tokio::test]
async fn instances_from_a_pool_work_and_its_end_is_an_error() {
    let sandbox = Sandbox::new(SandboxConfig { instances_max: 2, ..SandboxConfig::default() }).unwrap();
    if !sandbox.is_pooling() {
        return; // No address space for a pool here: nothing to test.
    }
    let template = sandbox.compile(Guest::default().binary()).await.unwrap().link(spec()).unwrap();
    let (mut one, two) = (template.start().await.unwrap(), template.start().await.unwrap());
    assert!(handle(&mut one).await.is_ok());
    let Err(StartError::Fault(fault)) = template.start().await.map(drop) else { panic!() };
    assert!(fault.message.contains("instances_max"), "{fault:?}");
    drop(two);
    template.start().await.unwrap();
}

#[tokio::test]
async fn modules_with_several_tables_and_memories_fit_into_a_pool_too() {
    let sandbox = Sandbox::new(SandboxConfig { instances_max: 2, ..SandboxConfig::default() }).unwrap();
    let items = "(table $a 1 funcref) (table $b 1 externref) (table $c 1 funcref) (memory $more 1)";
    let code = "(drop (table.grow $b (ref.null extern) (i32.const 10)))
        (i32.store $more (i32.const 0) (i32.const 7)) (i32.const 64)";
    let component = sandbox.compile(Guest::handling(code).items(items).binary()).await.unwrap();
    let mut handler = component.link(spec()).unwrap().start().await.unwrap();
    assert!(handle(&mut handler).await.is_ok());
}

#[tokio::test]
async fn a_component_says_what_it_is() {
    let wasm = Guest::default().binary();
    let component = sandbox().compile(wasm.clone()).await.unwrap();
    let info = component.info();
    assert_eq!((info.size_bytes, info.sha256.len()), (wasm.len(), 64));
    assert_eq!(info.exports, [crate::SUBSCRIBER]);
    assert_eq!(info.imports, ["plugbus:plugin/publisher@0.1.0", "wasi:logging/logging@0.1.0-draft"]);
}

#[tokio::test]
async fn compiling_leaves_the_runtimes_thread_to_others_and_waits_its_turn() {
    let sandbox = sandbox();
    let functions: String =
        (0..3000).map(|n| format!("(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const {n})))")).collect();
    let wasm = Guest::default().items(functions).binary();
    // The runtime of this test has one thread: the count goes on only if compiling does not hold it.
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    let other = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    sandbox.compile(wasm).await.unwrap();
    other.abort();
    assert!(count.load(std::sync::atomic::Ordering::Relaxed) > 100);

    let turn = sandbox.compiles().acquire_owned().await.unwrap();
    let mut waiting = std::pin::pin!(sandbox.compile(Guest::default().binary()));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), waiting.as_mut()).await.is_err());
    drop(turn);
    waiting.await.unwrap();
}

#[tokio::test]
async fn damaged_components_are_errors_wherever_they_are_damaged() {
    let sandbox = sandbox();
    let wasm = Guest::default().wasi(&[CONFIG]).binary();
    let mut refused = 0;
    for place in (8..wasm.len()).step_by(wasm.len() / 150) {
        let mut damaged = wasm.to_vec();
        damaged[place] ^= 0xa5;
        refused += usize::from(match sandbox.compile(damaged.into()).await {
            Ok(component) => component.link(spec()).is_err(),
            Err(CompileError::Compiler(panic)) => panic!("at {place}: {panic}"),
            Err(_) => true,
        });
    }
    assert!(refused > 75, "{refused}");
}

#[tokio::test]
async fn engine_settings_out_of_range_are_refused() {
    let default = || SandboxConfig { pooling: Pooling::Off, ..SandboxConfig::default() };
    for config in [
        SandboxConfig { tick: std::time::Duration::ZERO, ..default() },
        SandboxConfig { tick: std::time::Duration::MAX, ..default() },
        SandboxConfig { compiles_max: 0, ..default() },
        SandboxConfig { instances_max: 0, ..default() },
    ] {
        let error = Sandbox::new(config.clone()).map(drop).unwrap_err();
        assert!(matches!(error, crate::SandboxError::Engine(_)), "{config:?}: {error}");
    }
}

#[tokio::test]
async fn the_ticker_ends_with_the_engine() {
    let sandbox = sandbox();
    let weak = sandbox.engine().weak();
    let handler =
        sandbox.compile(Guest::default().binary()).await.unwrap().link(spec()).unwrap().start().await.unwrap();
    drop(sandbox);
    assert!(weak.upgrade().is_some());
    drop(handler);
    // The ticker itself holds the engine for a moment in each tick.
    let gone = async {
        while weak.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
}
