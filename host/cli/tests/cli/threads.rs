//! The threads of a daemon, as the system shows them.

use std::fs;

use crate::guest::Guest;
use crate::support::{Place, wait};

/// The name of each thread of a process, cut to the 15 characters that the system keeps, and how nice it is to others.
fn threads(process: u32) -> Vec<(String, i32)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    // One may end while it is looked at.
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    stats
        .map(|stat| {
            let (head, rest) = stat.rsplit_once(')').unwrap();
            let name = head.split_once('(').unwrap().1.to_owned();
            // State is the third field of the line, nice the nineteenth.
            (name, rest.split_whitespace().nth(16).unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn once_a_daemon_is_ready_the_threads_that_compile_step_back() {
    let place = Place::new();
    place.plugin("letters", &Guest::replies('y').binary(), "");
    let daemon = place.daemon();
    let own = threads(std::process::id()).first().unwrap().1;
    let is_compiler = |(name, _): &(String, i32)| name == "plugbus-compile";
    let (compilers, others) = wait("threads that have stepped back", || {
        let (compilers, others): (Vec<_>, Vec<_>) = threads(daemon.pid()).into_iter().partition(is_compiler);
        compilers.iter().all(|(_, nice)| *nice == 19).then_some((compilers, others))
    });
    assert!(!compilers.is_empty());
    // Wasmtime's own thread, which looks after the cache, steps back a little by itself.
    assert!(others.iter().all(|(_, nice)| *nice < 19), "{others:?}");
    assert!(others.iter().any(|(name, nice)| name.starts_with("tokio") && *nice == own), "{others:?}");
}
