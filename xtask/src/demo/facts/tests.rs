use serde_json::json;

use super::*;

#[test]
fn plugins_that_run_are_told_from_those_that_were_refused() {
    let counters = json!({
        "matched": 9, "attempts": 8, "acked": 5, "retried": 1, "dead": 2, "waiting": 1, "in_flight": 1,
        "faults_by_kind": [["trap", 3]], "handler_ns_total": 70, "handler_ns_max": 40,
    });
    let fault = |message: &str| json!({ "kind": "trap", "limit": null, "message": message });
    let list = json!([
        { "name": "a", "state": "running", "generation": 2, "counters": counters,
          "last_faults": [fault("one"), fault("two")] },
        { "name": "b", "state": "rejected", "last_faults": [],
          "last_rejection": { "kind": "compile", "cause": "not wasm" } },
    ]);
    let (plugins, rejections) = plugins(&list).unwrap();
    assert_eq!((plugins[0].matched, plugins[0].waiting, plugins[0].faults["trap"]), (9, 1, 3));
    assert_eq!(plugins[0].last_fault.as_ref().unwrap().message, "two");
    assert_eq!((plugins.len(), rejections[0].cause.as_str()), (1, "not wasm"));
}

#[test]
fn dead_letters_are_of_plugins_or_of_nobody() {
    let list = json!([
        { "subscription": "plugin/a", "kind": "exhausted", "reason": "r" },
        { "subscription": null, "kind": "too-many-hops", "reason": "r" },
    ]);
    let letters = dead_letters(&list).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.plugin.as_str()).collect::<Vec<_>>(), ["a", "nobody"]);
}
