//! Two daemons on one data folder: the second one is told who has it, and one that was killed has nothing.

use std::process::Command;

use crate::support::Place;

/// Another socket, so that only the data folder is in the way.
fn with_another_socket(command: &mut Command) -> &mut Command {
    command.args(["--socket", "other"])
}

#[test]
fn a_second_daemon_on_one_data_folder_is_refused_and_told_the_pid_of_the_first() {
    let place = Place::new();
    let first = place.daemon();
    let second = place.run(&["run", "--socket", "other"]);
    assert_eq!(second.code(), Some(1), "{second:?}");
    let expected = format!("is in use by process {}: stop it first, or give this one another data folder", first.pid());
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
    assert!(!place.path().join("other").exists(), "it leaves no socket");
    assert_eq!(place.json(&["emit", "a"])["seq"], 1, "the first goes on");
    let elsewhere = place.daemon_with(|command| with_another_socket(command).args(["--data-dir", "elsewhere"]));
    elsewhere.kill();
    first.stop();
}

#[test]
fn what_a_killed_daemon_locked_stops_nobody_and_the_next_one_is_named() {
    let place = Place::new();
    for seq in 1..=3 {
        let daemon = place.daemon();
        assert_eq!(place.json(&["emit", "a"])["seq"], seq);
        let second = place.run(&["run", "--socket", "other"]);
        assert!(second.stderr.contains(&format!("process {}:", daemon.pid())), "{}", second.stderr);
        daemon.kill();
    }
    let other = place.daemon_with(with_another_socket);
    assert_eq!(place.json(&["--socket", "other", "emit", "a"])["seq"], 4);
    other.kill();
}
