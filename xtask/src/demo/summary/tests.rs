use super::super::samples;
use super::super::verdict;
use super::*;

#[test]
fn the_last_line_has_what_programs_ask_for() {
    let facts = samples::facts();
    let summary = in_json(&facts, &verdict::problems(&facts));
    let expected = [
        ("/events_in", json!(4)),
        ("/handled/log-jsonl", json!(8)),
        ("/handled/traps", json!(0)),
        ("/faults", json!({ "trap": 2, "fuel": 2 })),
        ("/rejected", json!({ "not-a-component": "compile" })),
        ("/dead_letters", json!(4)),
        ("/reloads", json!(1)),
        ("/lost", json!(0)),
        ("/handler_time/log-jsonl", json!({ "mean_us": 1500, "max_us": 2000 })),
        ("/time_through_normalize_hooks", json!({ "mean_us": 1000, "max_us": 1000 })),
        ("/time_to_webhook", json!({ "mean_us": 35_000, "max_us": 50_000 })),
        ("/problems", json!([])),
    ];
    for (pointer, value) in expected {
        assert_eq!(summary.pointer(pointer), Some(&value), "{pointer} in {summary}");
    }
    assert!(!summary.to_string().contains('\n'));
}

#[test]
fn what_was_lost_shows_in_both() {
    let mut facts = samples::facts();
    facts.logged.truncate(5);
    assert_eq!(in_json(&facts, &[])["lost"], 3);
    assert!(in_words(&facts, &[]).contains("\nLost: 3\n"));
}

#[test]
fn people_see_who_faulted_and_why() {
    let text = in_words(&samples::facts(), &[]);
    for expected in [
        "4 hooks went in, 4 more events came from plugins.",
        "hooks 1 to 2 came out of the old build, 3 to 4 out of the changed one",
        "  spins: 2 × fuel (limit: 7 fuel)",
        "  not-a-component: refused (compile): no component",
        "  traps: 2 × exhausted: r",
        "each came once, the normalized hooks in their order",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn times_are_shown_in_milliseconds() {
    assert_eq!((ms(0), ms(1_234_567), ms(12_000_999)), ("0.000".into(), "1.234".into(), "12.000".into()));
    assert_eq!(Times::of(&[]), Times::default());
}

#[test]
fn nothing_is_said_to_fit_that_does_not() {
    let text = in_words(&samples::facts(), &["one".to_owned(), "two".to_owned()]);
    assert!(text.contains("does NOT add up, see the problems below: 2") && !text.contains("each came once"), "{text}");
}
