//! `check`: a component without a daemon.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::guest::Guest;
use crate::readme::built;
use crate::support::{Place, plugbus};

#[test]
fn a_component_is_run_once_and_everything_about_it_shown() {
    let place = Place::new();
    let wasm = place.plugin("letters", &Guest::traps_on_bad('x').binary(), "");
    let wasm = wasm.to_str().unwrap();
    let report = place.json(&["check", wasm, "--topic", "hook.good", "--data", r#"{"n":1}"#]);
    assert_eq!(
        (&report["outcome"], &report["released"], &report["matches"]),
        (&json!("acked"), &json!(true), &json!(true))
    );
    assert_eq!((&report["reply"]["text"], &report["filters"]), (&json!("x"), &json!(["hook.>"])));
    assert!(report["fuel"].as_u64().unwrap() > 0 && report["time_ns"].as_u64().unwrap() > 0);
    assert!(report["memory_bytes"].as_u64().unwrap() > 0);

    let words = place.ok(&["check", wasm, "--topic", "other"]);
    assert!(words.contains("outcome    acked") && words.contains("none matches"), "{words}");

    let trapped = place.run(&["check", wasm, "--topic", "hook.bad"]);
    assert_eq!(trapped.code(), Some(1));
    assert!(trapped.stdout.contains("outcome    trap") && trapped.stdout.contains("backtrace"), "{trapped:?}");
}

#[test]
fn the_event_may_be_a_file_or_the_standard_input() {
    let place = Place::new();
    let wasm = place.plugin("letters", &Guest::replies('y').binary(), "");
    let wasm = wasm.to_str().unwrap();
    let event = r#"{"specversion":"1.0","id":"1","source":"s","type":"hook.x","data":{"a":[1]}}"#;
    std::fs::write(place.path().join("event.json"), event).unwrap();
    assert_eq!(place.json(&["check", wasm, "--event", "event.json"])["outcome"], "acked");
    let ended = place.run_with(&["check", wasm, "--event", "-"], event);
    assert!(ended.status.success(), "{ended:?}");
    for (input, expected) in [("{", "not JSON"), ("{}", "`type` is missing"), (r#"{"type":"a..b"}"#, "empty token")] {
        let ended = place.run_with(&["check", wasm, "--event", "-"], input);
        assert_eq!((ended.code(), ended.stderr.contains(expected)), (Some(1), true), "{ended:?}");
    }
}

#[test]
fn the_manifest_counts_and_its_mistakes_are_named() {
    let place = Place::new();
    let wasm = place.plugin("p", &Guest::refuses_its_config().binary(), "[config]\nkey = \"value\"\n");
    let wasm = wasm.to_str().unwrap();
    let refused = place.run(&["check", wasm, "--topic", "hook.x"]);
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains(r#"init: {"key":"value"}"#), "{}", refused.stderr);
    std::fs::write(place.path().join("other.toml"), "fiters = []\n").unwrap();
    let wrong = place.run(&["check", wasm, "--manifest", "other.toml", "--topic", "hook.x"]);
    assert!(wrong.stderr.contains("other.toml") && wrong.stderr.contains("filters"), "{}", wrong.stderr);
}

#[test]
fn what_is_no_plugin_is_named() {
    let place = Place::new();
    let text = place.plugin("text", b"hello", "");
    let ended = place.run(&["check", text.to_str().unwrap(), "--topic", "a"]);
    assert_eq!((ended.code(), ended.stderr.contains("cannot compile")), (Some(1), true), "{ended:?}");
    let ended = place.run(&["check", "nothing.wasm", "--topic", "a"]);
    assert!(ended.stderr.contains("cannot read nothing.wasm"), "{ended:?}");
    let trap = place.plugin("trap", &Guest::traps_in_init().binary(), "");
    let ended = place.run(&["check", trap.to_str().unwrap(), "--topic", "a"]);
    assert_eq!((ended.code(), ended.stderr.contains("trap")), (Some(1), true), "{ended:?}");
}

#[test]
fn what_a_component_stored_is_shown_and_whether_it_would_be_committed() {
    let place = Place::new();
    let wasm = place.plugin("counter", &built::fixture_bytes("kv-count"), "[grants]\nkv = true\n");
    let wasm = wasm.to_str().unwrap();
    let report = place.json(&["check", wasm, "--topic", "x"]);
    assert_eq!(report["stored"], json!([{ "bucket": "default", "key": "count", "text": "1" }]));
    let words = place.ok(&["check", wasm, "--topic", "x"]);
    assert!(words.lines().any(|line| line.starts_with("stored") && line.ends_with(" default/count = 1")), "{words}");

    let failed = place.run(&["check", wasm, "--topic", "x", "--data", "retry"]);
    assert_eq!(failed.code(), Some(1));
    assert!(failed.stdout.contains("nothing; changes of 1 keys staged and thrown away"), "{failed:?}");
}

/// What a folder of compiled code holds: each entry with the time at which it was written.
fn entries(cache: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut folders = vec![cache.join("code/modules")];
    let mut entries = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none() {
                let written = path.metadata().unwrap().modified().unwrap();
                entries.push((path, written));
            }
        }
    }
    entries
}

#[test]
fn compiled_code_is_kept_for_the_next_check_inspect_and_daemon() {
    let place = Place::new();
    place.plugin("letters", &Guest::replies('y').binary(), "");
    let wasm = "plugins.d/letters.wasm";
    let run = |args: &[&str], variables: &[(&str, &Path)]| {
        let mut command = plugbus(place.path());
        let output = command.args(args).envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    };
    let (user, data) = (place.path().join("user"), place.path().join("state"));
    for (variable, folder, cache) in
        [("XDG_CACHE_HOME", &user, user.join("plugbus")), ("PLUGBUS_DATA_DIR", &data, data.join("cache"))]
    {
        run(&["check", wasm, "--topic", "a"], &[(variable, folder)]);
        let first = entries(&cache);
        assert_eq!(first.len(), 1, "{first:?}");
        run(&["check", wasm, "--topic", "a"], &[(variable, folder)]);
        run(&["inspect", wasm], &[(variable, folder)]);
        assert_eq!(entries(&cache), first);
    }
    let compiled = entries(&data.join("cache"));
    drop(place.daemon_with(|command| command.env("PLUGBUS_DATA_DIR", &data)));
    assert_eq!(entries(&data.join("cache")), compiled);

    let off = Path::new("false");
    let other = place.path().join("other");
    run(&["check", wasm, "--topic", "a"], &[("PLUGBUS_DATA_DIR", &other), ("PLUGBUS_SANDBOX_COMPILE_CACHE", off)]);
    // Nothing is named, and there is no home: what lies here by itself is not taken.
    std::fs::create_dir_all(place.path().join(".plugbus")).unwrap();
    run(&["check", wasm, "--topic", "a"], &[]);
    assert!(!other.exists() && !place.path().join(".plugbus/cache").exists());
}

#[test]
fn a_cache_that_others_may_write_to_is_said_and_done_without() {
    let place = Place::new();
    place.plugin("letters", &Guest::replies('y').binary(), "");
    let cache = place.path().join("state/cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    for args in [&["check", "plugins.d/letters.wasm", "--topic", "a"][..], &["inspect", "plugins.d/letters.wasm"]] {
        let output = plugbus(place.path()).args(args).env("PLUGBUS_DATA_DIR", "state").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{output:?}");
        assert!(stderr.contains("others may write into it") && stderr.contains("going on without one"), "{stderr}");
        assert_eq!(entries(&cache), []);
    }
}
