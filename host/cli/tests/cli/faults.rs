//! A disk that fails under a real daemon: no room, writes that stop half-way, syncs that fail. Publishers are told, nothing
//! that was acknowledged is lost, nothing that was refused turns up, and once the disk is well the bus goes on by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guest::Guest;
use crate::support::{Daemon, Place, wait};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// The library that lets system calls fail, built once for all tests of this process.
fn shim() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_folder, path) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/faults/shim.c");
        // The compiler that SQLite was built with.
        let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        let built = cc.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&path).arg(source).arg("-ldl").output();
        let built = built.expect("a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        (folder, path)
    });
    path
}

/// A daemon whose disk fails as a file says.
fn daemon(place: &Place) -> Daemon<'_> {
    clear(place);
    let faults = place.path().join("faults");
    place.daemon_with(|command| command.env("LD_PRELOAD", shim()).env("PLUGBUS_TEST_FAULTS", faults))
}

/// Lets calls of a kind fail from now on.
fn fail(place: &Place, kind: &str, code: i32) {
    let beside = place.path().join("faults.new");
    std::fs::write(&beside, format!("{kind} {code}\n")).unwrap();
    std::fs::rename(beside, place.path().join("faults")).unwrap();
}

/// Lets all be well.
fn clear(place: &Place) {
    std::fs::write(place.path().join("faults"), "").unwrap();
}

/// Publishes an event: the number that it was given, or what its publisher is told.
fn emit(place: &Place, id: &str) -> Result<u64, String> {
    let ended = place.run(&["emit", "hook.x", "1", "--id", id, "--json"]);
    if ended.status.success() {
        return Ok(serde_json::from_str::<Value>(&ended.stdout).unwrap()["seq"].as_u64().unwrap());
    }
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    Err(ended.stderr)
}

/// Publishes events that must be accepted, with the numbers that follow.
fn accept(place: &Place, accepted: &mut Vec<String>, count: usize) {
    for n in accepted.len()..accepted.len() + count {
        let id = format!("accepted-{n}");
        assert_eq!(emit(place, &id), Ok(n as u64 + 1));
        accepted.push(id);
    }
}

/// The ids in the journal, in order.
fn journaled(place: &Place) -> Vec<String> {
    let last = place.json(&["stats"])["journal"]["last_seq"].as_u64().unwrap();
    let shown = place.ok(&["tail", ">", "--from", "1", "--json", "-n", &last.to_string()]);
    let events = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn counter(place: &Place, pointer: &str) -> u64 {
    let plugin = place.json(&["plugins", "inspect", "p"]);
    plugin.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {plugin}"))
}

/// The story of every fault: before, during, after, and after a kill.
fn survives(kind: &str, code: i32, told: &str) {
    let place = Place::new();
    place.plugin("p", &Guest::replies('a').binary(), "");
    let running = daemon(&place);
    wait("it runs", || place.run(&["plugins", "inspect", "p"]).stdout.contains("running").then_some(()));
    let mut accepted = Vec::new();
    place.ok(&["plugins", "pause", "p"]);
    accept(&place, &mut accepted, 3);

    fail(&place, kind, code);
    for n in 0..4 {
        let error = emit(&place, &format!("refused-{n}")).expect_err("the disk fails");
        assert!(error.starts_with("plugbus: the journal did not take the event: "), "{error}");
        assert!(error.contains(told), "{error}");
    }
    let trouble = place.json(&["stats"])["journal"]["trouble"].clone();
    assert!(trouble.as_str().is_some_and(|trouble| trouble.contains(told)), "{trouble}");
    // Handlers go on with what they have, and what is in the journal can be read.
    place.ok(&["plugins", "resume", "p"]);
    wait("all three are handled", || (counter(&place, "/counters/acked") == 3).then_some(()));
    assert_eq!(journaled(&place), accepted);

    clear(&place);
    let next = wait("the bus takes events again", || emit(&place, "accepted-3").ok());
    assert_eq!(next, 4, "none of those that were refused is there");
    accepted.push("accepted-3".into());
    accept(&place, &mut accepted, 3);
    assert_eq!(place.json(&["stats"])["journal"]["trouble"], json!(null));
    wait("all is settled", || (counter(&place, "/counters/durable/backlog") == 0).then_some(()));
    assert_eq!(counter(&place, "/counters/acked"), accepted.len() as u64, "once each");

    // Once more, and the end comes while it fails.
    fail(&place, kind, code);
    emit(&place, "refused-again").expect_err("the disk fails");
    running.kill();
    let running = place.daemon();
    let found = journaled(&place);
    assert_eq!(found[..accepted.len()], accepted);
    // Its publisher was told that it is not, and cannot know better: it may be there, and nothing else.
    assert!(["refused-again"].starts_with(&found[accepted.len()..].iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(emit(&place, "after"), Ok(found.len() as u64 + 1));
    running.stop();
    assert!(place.ok(&["journal", "verify"]).contains("sound"));
}

#[test]
fn a_disk_without_room() {
    survives("write", ENOSPC, "no room left on the disk of the journal");
}

#[test]
fn a_disk_that_takes_half_of_a_write() {
    survives("short", ENOSPC, "no room left on the disk of the journal");
}

#[test]
fn a_disk_that_takes_no_writes() {
    survives("write", EIO, "cannot ");
}

#[test]
fn a_disk_that_does_not_sync() {
    survives("sync", EIO, "cannot ");
}

#[test]
fn a_stop_while_the_disk_fails_says_that_what_was_handled_comes_again() {
    let place = Place::new();
    place.plugin("p", &Guest::replies('a').binary(), "");
    let running = daemon(&place);
    wait("it runs", || place.run(&["plugins", "inspect", "p"]).stdout.contains("running").then_some(()));
    place.ok(&["plugins", "pause", "p"]);
    let mut accepted = Vec::new();
    accept(&place, &mut accepted, 3);
    fail(&place, "write", ENOSPC);
    place.ok(&["plugins", "resume", "p"]);
    wait("all three are handled", || (counter(&place, "/counters/acked") == 3).then_some(()));
    running.signal("TERM");
    let (code, log) = running.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("everything was settled"), "{log}");
    assert!(log.contains("what was handled and could not be written down comes again unwritten=3"), "{log}");

    // No room for a start either: it says so, and changes nothing.
    let mut start = crate::support::plugbus(place.path());
    start.arg("run").env("LD_PRELOAD", shim()).env("PLUGBUS_TEST_FAULTS", place.path().join("faults"));
    let refused = start.output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("plugbus: cannot start: ") && told.contains("disk is full"), "{told}");

    let running = place.daemon();
    wait("they come again", || (counter(&place, "/counters/acked") == 3).then_some(()));
    assert_eq!(journaled(&place), accepted);
    running.stop();
}
