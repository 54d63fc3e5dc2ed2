//! `plugbus hook install`: the settings file of an agent.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ended, Place, plugbus};

/// A command with a home folder.
fn at_home(place: &Place, args: &[&str]) -> Ended {
    let mut command = plugbus(place.path());
    command.args(args).env("HOME", place.path().join("home"));
    Ended::from(command.stdout(Stdio::piped()).output().unwrap())
}

fn ok(place: &Place, args: &[&str]) -> String {
    let ended = at_home(place, args);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{args:?}: {ended:?}");
    ended.stdout
}

const INSTALL: [&str; 5] = ["hook", "install", "claude-code", "--data-dir", "data"];

fn install(place: &Place, options: &[&str]) -> String {
    ok(place, &[&INSTALL[..], options].concat())
}

#[test]
fn the_printed_block_runs_hooks_that_find_the_daemon_from_anywhere() {
    let place = Place::new();
    let daemon = place.daemon();
    // Not told where: it asks the daemon.
    let block: Value = serde_json::from_str(&ok(&place, &["hook", "install", "claude-code"])).unwrap();
    let command = block["hooks"]["PreToolUse"][0]["hooks"][0]["command"].as_str().unwrap();
    let data_dir = place.path().join(".plugbus");
    assert!(command.ends_with(&format!(" --data-dir {}", data_dir.display())), "{command}");
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |n: u32| {
        let mut shell = std::process::Command::new("sh");
        let piped = format!("echo '{{\"n\":{n}}}' | {command}");
        shell.args(["-ec", &piped]).current_dir(elsewhere.path()).env_clear().env("PATH", "/usr/bin:/bin");
        let ended = Ended::from(shell.output().unwrap());
        assert_eq!(
            (ended.code(), ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "{\"continue\": true}\n", "")
        );
    };
    run(0);
    daemon.stop();
    run(1);
    let daemon = place.daemon();
    let seen = place.ok(&["tail", "--from", "1", "-n", "2", "hook.raw"]);
    assert!(seen.contains("{\"n\":0}") && seen.contains("{\"n\":1}"), "{seen}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "a hook leaves nothing where the agent works");
    daemon.stop();
}

#[test]
fn written_twice_is_written_once_and_removed_is_as_it_was() {
    let place = Place::new();
    let file = place.path().join("home/.claude/settings.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let before = "{\n    \"model\": \"opus\",\n    \"hooks\": {\n        \"Stop\": [\n            {\"hooks\": [{\"type\": \"command\", \"command\": \"mine\"}]}\n        ]\n    },\n    \"zz\": 1e3\n}\n";
    fs::write(&file, before).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(install(&place, &["--write"]).ends_with("hooks for 29 events are written\n"));
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"model\": \"opus\"") && written.contains("\"zz\": 1e3\n}\n"), "{written}");
    let value: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(value["hooks"]["Stop"][0]["hooks"][0]["command"], "mine");
    assert!(value["hooks"]["Stop"][1]["hooks"][0]["command"].as_str().unwrap().contains("plugbus hook --socket /"));
    assert!(value["hooks"]["WorktreeCreate"].is_null());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);

    assert!(install(&place, &["--write"]).ends_with("the hooks are there already\n"));
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    // Another place: in the place of the old ones, not beside them.
    ok(&place, &["hook", "install", "claude-code", "--write", "--data-dir", "other"]);
    let moved = fs::read_to_string(&file).unwrap();
    assert_eq!(moved.matches("plugbus hook").count(), 29);
    assert_eq!(moved.matches("/other").count(), 29);

    install(&place, &["--remove"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert!(install(&place, &["--remove"]).ends_with("no hook of `plugbus hook` is there\n"));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn the_project_another_file_and_a_link_are_written_where_they_are() {
    let place = Place::new();
    install(&place, &["--write", "--project"]);
    assert!(place.path().join(".claude/settings.json").is_file());
    let (real, link) = (place.path().join("real.json"), place.path().join("link.json"));
    fs::write(&real, "{}").unwrap();
    symlink(&real, &link).unwrap();
    let told: Value =
        serde_json::from_str(&install(&place, &["--write", "--file", link.to_str().unwrap(), "--json"])).unwrap();
    assert_eq!(told["changed"], json!(true));
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("plugbus hook"));
    assert!(!place.path().join("home").exists());
}

#[test]
fn a_file_that_is_no_settings_is_refused_with_its_place_and_left_alone() {
    let place = Place::new();
    let file = place.path().join("broken.json");
    let text = "{\n  \"a\": 1,\n  // a comment\n}\n";
    fs::write(&file, text).unwrap();
    for action in ["--write", "--remove"] {
        let ended = at_home(&place, &[&INSTALL[..], &[action, "--file", "broken.json"]].concat());
        assert_eq!(ended.code(), Some(1));
        assert!(ended.stderr.contains("broken.json: it is not valid JSON, or no object: "), "{ended:?}");
        assert!(ended.stderr.contains("at line 3 column 3; mend it first, nothing was changed"), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    for args in [&["hook", "install"][..], &["hook", "install", "other"], &["hook", "install", "claude-code", "--fly"]]
    {
        assert_eq!(at_home(&place, args).code(), Some(2), "{args:?}");
    }
}
