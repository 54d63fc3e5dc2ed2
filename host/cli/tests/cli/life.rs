//! The daemon's life: start, signals, kill, restart.

use std::os::unix::fs::MetadataExt;

use crate::guest::Guest;
use crate::readme::built;
use crate::support::{Killed, Place, in_folder, wait, wait_busily};

#[test]
fn a_signal_stops_it_in_order() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let daemon = place.daemon();
        daemon.signal(signal);
        let (code, log) = daemon.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("everything was settled"), "{log}");
        assert!(!place.path().join("s").exists());
    }
}

#[test]
fn what_was_not_settled_is_named_where_nothing_keeps_it() {
    let place = Place::new();
    place.plugin("idle", &Guest::replies('a').binary(), "");
    let daemon = place.daemon_with(|command| command.args(["--journal-enabled", "false"]));
    place.ok(&["plugins", "pause", "idle"]);
    for n in 0..25 {
        place.ok(&["emit", "hook.x", "--id", &format!("event-{n}")]);
    }
    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("25 deliveries were not settled"), "{log}");
    assert!(log.contains("plugin/idle: hook.x event-19 (attempt 1)"), "{log}");
    assert!(log.contains("and 5 more"), "{log}");
}

/// A manifest that lets a guest work for a minute.
pub(crate) const PATIENT: &str = "[limits]\ndeadline_ms = 60000\nfuel_per_event = 1000000000000\n";

#[test]
fn a_stop_drains_what_is_in_flight() {
    let place = Place::new();
    place.plugin("busy", &Guest::works('w', 20_000_000).binary(), PATIENT);
    let daemon = place.daemon();
    for _ in 0..5 {
        place.ok(&["emit", "hook.x"]);
    }
    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0));
    assert!(log.contains("everything was settled"), "{log}");
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let place = Place::new();
    place.plugin("busy", &Guest::works('w', u32::MAX).binary(), PATIENT);
    let daemon = place.daemon_with(|command| command.args(["--shutdown-grace-ms", "86400000"]));
    place.ok(&["emit", "hook.x"]);
    wait("it is in flight", || {
        (place.json(&["plugins", "inspect", "busy"])["counters"]["in_flight"] == 1).then_some(())
    });
    daemon.signal("TERM");
    daemon.wait_log("stopping");
    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("second signal"), "{log}");
}

#[test]
fn a_hangup_looks_through_the_folder() {
    let place = Place::new();
    let daemon = place.daemon_with(|command| command.args(["--loader-rescan-ms", "86400000"]));
    place.plugin("new", &Guest::replies('n').binary(), "");
    daemon.signal("HUP");
    wait("it is loaded", || place.run(&["plugins", "inspect", "new"]).stdout.contains("running").then_some(()));
    daemon.stop();
}

#[test]
fn killed_it_leaves_nothing_that_stops_the_next_start() {
    let place = Place::new();
    place.plugin("p", &Guest::replies('a').binary(), "");
    for _ in 0..3 {
        let daemon = place.daemon();
        assert_eq!(place.ok(&["emit", "hook.x", "--request"]), "a\n");
        daemon.kill();
        assert!(place.path().join("s").exists(), "a killed daemon cannot clean up");
        assert!(!place.answers());
        let nobody = place.run(&["ping"]);
        assert_eq!((nobody.code(), nobody.stderr.starts_with("plugbus: no daemon answers on ")), (Some(1), true));
    }
    place.daemon().stop();
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let daemon = place.daemon();
    let second = place.run(&["run"]);
    assert_eq!(second.code(), Some(1));
    let expected = format!(
        "plugbus: cannot start: a plugbus daemon already serves {}/s (pid {})",
        place.path().display(),
        daemon.pid()
    );
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
    place.ok(&["ping"]);
    daemon.stop();
}

