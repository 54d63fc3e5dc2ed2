//! Components of other hosts on the command line: looked at, tried and explained.

use serde_json::json;

use crate::readme::built;
use crate::support::{Place, wait};

#[test]
fn a_component_of_other_hosts_is_inspected_and_tried() {
    let place = Place::new();
    let manifest = "filters = [\"order.>\"]\npublish = [\"enriched.>\"]\n";
    let wasm = place.plugin("enrich", &built::fixture_bytes("messaging-enrich"), manifest);
    let wasm = wasm.to_str().unwrap();
    let report = place.json(&["inspect", wasm]);
    assert_eq!((&report["contract"], &report["refused"]), (&json!("wasi:messaging@0.2.0-draft"), &json!(null)));
    assert_eq!((&report["filters"], &report["missing_grants"]), (&json!(["order.>"]), &json!([])));
    let words = place.ok(&["inspect", wasm]);
    assert!(
        words.lines().any(|line| line.starts_with("contract") && line.ends_with(" wasi:messaging@0.2.0-draft")),
        "{words}"
    );

    let report = place.json(&["check", wasm, "--topic", "order.placed", "--data", r#"{"total":3}"#]);
    assert_eq!((&report["outcome"], &report["contract"]), (&json!("acked"), &json!("wasi:messaging@0.2.0-draft")));
    assert_eq!(report["published"][0]["type"], "enriched.order.placed");
    assert_eq!(report["published"][0]["data"]["total"], 3);
    let failed = place.run(&["check", wasm, "--topic", "order.placed", "--data", "three"]);
    assert_eq!(failed.code(), Some(1));
    assert!(
        failed.stdout.contains("outcome    retry") && failed.stdout.contains("the order is no JSON object"),
        "{failed:?}"
    );
}

#[test]
fn without_filters_both_say_what_to_write_into_the_manifest() {
    let place = Place::new();
    let wasm = place.plugin("enrich", &built::fixture_bytes("messaging-enrich"), "");
    let wasm = wasm.to_str().unwrap();
    let tried = place.run(&["check", wasm, "--topic", "order.placed"]);
    let looked_at = place.run(&["inspect", wasm]);
    for (ended, text) in [(&tried, &tried.stderr), (&looked_at, &looked_at.stdout)] {
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        assert!(text.contains("has no `init` to register any in: write `filters = [\"…\"]` into"), "{text}");
    }
}

#[test]
fn what_it_was_denied_is_explained() {
    let place = Place::new();
    place.plugin("misuse", &built::fixture_bytes("messaging-misuse"), "filters = [\"in\"]\n");
    let daemon = place.daemon();
    for order in ["topic out.x", "topic out.x", "request"] {
        place.ok(&["emit", "in", order, "--content-type", "text/plain", "--request"]);
    }
    wait("all are handled", || (place.json(&["plugins", "inspect", "misuse"])["counters"]["acked"] == 3).then_some(()));
    let inspected = place.ok(&["plugins", "inspect", "misuse"]);
    assert!(inspected.contains("wasi:messaging@0.2.0-draft"), "{inspected}");
    let words = place.ok(&["plugins", "explain", "misuse"]);
    for expected in
        ["publish: nothing", "2 × publish: the `publish` filters", "1 × request: `request` is not served here"]
    {
        assert!(words.contains(expected), "`{expected}` is not in {words}");
    }
    daemon.stop();
}
