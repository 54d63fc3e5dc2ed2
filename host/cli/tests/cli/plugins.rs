//! `plugins` and `dead`.

use serde_json::json;

use crate::guest::Guest;
use crate::support::{Place, wait};

#[test]
fn plugins_are_listed_inspected_and_controlled() {
    let place = Place::new();
    place.plugin("good", &Guest::replies('a').binary(), "");
    place.plugin("bad", b"not wasm", "");
    let daemon = place.daemon_with(|command| command.args(["--loader-rescan-ms", "86400000"]));
    let list = place.ok(&["plugins"]);
    assert!(list.starts_with("NAME"), "{list}");
    assert!(list.contains("good  running"), "{list}");
    assert!(list.contains("bad: refused: cannot compile"), "{list}");
    assert_eq!(list, place.ok(&["plugins", "list"]));
    let plugins = place.json(&["plugins"]);
    assert_eq!((&plugins[0]["name"], &plugins[0]["state"]), (&json!("bad"), &json!("rejected")));
    assert_eq!((&plugins[1]["state"], &plugins[1]["generation"]), (&json!("running"), &json!(1)));

    let inspected = place.ok(&["plugins", "inspect", "good"]);
    for expected in ["filters           hook.>", "fuel_per_event", "fuel_last", "acked"] {
        assert!(inspected.contains(expected), "{expected} is not in {inspected}");
    }
    assert_eq!(place.json(&["plugins", "inspect", "good"])["filters"], json!(["hook.>"]));
    let unknown = place.run(&["plugins", "inspect", "nothing"]);
    assert_eq!((unknown.code(), unknown.stderr.contains("there is no plugin `nothing`")), (Some(1), true));

    assert_eq!(place.ok(&["plugins", "pause", "good"]), "good paused; its events wait\n");
    assert_eq!(place.json(&["plugins", "inspect", "good"])["state"], "paused");
    let pending = place.run(&["emit", "hook.x", "--wait=50"]);
    assert_eq!((pending.code(), pending.stdout.contains("pending")), (Some(1), true), "{pending:?}");
    assert_eq!(place.ok(&["plugins", "resume", "good"]), "good resumed\n");
    wait("the event is handled", || {
        (place.json(&["plugins", "inspect", "good"])["counters"]["acked"] == 1).then_some(())
    });

    assert_eq!(place.ok(&["plugins", "reload", "good"]), "good reloaded, generation 2 took over from 1\n");
    place.plugin("good", b"broken now", "");
    let refused = place.run(&["plugins", "reload", "good"]);
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains("good was refused, generation 2 goes on: "), "{}", refused.stderr);
    assert_eq!(place.ok(&["emit", "hook.x", "--request"]), "a\n");

    place.plugin("late", &Guest::replies('l').binary(), "");
    let rescanned = place.ok(&["plugins", "rescan"]);
    assert!(rescanned.starts_with("3 plugins, 2 refused"), "{rescanned}");
    daemon.stop();
}

#[test]
fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let place = Place::new();
    place.plugin("picky", &Guest::traps_on_bad('x').binary(), "[retry]\nattempts = 1\n");
    let daemon = place.daemon();
    assert_eq!(place.ok(&["dead", "list"]), "no dead letters\n");
    for n in 0..3 {
        place.run(&["emit", "hook.bad", &format!("{{\"n\":{n}}}"), "--wait"]);
    }
    let list = place.ok(&["dead", "list"]);
    assert!(list.contains("plugin/picky") && list.contains("hook.bad") && list.contains("exhausted"), "{list}");
    assert_eq!(place.json(&["dead", "list", "--topic", "hook.*"]).as_array().unwrap().len(), 3);
    assert_eq!(place.json(&["dead", "list", "--plugin", "other"]), json!([]));
    let shown = place.ok(&["dead", "show", "1"]);
    assert!(shown.contains("\"n\": 0") && shown.contains("attempt    1") && shown.contains("trap"), "{shown}");
    assert_eq!(place.json(&["dead", "show", "2"])["event"]["data"]["n"], 1);
    assert_eq!(place.run(&["dead", "show", "99"]).code(), Some(1));
    assert_eq!(place.run(&["dead", "replay"]).code(), Some(2), "nothing chosen");
    assert_eq!(place.run(&["dead", "drop", "--all", "1"]).code(), Some(2));

    // Mended, the plugin takes what it gave up.
    place.plugin("picky", &Guest::replies('y').binary(), "");
    place.ok(&["plugins", "reload", "picky"]);
    assert_eq!(place.ok(&["dead", "replay", "1"]), "1 replayed\n");
    let replayed = place.run(&["dead", "replay", "2", "99"]);
    assert_eq!((replayed.code(), replayed.stdout.as_str()), (Some(1), "1 replayed\n"));
    assert!(replayed.stderr.contains("dead letter 99: no dead letter 99"), "{}", replayed.stderr);
    wait("both are handled", || (place.json(&["plugins", "inspect", "picky"])["counters"]["acked"] == 2).then_some(()));
    assert_eq!(place.ok(&["dead", "drop", "--all"]), "1 dropped\n");
    assert_eq!(place.json(&["dead", "list"]), json!([]));
    daemon.stop();
}
