//! What every command prints: JSON on request, nothing but an exit code where nobody reads.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::support::{Ended, Place, plugbus};

/// A daemon's place with a plugin that works and one dead letter.
fn place() -> Place {
    let place = Place::new();
    place.plugin("letters", &Guest::traps_on_bad('x').binary(), "[retry]\nattempts = 1\n");
    place
}

fn kill_one_event(place: &Place) {
    assert_eq!(place.run(&["emit", "hook.bad", "--wait"]).code(), Some(1));
}

#[test]
fn everything_that_prints_data_prints_json_on_request() {
    let place = place();
    let daemon = place.daemon();
    kill_one_event(&place);
    let wasm = place.path().join("plugins.d/letters.wasm");
    let pid = daemon.pid();
    let table: &[(&[&str], &str, Value)] = &[
        (&["ping"], "/pid", json!(pid)),
        (&["stats"], "/bus/accepted", json!(1)),
        (&["plugins"], "/0/name", json!("letters")),
        (&["plugins", "list"], "/0/state", json!("running")),
        (&["plugins", "inspect", "letters"], "/last_faults/0/kind", json!("trap")),
        (&["plugins", "pause", "letters"], "/done", json!("letters paused; its events wait")),
        (&["plugins", "resume", "letters"], "/done", json!("letters resumed")),
        (&["plugins", "reload", "letters"], "/done", json!("letters reloaded, generation 2 took over from 1")),
        (&["plugins", "rescan"], "/done", json!("1 plugin, 0 refused")),
        (&["dead", "list"], "/0/topic", json!("hook.bad")),
        (&["dead", "show", "1"], "/attempts/0/kind", json!("trap")),
        (&["dead", "drop", "1"], "", json!({ "done": [1], "failed": [] })),
        (&["emit", "a", "1"], "/matched", json!(0)),
        (&["emit", "hook.good", "--wait"], "/results/0/outcome", json!("acked")),
        (&["emit", "hook.good", "--request"], "/text", json!("x")),
        (&["check", wasm.to_str().unwrap(), "--topic", "hook.good"], "/outcome", json!("acked")),
    ];
    for (args, pointer, expected) in table {
        assert_eq!(place.json(args).pointer(pointer), Some(expected), "{args:?}");
    }
    let lines = place.run_with(&["emit", "--lines", "hook.good", "--wait", "--json"], "1\n2\n");
    let lines: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["line"], &lines[1]["results"][0]["outcome"]), (2, &json!(2), &json!("acked")));
    kill_one_event(&place);
    let replayed = place.run(&["dead", "replay", "2", "9", "--json"]);
    let changed: Value = serde_json::from_str(&replayed.stdout).unwrap();
    assert_eq!((replayed.code(), &changed["done"], &changed["failed"][0]["id"]), (Some(1), &json!([2]), &json!(9)));
    daemon.stop();
}

/// Runs a command with this as its standard output.
fn run_into(place: &Place, args: &[&str], stdout: Stdio) -> Ended {
    Ended::from(plugbus(place.path()).args(args).stdout(stdout).stderr(Stdio::piped()).output().unwrap())
}

#[test]
fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
    let place = place();
    let daemon = place.daemon();
    kill_one_event(&place);
    let table: &[&[&str]] = &[
        &["ping"],
        &["stats"],
        &["plugins"],
        &["plugins", "inspect", "letters"],
        &["dead", "list"],
        &["dead", "show", "1"],
        &["emit", "hook.good", "--request"],
        &["emit", "hook.good", "--wait"],
        &["emit", "a", "--json"],
        &["completions", "bash"],
    ];
    for args in table {
        let (gone, stdout) = UnixStream::pair().unwrap();
        drop(gone);
        let ended = run_into(&place, args, OwnedFd::from(stdout).into());
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = run_into(&place, args, full.into());
        let expected = "plugbus: cannot write the output: No space left on device (os error 28)\n";
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(1), expected), "{args:?}");
    }
    daemon.stop();
}
