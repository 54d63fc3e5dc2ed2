//! What the grants show to a guest.

use plugbus_bus::{Failure, HandlerError, Reply};

use super::guest::{ACK, CONFIG, DIRS, ENVIRONMENT, NETWORK, OPEN, RESOLVE, TCP, Wasi, data};
use super::*;
use crate::{DirGrant, DirMode};

/// Rejects with the string whose pointer and length lie at an address.
fn reject_with(address: u32) -> String {
    format!(
        "(i32.store8 (i32.const 128) (i32.const 1)) (i32.store8 (i32.const 136) (i32.const 1))
         (i32.store (i32.const 144) (i32.load (i32.const {address})))
         (i32.store (i32.const 148) (i32.load (i32.const {}))) (i32.const 128)",
        address + 4
    )
}

#[tokio::test]
async fn the_config_store_has_the_manifests_table_with_dotted_keys() {
    // ok(some(text)): the text at 512 + 8.
    let guest =
        Guest::handling(format!("(call $get (i32.const 2048) (i32.const 8) (i32.const 512)) {}", reject_with(520)))
            .items(data(2048, "auth.key"))
            .wasi(&[CONFIG]);
    let mut spec = spec();
    spec.config_json = r#"{"auth": {"key": "secret"}}"#.into();
    spec.grants.config = true;
    let outcome = handle(&mut start(&guest, spec).await).await;
    assert_eq!(outcome, Err(HandlerError::Failure(Failure::Reject("secret".into()))));
}

#[tokio::test]
async fn only_granted_variables_are_in_the_environment() {
    let count = |expected: u32| {
        Guest::handling(format!(
            "(call $env (i32.const 512))
             (if (i32.ne (i32.load (i32.const 516)) (i32.const {expected})) (then (unreachable))) {ACK}"
        ))
        .wasi(&[ENVIRONMENT])
    };
    assert!(std::env::vars().next().is_some());
    assert_eq!(handle(&mut start(&count(0), spec()).await).await, Ok(Reply(None)));
    let mut granted = spec();
    granted.grants.env = [("TOKEN".into(), "x".into())].into();
    assert_eq!(handle(&mut start(&count(1), granted).await).await, Ok(Reply(None)));
}

/// Makes a file in the first granted folder; traps where that is refused.
fn file_maker(path: &str) -> Guest {
    Guest::handling(format!(
        "(call $dirs (i32.const 512))
         (if (i32.ne (i32.load (i32.const 516)) (i32.const 1)) (then (unreachable)))
         (call $open (i32.load (i32.load (i32.const 512))) (i32.const 0) (i32.const 2048) (i32.const {})
           (i32.const 1) (i32.const 2) (i32.const 600))
         (if (i32.load8_u (i32.const 600)) (then (unreachable))) {ACK}",
        path.len()
    ))
    .items(data(2048, path))
    .wasi(&[DIRS, OPEN])
}

#[tokio::test]
async fn a_granted_folder_is_all_a_guest_sees_and_only_as_granted() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("granted");
    std::fs::create_dir(&folder).unwrap();
    let make = async |path: &str, mode: DirMode| {
        let mut spec = spec();
        spec.grants.dirs = vec![DirGrant { host: folder.clone(), guest: "/data".into(), mode }];
        handle(&mut start(&file_maker(path), spec).await).await.is_ok()
    };
    assert!(!make("new", DirMode::ReadOnly).await);
    assert!(!folder.join("new").exists());
    assert!(!make("../new", DirMode::ReadWrite).await);
    assert!(!make("/new", DirMode::ReadWrite).await);
    assert!(!outside.path().join("new").exists());
    assert!(make("new", DirMode::ReadWrite).await);
    assert!(folder.join("new").exists());
    assert!(!make("new", DirMode::ReadOnly).await, "what is there already is not written either");
    // Nothing granted: no folder at all.
    assert!(handle(&mut start(&file_maker("new"), spec()).await).await.is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_are_closed_after_faults() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec();
    let (host, guest) = (folder.path().to_path_buf(), "/data".to_owned());
    spec.grants.dirs = vec![DirGrant { host, guest, mode: DirMode::ReadWrite }];
    let mut maker = file_maker("new");
    maker.handle = format!("(drop (block (result i32) {})) (unreachable)", maker.handle);
    let mut handler = start(&maker, spec).await;
    let open = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        let paths = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
        paths.filter(|path| path.starts_with(folder.path())).count()
    };
    for _ in 0..20 {
        assert_eq!(fault_kind(&mut handler).await, FaultKind::Trap);
    }
    assert!(folder.path().join("new").exists());
    assert_eq!(open(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn no_link_leads_out_of_a_granted_folder() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("granted");
    std::fs::create_dir(&folder).unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    for (name, target) in [("up", ".."), ("absolute", "/"), ("file", "../secret"), ("itself", "itself")] {
        std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&secret, folder.join("direct")).unwrap();
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::os::unix::fs::symlink("..", folder.join("sub/back")).unwrap();
    let make = async |path: &str| {
        let mut spec = spec();
        spec.grants.dirs = vec![DirGrant { host: folder.clone(), guest: "/data".into(), mode: DirMode::ReadWrite }];
        handle(&mut start(&file_maker(path), spec).await).await.is_ok()
    };
    for path in [
        "up/new",
        "absolute/tmp/new",
        "file",
        "direct",
        "itself",
        "sub/../../new",
        "sub/back/../new",
        "sub/back/up/new",
    ] {
        assert!(!make(path).await, "{path}");
    }
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    assert!(!outside.path().join("new").exists());
    // Links that stay inside are links like any other.
    assert!(make("sub/back/inside").await);
    assert!(folder.join("inside").exists());
}

/// Of `wasi:sockets/network`, `error-code`.
const ACCESS_DENIED: u32 = 1;
/// The same: `permanent-resolver-failure`.

#[tokio::test]
async fn sockets_are_linked_and_refused() {
    // This error is wanted; anything else traps.
    let refused = |call: &str, error: u32| {
        Guest::handling(format!(
            "{call}
             (if (i32.eqz (i32.load8_u (i32.const 512))) (then (unreachable)))
             (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const {error})) (then (unreachable))) {ACK}"
        ))
    };
    let tcp = refused("(call $tcp (i32.const 0) (i32.const 512))", ACCESS_DENIED).wasi(&[TCP]);
    let udp = Wasi { component: TCP.component.replace("tcp", "udp").leak(), name: "udp", ty: TCP.ty };
    let udp = refused("(call $udp (i32.const 0) (i32.const 512))", ACCESS_DENIED).wasi(&[udp]);
    let lookup = refused("(call $resolve (call $net) (i32.const 2048) (i32.const 9) (i32.const 512))", ACCESS_DENIED)
        .items(data(2048, "localhost"))
        .wasi(&[NETWORK, RESOLVE]);
    for (guest, name) in [(tcp, "tcp"), (udp, "udp"), (lookup, "lookup")] {
        assert_eq!(handle(&mut start(&guest, spec()).await).await, Ok(Reply(None)), "{name}");
    }
}
