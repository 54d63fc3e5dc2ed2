//! The journal, as the operator of a daemon sees it: nothing is lost over a kill, the past is shown and replayed.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::support::{Place, wait};

fn acked(place: &Place, plugin: &str) -> Value {
    place.json(&["plugins", "inspect", plugin])["counters"]["acked"].clone()
}

/// Waits until the plugin is loaded and gets events.
fn runs(place: &Place, plugin: &str) {
    wait("it runs", || {
        let inspected = place.run(&["plugins", "inspect", plugin, "--json"]);
        let status: Value = serde_json::from_str(&inspected.stdout).ok()?;
        (status["state"] == "running").then_some(())
    });
}

#[test]
fn what_was_acknowledged_and_not_handled_before_a_kill_is_handled_after_it() {
    let place = Place::new();
    place.plugin("late", &Guest::replies('a').binary(), "");
    let daemon = place.daemon();
    place.ok(&["plugins", "pause", "late"]);
    for n in 0..5 {
        let seq = place.json(&["emit", "hook.x", &n.to_string()])["seq"].clone();
        assert_eq!(seq, json!(n + 1));
    }
    daemon.kill();
    let daemon = place.daemon();
    wait("all five are handled", || (acked(&place, "late") == 5).then_some(()));
    assert_eq!(place.json(&["emit", "hook.x"])["seq"], 6);
    daemon.stop();
    let daemon = place.daemon();
    assert_eq!(place.json(&["emit", "hook.x", "--wait"])["results"][0]["outcome"], "acked");
    assert_eq!(acked(&place, "late"), 1, "what was settled does not come again");
    daemon.stop();
}

#[test]
fn a_stop_says_what_goes_on_from_the_journal() {
    let place = Place::new();
    place.plugin("idle", &Guest::replies('a').binary(), "");
    let daemon = place.daemon();
    place.ok(&["plugins", "pause", "idle"]);
    place.ok(&["emit", "hook.x"]);
    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("goes on from the journal at the next start") && log.contains("plugin/idle"), "{log}");
    assert!(log.contains("what was not settled is in the journal"), "{log}");
}

#[test]
fn dead_letters_outlive_the_daemon() {
    let place = Place::new();
    place.plugin("picky", &Guest::traps_on_bad('x').binary(), "[retry]\nattempts = 1\n");
    let daemon = place.daemon();
    place.run(&["emit", "hook.bad", "1", "--wait"]);
    daemon.kill();
    let daemon = place.daemon();
    let letters = place.json(&["dead", "list"]);
    assert_eq!((letters.as_array().map(Vec::len), &letters[0]["kind"]), (Some(1), &json!("exhausted")));
    place.plugin("picky", &Guest::replies('y').binary(), "");
    place.ok(&["plugins", "reload", "picky"]);
    assert_eq!(place.ok(&["dead", "replay", "1"]), "1 replayed\n");
    wait("it is handled", || (acked(&place, "picky") == 1).then_some(()));
    daemon.kill();
    let daemon = place.daemon();
    assert_eq!(place.ok(&["dead", "list"]), "no dead letters\n");
    daemon.stop();
}

#[test]
fn a_tail_from_the_past_goes_on_with_what_is_live_without_a_gap_or_a_double() {
    let place = Place::new();
    let daemon = place.daemon();
    for n in 0..11 {
        place.ok(&["emit", "a.x", &n.to_string()]);
    }
    place.ok(&["emit", "b.x"]);
    let mut tail = place.spawn(&["tail", "a.*", "--from", "3", "--json", "-n", "29"]);
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    for n in 11..31 {
        place.ok(&["emit", "a.x", &n.to_string()]);
    }
    let data: Vec<u64> =
        lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["data"].as_u64().unwrap()).collect();
    assert_eq!(data, (2..31).collect::<Vec<_>>());
    assert!(tail.wait().unwrap().success());
    let past = place.ok(&["tail", "--from", "1h", "--json", "-n", "1"]);
    assert_eq!(serde_json::from_str::<Value>(&past).unwrap()["data"], 0);
    daemon.stop();
}

