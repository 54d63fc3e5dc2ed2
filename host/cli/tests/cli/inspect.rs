//! `inspect`: a component looked at.

use serde_json::json;

use crate::guest::Guest;
use crate::readme::built;
use crate::support::Place;

#[test]
fn a_component_is_shown_with_what_it_needs_and_what_its_manifest_lacks() {
    let place = Place::new();
    // count-topics imports the store, and needs the grant for it.
    let path = place.path().join("count-topics.wasm");
    std::fs::copy(built::plugin("count-topics"), &path).unwrap();
    let lacking = place.run(&["inspect", "count-topics.wasm", "--json"]);
    assert_eq!(lacking.code(), Some(1), "{lacking:?}");
    let report: serde_json::Value = serde_json::from_str(&lacking.stdout).unwrap();
    assert_eq!((&report["language"], &report["contract"]), (&json!("Rust"), &json!("plugbus:plugin@0.1.0")));
    assert_eq!(report["missing_grants"][0]["line"], "kv = true");
    let store = report["imports"].as_array().unwrap().iter().find(|import| import["needs"] == "grant").unwrap();
    assert!(store["name"].as_str().unwrap().starts_with("wasi:keyvalue/"), "{store}");

    std::fs::write(path.with_extension("toml"), "publish = [\"stats.>\"]\n[grants]\nkv = true\n").unwrap();
    let words = place.ok(&["inspect", "count-topics.wasm"]);
    for expected in ["language     Rust", "filters      >, stats.topics.get", "publish      stats.>", "needs kv = true"]
    {
        assert!(words.contains(expected), "`{expected}` is not in {words}");
    }
    let unstarted = place.json(&["inspect", "count-topics.wasm", "--no-start"]);
    assert_eq!(unstarted["filters"], json!(null));
}

#[test]
fn what_does_not_start_or_is_no_component_says_why() {
    let place = Place::new();
    let wasm = place.plugin("p", &Guest::traps_in_init().binary(), "");
    let trapped = place.run(&["inspect", wasm.to_str().unwrap()]);
    assert_eq!(trapped.code(), Some(1));
    assert!(trapped.stdout.contains("not started") && trapped.stdout.contains("trap"), "{trapped:?}");
    std::fs::write(place.path().join("x.wasm"), "<html>").unwrap();
    let none = place.run(&["inspect", "x.wasm"]);
    assert!(none.stderr.contains("x.wasm") && none.stderr.contains("HTML"), "{}", none.stderr);
}
