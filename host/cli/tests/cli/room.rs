//! No room in the journal: by its own bound, and by the system's bound on the size of a file. Publishers are told so, plugins go
//! on to settle, and when there is room again the bus goes on.

use std::process::Command;

use serde_json::Value;

use crate::guest::Guest;
use crate::support::{Ended, Place, in_folder, wait};

/// Data of one event.
const BYTES: usize = 60_000;

fn emit(place: &Place) -> Ended {
    place.run_with(&["emit", "hook.x", "-"], &"x".repeat(BYTES))
}

fn counter(place: &Place, plugin: &str, pointer: &str) -> u64 {
    let plugin = place.json(&["plugins", "inspect", plugin]);
    plugin.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {plugin}"))
}

fn runs(place: &Place, plugin: &str) {
    wait("it runs", || place.run(&["plugins", "inspect", plugin]).stdout.contains("running").then_some(()));
}

/// Publishes until there is no room; how many were accepted, and what the next publisher was told.
fn fill(place: &Place) -> (u64, String) {
    for accepted in 0..200 {
        let ended = emit(place);
        if ended.code() != Some(0) {
            return (accepted, ended.stderr);
        }
    }
    panic!("there is room for ever");
}

#[test]
fn a_journal_held_back_by_a_paused_plugin_is_full_until_that_goes_on() {
    let place = Place::new();
    for plugin in ["held", "quick"] {
        place.plugin(plugin, &Guest::replies('a').binary(), "");
    }
    // Wants nothing of all this, and must not hold it back either.
    place.plugin("idle", &Guest::replies('a').binary(), "filters = [\"other.>\"]\n");
    let daemon = place.daemon_with(|command| command.args(["--journal-bytes-max", "1048576"]));
    ["held", "quick", "idle"].iter().for_each(|plugin| runs(&place, plugin));
    place.ok(&["plugins", "pause", "held"]);
    let (accepted, told) = fill(&place);
    assert!((10..=20).contains(&accepted), "{accepted}");
    let expected = "plugbus: the journal did not take the event: the journal is full (";
    assert!(told.starts_with(expected) && told.contains("raise `journal.bytes_max`"), "{told}");
    wait("the other settles", || (counter(&place, "quick", "/counters/acked") == accepted).then_some(()));
    wait("all of it", || (counter(&place, "quick", "/counters/durable/backlog") == 0).then_some(()));
    let trouble = place.json(&["stats"])["journal"]["trouble"].clone();
    assert!(trouble.as_str().is_some_and(|trouble| trouble.contains("is full")), "{trouble}");

    place.ok(&["plugins", "resume", "held"]);
    wait("there is room again", || (emit(&place).code() == Some(0)).then_some(()));
    for _ in 0..3 * accepted {
        let ended = emit(&place);
        assert_eq!(ended.code(), Some(0), "what everybody has settled makes room: {ended:?}");
    }
    wait("all is settled", || (counter(&place, "held", "/counters/durable/backlog") == 0).then_some(()));
    assert_eq!(counter(&place, "held", "/counters/acked"), 4 * accepted + 1);
    daemon.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_the_size_of_files_is_an_error_of_the_publisher_until_it_is_raised() {
    let place = Place::new();
    place.plugin("p", &Guest::replies('a').binary(), "");
    // In blocks of 512 bytes.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -S -f 1000; exec \"$0\" run"]).arg(env!("CARGO_BIN_EXE_plugbus"));
    let daemon = place.spawned(in_folder(limited, place.path()));
    daemon.wait_log("ready");
    runs(&place, "p");
    let (accepted, told) = fill(&place);
    assert!((3..=20).contains(&accepted), "{accepted}");
    assert!(told.starts_with("plugbus: the journal did not take the event: "), "{told}");
    place.ok(&["ping"]);
    let raised = Command::new("prlimit").arg(format!("--pid={}", daemon.pid())).arg("--fsize=unlimited").status();
    assert!(raised.unwrap().success());
    wait("the bus goes on", || (emit(&place).code() == Some(0)).then_some(()));
    let last = || place.json(&["stats"])["journal"]["last_seq"].as_u64();
    assert_eq!(last(), Some(accepted + 1), "what was refused is not there");
    wait("all is settled", || (counter(&place, "p", "/counters/acked") == accepted + 1).then_some(()));
    daemon.kill();
    let daemon = place.daemon();
    assert_eq!(last(), Some(accepted + 1));
    daemon.stop();
    place.ok(&["journal", "verify"]);
}