#[test]
fn the_flag_wins_over_the_variable_and_the_variable_over_the_file() {
    let source = |place: &Place, args: &[&str], variable: Option<&str>| {
        let daemon = place.daemon_with(|command| {
            variable.into_iter().for_each(|value| {
                command.env("PLUGBUS_SOURCE", value);
            });
            command.args(args)
        });
        let tail = place.spawn(&["tail", "-n", "1", "--json"]);
        place.wait_watchers(1);
        place.ok(&["emit", "a"]);
        let event: serde_json::Value = serde_json::from_slice(&tail.wait_with_output().unwrap().stdout).unwrap();
        daemon.stop();
        event["source"].as_str().unwrap().to_owned()
    };
    let place = Place::new();
    assert_eq!(source(&place, &[], None), "plugbus");
    std::fs::write(place.path().join("plugbus.toml"), "source = \"file\"\n").unwrap();
    assert_eq!(source(&place, &[], None), "file");
    assert_eq!(source(&place, &[], Some("variable")), "variable");
    assert_eq!(source(&place, &["--source", "flag"], Some("variable")), "flag");
    assert_eq!(source(&place, &[], Some("")), "file");
    std::fs::write(place.path().join("other.toml"), "source = \"other\"\n").unwrap();
    assert_eq!(source(&place, &["--config", "other.toml"], None), "other");
}

#[test]
fn the_socket_is_never_open_to_others_whatever_the_umask() {
    let place = Place::new();
    for _ in 0..5 {
        let mut open = std::process::Command::new("sh");
        open.args(["-c", "umask 0; exec \"$0\" run"]).arg(env!("CARGO_BIN_EXE_plugbus"));
        let _daemon = Killed(in_folder(open, place.path()).stderr(std::process::Stdio::null()).spawn().unwrap());
        let socket = place.path().join("s");
        // At every moment from before it is there until it is served.
        let answers = || {
            if let Ok(found) = std::fs::symlink_metadata(&socket) {
                assert_eq!(found.mode() & 0o7777, 0o600);
            }
            place.answers().then_some(())
        };
        wait_busily("it answers", answers);
        assert_eq!(std::fs::metadata(place.path().join("s.lock")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::metadata(place.path().join(".plugbus")).unwrap().mode() & 0o7777, 0o700);
        // Killed here: what it leaves behind, the next one finds.
    }
}

#[test]
fn a_write_over_the_limit_on_file_sizes_does_not_kill_it() {
    let place = Place::new();
    let daemon = place.daemon();
    // What the system sends with such a write, be it a plugin's, the cache's or the log's.
    daemon.signal("XFSZ");
    place.ok(&["ping"]);
    daemon.stop();
}

#[test]
fn a_variable_that_is_set_to_nothing_counts_as_not_set() {
    let place = Place::new();
    let daemon = place.daemon_with(|command| {
        // The path of the socket is what the test itself needs, and its port is not the usual one.
        let keys = plugbus::config::keys::KEYS.iter().filter(|key| !["socket", "http.listen"].contains(&key.name));
        command.envs(keys.map(|key| (key.env, ""))).env("PLUGBUS_CONFIG", "").env("XDG_RUNTIME_DIR", "")
    });
    place.ok(&["ping"]);
    daemon.stop();
}

#[test]
fn a_mistyped_variable_is_named() {
    let place = Place::new();
    let daemon = place.daemon_with(|command| command.env("PLUGBUS_LOADER_RESCAN", "1"));
    daemon.signal("TERM");
    let (_, log) = daemon.wait();
    assert!(log.contains(r#"variable="PLUGBUS_LOADER_RESCAN" meant="PLUGBUS_LOADER_RESCAN_MS""#), "{log}");
}

#[test]
fn the_log_can_be_json() {
    let place = Place::new();
    let daemon = place.daemon_with(|command| command.args(["--log-format", "json", "--log-level", "debug"]));
    daemon.signal("TERM");
    let (_, log) = daemon.wait();
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn a_plugin_whose_requests_fail_does_not_fill_the_log() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let component = std::fs::read(built::plugin("relay-webhook")).unwrap();
    let manifest = format!(
        "filters = [\"a\"]\n[retry]\nattempts = 1\n[config]\nurl = \"{origin}/\"\n[grants]\nhttp = [\"{origin}\"]\nkv = true\n"
    );
    for (level, is_logged) in
        [("info", false), ("debug,plugbus_loader=info", false), ("info,wasmtime_wasi_http=warn", true)]
    {
        let place = Place::new();
        place.plugin("relay", &component, &manifest);
        let daemon = place.daemon_with(|command| command.args(["--log-level", level]));
        let ended = place.run(&["emit", "a", "1", "--wait"]);
        assert!(ended.stdout.contains("dead"), "{ended:?}");
        daemon.signal("TERM");
        let (_, log) = daemon.wait();
        assert_eq!(log.contains("wasmtime_wasi_http"), is_logged, "{level}: {log}");
    }
}
