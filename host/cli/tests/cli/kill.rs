//! `kill -9` at bad moments: what the daemon leaves behind must neither stop the next one nor make it wrong.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Instant;

use crate::guest::Guest;
use crate::life::PATIENT;
use crate::support::{Daemon, Ended, Place, wait};

/// Plugins in the folder, each with its own topic.
const PLUGINS: u32 = 3;

/// Puts other plugins into the folder, for which nothing is in the cache.
fn put_plugins(place: &Place, round: u32) {
    for plugin in 0..PLUGINS {
        let wasm = Guest::replies(letter(round, plugin)).heavy_binary(200, round);
        place.plugin(&format!("p{plugin}"), &wasm, &format!("filters = [\"hook.p{plugin}\"]\n"));
    }
}

fn letter(round: u32, plugin: u32) -> char {
    char::from_u32('A' as u32 + (round * PLUGINS + plugin) % 26).unwrap()
}

/// Sees that a daemon runs what is in the folder now.
fn check_plugins(place: &Place, round: u32) {
    for plugin in 0..PLUGINS {
        let reply = place.ok(&["emit", &format!("hook.p{plugin}"), "--request"]);
        assert_eq!(reply, format!("{}\n", letter(round, plugin)), "round {round}, plugin {plugin}");
    }
}

/// Every file in a folder and the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn killed_at_any_moment_of_its_start_it_starts_again_and_runs_what_is_there() {
    const ROUNDS: u32 = 8;
    let place = Place::new();
    put_plugins(&place, 0);
    let began = Instant::now();
    let daemon = place.daemon();
    let whole_start = began.elapsed();
    check_plugins(&place, 0);
    daemon.stop();
    for round in 1..=ROUNDS {
        put_plugins(&place, round);
        let daemon = place.starting(|command| command);
        // No wait for anything: this is the moment at which it is killed, from before its first step to when it is ready.
        sleep(whole_start * (round - 1) / (ROUNDS - 1));
        daemon.kill();
        let daemon = place.daemon();
        check_plugins(&place, round);
        if round % 2 == 0 { daemon.stop() } else { daemon.kill() }
    }
    place.daemon().stop();
    // Nothing has piled up.
    let left = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = left.collect();
    left.sort();
    assert_eq!(left, [".plugbus", "plugins.d", "s.lock"]);
    let in_cache = files(&place.path().join(".plugbus/cache"));
    // Entries, what wasmtime counts about them, and their digests; and wasmtime's note of when it last cleared away.
    let is_known = |path: &PathBuf| {
        path.extension().is_none_or(|extension| extension == "stats") || path.file_stem().unwrap() == ".cleanup"
    };
    assert!(in_cache.iter().all(is_known), "{in_cache:?}");
}

/// A process that publishes line after line until nobody takes them any more.
fn publisher(place: &Place) -> (Child, JoinHandle<()>) {
    let mut child = place.spawn(&["emit", "--lines"]);
    let mut input = child.stdin.take().unwrap();
    let feeder = spawn(move || while input.write_all(b"{\"type\":\"hook.x\",\"data\":1}\n").is_ok() {});
    (child, feeder)
}

#[test]
fn killed_under_load_it_starts_again_and_whoever_publishes_or_watches_is_told() {
    let place = Place::new();
    place.plugin("p", &Guest::works('w', 2_000).binary(), "");
    for _ in 0..3 {
        let daemon = place.daemon();
        let watcher = place.spawn(&["tail", "hook.*"]);
        let publishers: Vec<_> = (0..3).map(|_| publisher(&place)).collect();
        // What it prints must be read, or it would wait for us.
        let watched = spawn(move || Ended::from(watcher.wait_with_output().unwrap()));
        wait("events flow", || (place.json(&["stats"])["bus"]["accepted"].as_u64()? > 500).then_some(()));
        daemon.kill();
        for (child, feeder) in publishers {
            let ended = Ended::from(child.wait_with_output().unwrap());
            feeder.join().unwrap();
            assert_eq!((ended.code(), ended.stderr.starts_with("plugbus: ")), (Some(1), true), "{ended:?}");
        }
        let watched = watched.join().unwrap();
        assert_eq!((watched.code(), watched.stderr.starts_with("plugbus: ")), (Some(1), true), "{watched:?}");
    }
    let daemon = place.daemon();
    assert_eq!(place.ok(&["emit", "hook.x", "--request"]), "w\n");
    assert_eq!(place.json(&["stats"])["bus"]["accepted"], 1, "it begins anew");
    daemon.stop();
}

#[test]
fn whoever_waits_for_an_answer_is_told_of_the_kill_without_sending_another_line() {
    let place = Place::new();
    place.plugin("busy", &Guest::works('w', u32::MAX).binary(), PATIENT);
    let daemon = place.daemon();
    let mut child = place.spawn(&["emit", "--lines", "--wait"]);
    // Open until the end: whoever publishes may have nothing more to say before it has the answer.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"type\":\"hook.x\"}\n").unwrap();
    let in_flight = || place.json(&["plugins", "inspect", "busy"])["counters"]["in_flight"] == 1;
    wait("it is in flight", || in_flight().then_some(()));
    daemon.kill();
    wait("it has ended", || child.try_wait().unwrap());
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert!(ended.stderr.starts_with("plugbus: line 1 and what follows may not be published: "), "{ended:?}");
    assert_eq!(ended.code(), Some(1));
    drop(input);
}

#[test]
fn killed_in_the_middle_of_its_drain_it_starts_again() {
    let place = Place::new();
    place.plugin("busy", &Guest::works('w', u32::MAX).binary(), PATIENT);
    place.plugin("quick", &Guest::replies('q').binary(), "filters = [\"quick.>\"]\n");
    let patient = || -> Daemon<'_> { place.daemon_with(|command| command.args(["--shutdown-grace-ms", "86400000"])) };
    for _ in 0..2 {
        let daemon = patient();
        place.ok(&["emit", "hook.x"]);
        let in_flight = || place.json(&["plugins", "inspect", "busy"])["counters"]["in_flight"] == 1;
        wait("it is in flight", || in_flight().then_some(()));
        daemon.signal("TERM");
        daemon.wait_log("stopping");
        daemon.kill();
    }
    let daemon = patient();
    assert_eq!(place.ok(&["emit", "quick.x", "--request"]), "q\n");
    daemon.stop();
}

#[test]
fn a_damaged_compile_cache_is_no_obstacle() {
    let place = Place::new();
    put_plugins(&place, 0);
    place.daemon().kill();
    for damage in ["flipped", "cut", "wiped"] {
        let cached = files(&place.path().join(".plugbus/cache"));
        assert!(cached.len() >= PLUGINS as usize, "{cached:?}");
        for file in cached {
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            match damage {
                "flipped" => bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1),
                "cut" => bytes.truncate(middle),
                _ => bytes.fill(0),
            }
            fs::write(file, bytes).unwrap();
        }
        let daemon = place.daemon();
        check_plugins(&place, 0);
        daemon.kill();
    }
}
