//! Capturing files that change under our hands.

use std::os::unix::fs::symlink;

use super::*;

const SETTLE: Duration = Duration::from_millis(2);
const MAX: u64 = 1000;

fn name() -> PluginName {
    PluginName::parse("p").unwrap()
}
async fn files(dir: &Path) -> Files {
    match settled(dir, &name(), SETTLE).await.unwrap() {
        Settled::Files(files) => files,
        other => panic!("{other:?}"),
    }
}
async fn capture(dir: &Path) -> Option<Capture> {
    read(dir, &name(), files(dir).await, MAX).await.unwrap()
}

#[tokio::test]
async fn identity_follows_contents_not_stamps() {
    let dir = tempfile::tempdir().unwrap();
    let (wasm, toml) = (dir.path().join("p.wasm"), dir.path().join("p.toml"));
    fs::write(&wasm, "one").unwrap();
    let first = capture(dir.path()).await.unwrap();
    assert_eq!((&first.wasm[..], &first.manifest), (&b"one"[..], &None));
    fs::write(&wasm, "one").unwrap();
    let touched = capture(dir.path()).await.unwrap();
    assert_ne!(touched.files, first.files);
    assert_eq!(touched.identity, first.identity);
    fs::write(&toml, "").unwrap();
    let with_manifest = capture(dir.path()).await.unwrap();
    assert_ne!(with_manifest.identity, first.identity);
    assert_eq!(with_manifest.wasm_sha256, first.wasm_sha256);
    fs::write(&wasm, "two").unwrap();
    assert_ne!(capture(dir.path()).await.unwrap().identity, with_manifest.identity);
    assert_eq!(first.wasm_sha256.to_string(), "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
}

#[tokio::test]
async fn a_missing_component_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.toml"), "").unwrap();
    assert_eq!(settled(dir.path(), &name(), SETTLE).await.unwrap(), Settled::Gone);
}

#[tokio::test]
async fn what_changed_since_it_was_settled_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = dir.path().join("p.wasm");
    fs::write(&wasm, "one").unwrap();
    let settled_files = files(dir.path()).await;
    fs::write(dir.path().join("new"), "two").unwrap();
    fs::rename(dir.path().join("new"), &wasm).unwrap();
    assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None);
    let settled_files = files(dir.path()).await;
    fs::write(dir.path().join("p.toml"), "").unwrap();
    assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None, "a manifest has come");
    let settled_files = files(dir.path()).await;
    fs::remove_file(&wasm).unwrap();
    assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None, "the component has gone");
}

#[tokio::test]
async fn a_pipe_in_the_place_of_the_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = dir.path().join("p.wasm");
    fs::write(&wasm, "one").unwrap();
    let settled_files = files(dir.path()).await;
    fs::remove_file(&wasm).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&wasm).status().unwrap().success());
    assert_eq!(read(dir.path(), &name(), settled_files, MAX).await.unwrap(), None);
    let error = settled(dir.path(), &name(), SETTLE).await.unwrap_err();
    assert!(error.to_string().contains("is a pipe"), "{error}");
}

#[tokio::test]
async fn a_link_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("..data")).unwrap();
    fs::write(dir.path().join("..data/p.wasm"), "linked").unwrap();
    symlink("..data/p.wasm", dir.path().join("p.wasm")).unwrap();
    assert_eq!(&capture(dir.path()).await.unwrap().wasm[..], b"linked");
}

#[tokio::test]
async fn a_file_over_its_bound_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = fs::File::create(dir.path().join("p.wasm")).unwrap();
    wasm.set_len(1 << 40).unwrap();
    let settled_files = files(dir.path()).await;
    let error = read(dir.path(), &name(), settled_files, MAX).await.unwrap_err();
    assert!(error.to_string().contains("has 1099511627776 bytes; at most 1000 are allowed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_never_stops_changing_is_given_up_for_the_time() {
    let mut state = 0;
    let changing = same_twice(SETTLE, || {
        state += 1;
        std::future::ready(Ok::<_, CaptureError>(state))
    });
    assert!(matches!(changing.await, Ok(None)));
    assert_eq!(state, LOOKS_MAX);
    let mut states = [1, 2, 3, 3, 4].into_iter();
    let settling = same_twice(SETTLE, || std::future::ready(Ok::<_, CaptureError>(states.next())));
    assert!(matches!(settling.await, Ok(Some(Some(3)))));
}