#[test]
fn the_past_is_replayed_to_one_plugin_even_a_new_one() {
    let place = Place::new();
    place.plugin("old", &Guest::replies('o').binary(), "");
    let daemon = place.daemon();
    for _ in 0..4 {
        place.ok(&["emit", "hook.x", "--wait"]);
    }
    place.plugin("new", &Guest::replies('n').binary(), "");
    runs(&place, "new");
    let said = place.ok(&["replay", "--plugin", "new", "--from", "2"]);
    assert_eq!(said, "events 2 to 4: 3 delivered again, 3 deliveries in all\n");
    wait("they are handled", || (acked(&place, "new") == 3).then_some(()));
    assert_eq!(acked(&place, "old"), 4);
    let all = place.json(&["replay", "hook.*", "--to", "1"]);
    assert_eq!((&all["events"], &all["deliveries"], &all["retired"]), (&json!(1), &json!(2), &json!(0)));
    let nobody = place.run(&["replay", "--plugin", "nobody"]);
    assert_eq!(nobody.code(), Some(1));
    assert!(nobody.stderr.contains("no subscription `plugin/nobody`"), "{}", nobody.stderr);
    assert_eq!(place.run(&["replay", "--from", "yesterday"]).code(), Some(2));
    daemon.stop();
}

#[test]
fn a_new_plugin_begins_where_its_manifest_says() {
    let place = Place::new();
    let daemon = place.daemon();
    for _ in 0..3 {
        place.ok(&["emit", "hook.x"]);
    }
    place.plugin("all", &Guest::replies('a').binary(), "start = \"earliest\"\n");
    place.plugin("some", &Guest::replies('s').binary(), "start = 3\n");
    place.plugin("none", &Guest::replies('n').binary(), "");
    ["all", "some", "none"].iter().for_each(|plugin| runs(&place, plugin));
    place.ok(&["emit", "hook.x"]);
    for (plugin, count) in [("all", 4), ("some", 2), ("none", 1)] {
        wait("all is handled", || (acked(&place, plugin) == count).then_some(()));
    }
    daemon.stop();
}

#[test]
fn a_tail_from_the_past_reads_the_history_where_there_is_no_journal() {
    let place = Place::new();
    let daemon = place.daemon_with(|command| command.args(["--journal-enabled", "false", "--history-events-max", "3"]));
    for number in 1..=5 {
        place.ok(&["emit", "a", &number.to_string()]);
    }
    let shown = place.ok(&["tail", "--from", "1", "--json", "-n", "3"]);
    let data = shown.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()["data"].clone());
    assert!(shown.starts_with("{\"first\":3,\"retired\":2}"), "{shown}");
    assert_eq!(data.collect::<Vec<_>>(), [3, 4, 5]);
    let history = &place.json(&["stats"])["history"];
    assert_eq!((&history["events"], &history["retired"]), (&Value::from(3), &Value::from(2)));
    daemon.stop();
}

#[test]
fn a_host_without_a_journal_says_so() {
    let place = Place::new();
    place.plugin("strict", &Guest::replies('a').binary(), "durable = true\n");
    let daemon = place.daemon_with(|command| command.args(["--journal-enabled", "false", "--history-events-max", "0"]));
    for args in [&["replay"][..], &["tail", "--from", "1"]] {
        let refused = place.run(args);
        assert_eq!(refused.code(), Some(1));
        assert!(refused.stderr.contains("keeps no journal"), "{}", refused.stderr);
    }
    let list = place.ok(&["plugins"]);
    assert!(list.contains("the host keeps no journal"), "{list}");
    assert_eq!(place.json(&["stats"])["journal"], Value::Null);
    daemon.stop();
}
