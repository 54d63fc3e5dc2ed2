//! What the manifest takes, what it refuses, and what it says then.

use std::num::NonZeroU32;
use std::time::Duration;

use plugbus_bus::{OrderingKey, StateLimits, WhenFull};
use plugbus_sandbox::{DirMode, TracingLog};
use proptest::prelude::*;

use super::*;

mod secrets;

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(Path::new("plugins.d/p.toml"), text.as_bytes(), Path::new("plugins.d"))
}
fn good(text: &str) -> Manifest {
    parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}
fn bad(text: &str) -> String {
    parse(text).map(|_| ()).expect_err(text).to_string()
}

/// Tables of which there may be several: they have keys that must be there.
const IN_TABLES: [&str; 2] = ["grants.dirs", "secrets"];

/// A manifest with one key set.
fn with(key: &Key, value: &str) -> String {
    let lines = match key.section {
        "" => String::new(),
        "grants.dirs" => "[[grants.dirs]]\nhost = \"h\"\nguest = \"/g\"\n".into(),
        "secrets" => "[secrets.s]\nenv = \"S\"\norigins = [\"https://a.b\"]\n".into(),
        section => format!("[{section}]\n"),
    };
    format!("{lines}{} = {value}\n", key.name)
}

#[test]
fn everything_at_once_is_decoded() {
    let manifest = good(
        r#"
filters = ["hook.>", "plugbus.plugin.*"]
publish = ["out.*"]
instances = 4
fresh = true
ordering_key = "extension:session"
source = "hook/*"
tick_ms = 2500

[queue]
events_max = 10
bytes_max = 1_000_000
when_full = "drop-oldest"
dead_letter_drops = true

[retry]
attempts = 3
backoff_min_ms = 10
backoff_max_ms = 20
retry_after_max_ms = 30

[limits]
fuel_per_event = 1_000_000
deadline_ms = 250
memory_bytes = 0x100_0000
publishes_max = 3
publish_bytes = 4
kv_bytes = 5000
kv_value_bytes = 600
kv_key_bytes = 70
tcp_connects_max = 8
tcp_sockets_max = 0

[supervision]
budget = 2
window_ms = 1000
suspend_min_ms = 5
suspend_max_ms = 6

[grants]
config = true
kv = true
http = ["https://api.example.com", "http://127.0.0.1:8080"]
tcp = ["redis.example.com:6379", "[::1]:9000"]
env = { TOKEN = "hunter2" }

[[grants.dirs]]
host = "data"
guest = "/data"
mode = "read-write"

[[grants.dirs]]
host = "/srv/in"
guest = "/in"

[config]
url = "https://example.com"
list = [1, 2.5, true, { deep = 1979-05-27 }]
"#,
    );
    let filters: Vec<_> = manifest.filters.iter().map(Filter::as_str).collect();
    assert_eq!(filters, ["hook.>", "plugbus.plugin.*"]);
    assert_eq!((manifest.publish.len(), manifest.fresh), (1, true));
    assert_eq!(manifest.tick, Some(Duration::from_millis(2500)));
    let settings = &manifest.settings;
    assert_eq!(settings.concurrency, NonZeroU32::new(4).unwrap());
    assert_eq!(settings.ordering_key, Some(OrderingKey::Extension("session".into())));
    assert_eq!(settings.source.as_ref().map(|source| source.as_str().to_owned()).as_deref(), Some("hook/*"));
    assert_eq!((settings.queue_events_max.get(), settings.queue_bytes_max), (10, 1_000_000));
    assert_eq!((settings.when_full, settings.dead_letter_drops), (WhenFull::DropOldest, true));
    assert_eq!(settings.retry.attempts.get(), 3);
    assert_eq!(settings.retry.backoff_max, Duration::from_millis(20));
    assert_eq!((settings.outbox.events_max, settings.outbox.bytes_max), (3, 4));
    let state = StateLimits { key_bytes_max: 70, value_bytes_max: 600, total_bytes_max: 5000 };
    assert_eq!(settings.state, state);
    assert_eq!((manifest.limits.memory_bytes, manifest.limits.deadline), (0x100_0000, Duration::from_millis(250)));
    assert_eq!(manifest.supervision.suspend_max, Duration::from_millis(6));
    let grants = &manifest.grants;
    assert_eq!((grants.config, grants.kv, grants.http.len(), grants.env["TOKEN"].as_str()), (true, true, 2, "hunter2"));
    let endpoints: Vec<_> = grants.tcp.iter().map(ToString::to_string).collect();
    assert_eq!(endpoints, ["redis.example.com:6379", "[::1]:9000"]);
    assert_eq!((manifest.limits.tcp_connects_max, manifest.limits.tcp_sockets_max), (8, 0));
    assert_eq!(grants.dirs[0].host, Path::new("plugins.d/data"));
    assert_eq!((grants.dirs[0].mode, grants.dirs[1].mode), (DirMode::ReadWrite, DirMode::ReadOnly));
    assert_eq!(grants.dirs[1].host, Path::new("/srv/in"));
    let config: serde_json::Value = serde_json::from_str(&manifest.config_json).unwrap();
    assert_eq!(
        config,
        serde_json::json!({ "url": "https://example.com", "list": [1, 2.5, true, { "deep": "1979-05-27" }] })
    );
    let spec = manifest.to_spec("p", Arc::new(TracingLog), EventLimits::default());
    assert_eq!((spec.config_json.as_str(), spec.fresh), (manifest.config_json.as_str(), true));
    assert!(!format!("{manifest:?}").contains("hunter2"), "secrets are not shown");
    assert!(!format!("{manifest:?}").contains("example.com/"), "nor is the config");
}

#[test]
fn a_plugin_is_durable_where_it_can_be_unless_it_says_otherwise() {
    for (text, with_journal, without) in [
        ("", true, false),
        ("durable = true", true, true),
        ("durable = false", false, false),
        ("[queue]\nwhen_full = \"wait\"", true, false),
        ("[queue]\nwhen_full = \"drop_oldest\"", false, false),
        ("[queue]\nwhen_full = \"spill\"", true, true),
    ] {
        let manifest = good(text);
        assert_eq!((manifest.is_durable(true), manifest.is_durable(false)), (with_journal, without), "{text}");
    }
    let error = bad("durable = true\n[queue]\nwhen_full = \"refuse\"");
    assert!(error.contains("p.toml:3:") && error.contains("because `durable` is true"), "{error}");
    let error = bad("durable = false\n[queue]\nwhen_full = \"spill\"");
    assert!(error.contains("because `durable` is false"), "{error}");
}

#[test]
fn a_durable_plugin_begins_at_a_word_or_a_number() {
    for (text, start) in [("\"new\"", Start::New), ("\"earliest\"", Start::Earliest), ("17", Start::Seq(17))] {
        assert_eq!(good(&format!("start = {text}")).start, start);
    }
    for text in ["0", "-1", "\"17\"", "true"] {
        let error = bad(&format!("start = {text}"));
        assert!(error.contains("\"new\", \"earliest\" or the number of an event"), "{error}");
    }
}

#[test]
fn an_empty_manifest_is_the_default_and_the_documented_defaults_are_the_real_ones() {
    assert_eq!(good(""), Manifest::default());
    for key in KEYS.iter().filter(|key| !IN_TABLES.contains(&key.section)) {
        // What depends on the host has no literal.
        if key.default.contains(" where ") {
            continue;
        }
        let literal = match key.kind {
            Kind::Integer { .. } | Kind::Boolean | Kind::Choice(_) => key.default,
            Kind::Array { .. } if key.default == "[]" => "[]",
            Kind::Table if key.default == "{}" => "{}",
            _ => continue,
        };
        assert_eq!(good(&with(key, literal)), Manifest::default(), "{}.{}", key.section, key.name);
    }
}

#[test]
fn every_number_is_taken_at_its_bounds_and_refused_beyond_them() {
    for key in KEYS {
        let Kind::Integer { min, max, .. } = key.kind else { continue };
        // Of two that must be in order the other one is out of the way.
        let beside = match key.name {
            "backoff_max_ms" => "backoff_min_ms = 1\n",
            "backoff_min_ms" => "backoff_max_ms = 86400000\n",
            "suspend_max_ms" => "suspend_min_ms = 1\n",
            "suspend_min_ms" => "suspend_max_ms = 86400000\n",
            _ => "",
        };
        for number in [min, max] {
            assert!(parse(&(with(key, &number.to_string()) + beside)).is_ok(), "{} = {number}", key.name);
        }
        let beyond = [(min.checked_sub(1)).map(|n| n.to_string()), Some((max + 1).to_string())];
        let wrong = beyond.into_iter().flatten().chain(["-1", "1.5", "\"1\"", "true", "[]"].map(String::from));
        for value in wrong {
            let error = bad(&(with(key, &value) + beside));
            assert!(error.contains(&format!("from {min} to {max}")), "{error}");
        }
    }
}

#[test]
fn every_key_refuses_a_value_of_another_type() {
    for key in KEYS {
        let wrong = match key.kind {
            Kind::Integer { .. } | Kind::Boolean | Kind::Table => "\"text\"",
            Kind::Text | Kind::Choice(_) | Kind::Array { .. } => "7",
            Kind::Start => "true",
        };
        let text = match key.section {
            "grants.dirs" => format!("[[grants.dirs]]\n{} = {wrong}\n", key.name),
            "secrets" => format!("[secrets.s]\n{} = {wrong}\n", key.name),
            _ => with(key, wrong),
        };
        assert!(parse(&text).is_err(), "{text}");
    }
}

#[test]
fn an_error_names_file_line_column_and_the_nearest_right_key() {
    let table = [
        ("fresh = true\ninstanses = 2", "plugins.d/p.toml:2:1: unknown key `instanses`; did you mean `instances`?"),
        (
            "[limits]\nfuel-per-event = 1",
            "plugins.d/p.toml:2:1: unknown key `limits.fuel-per-event`; did you mean `limits.fuel_per_event`?",
        ),
        ("[limits]\nFuel_Per_Event = 1", "did you mean `limits.fuel_per_event`?"),
        ("[limts]\n", "plugins.d/p.toml:1:2: unknown key `limts`; did you mean `limits`?"),
        (
            "memory_bytes = 1",
            "plugins.d/p.toml:1:1: unknown key `memory_bytes`; did you mean `memory_bytes` in `[limits]`?",
        ),
        (
            "[limits]\ninstances = 1",
            "unknown key `limits.instances`; `instances` stands at the top of the file, before any table",
        ),
        (
            "[queue]\nxyzzy = 1",
            "unknown key `queue.xyzzy`; allowed here: events_max, bytes_max, when_full, wait_max_ms, dead_letter_drops",
        ),
        (
            "[[grants.dirs]]\nhost = \"a\"\nguset = \"/a\"",
            "plugins.d/p.toml:3:1: unknown key `grants.dirs.guset`; did you mean `grants.dirs.guest`?",
        ),
        (
            "[limits]\ndeadline_ms = 0",
            "plugins.d/p.toml:2:15: `limits.deadline_ms` is 0; expected a whole number of milliseconds from 1 to 3600000",
        ),
        (
            "instances = \"two\"",
            "p.toml:1:13: `instances` is \"two\"; expected a whole number of instances from 1 to 64",
        ),
        (
            "filters = [\"a\",\n  \"a..b\"]",
            "plugins.d/p.toml:2:3: `filters` is \"a..b\"; expected a topic filter, but this `a..b` has an empty token",
        ),
        ("filters = [\"a\", 7]", "p.toml:1:17: `filters` is 7; expected an array of at most 64 topic filters"),
        ("publish = [\"plugbus.x\"]", "outside of `plugbus.`"),
        (
            "ordering_key = \"extension:Bad\"",
            "`ordering_key` is \"extension:Bad\"; expected subject, source, topic or extension:NAME",
        ),
        ("[queue]\nwhen_full = \"drop\"", "expected one of \"wait\", \"drop_oldest\", \"drop_newest\", \"refuse\""),
        ("[queue]\nwhen_full = \"refuse\"\nwait_max_ms = 5", "`queue.wait_max_ms` is 5; expected no such key"),
        (
            "[retry]\nbackoff_min_ms = 50\nbackoff_max_ms = 20",
            "p.toml:2:18: `retry.backoff_min_ms` is 50; expected at most `backoff_max_ms`, which is 20",
        ),
        (
            "[supervision]\nsuspend_max_ms = 20",
            "`supervision.suspend_min_ms` is left out; expected at most `suspend_max_ms`, which is 20",
        ),
        ("[grants]\nhttp = [\"example.com\"]", "p.toml:2:9: `grants.http` is \"example.com\"; expected an origin"),
        (
            "[grants]\ntcp = [\"a:1\",\n \"b\"]",
            "p.toml:3:2: `grants.tcp` is \"b\"; expected a host and port, but `b` is not an endpoint: it has no port",
        ),
        (
            "[grants]\ntcp = \"a:1\"",
            "p.toml:2:7: `grants.tcp` is \"a:1\"; expected an array of at most 64 hosts with ports",
        ),
        ("[grants]\ntcp = [6379]", "p.toml:2:8: `grants.tcp` is 6379; expected an array"),
        ("[[grants.dirs]]\nhost = \"a\"", "p.toml:1:1: key `grants.dirs.guest` is missing"),
        ("[[grants.dirs]]\nhost = \"a\"\nguest = \"a\"", "expected an absolute path"),
        ("[[grants.dirs]]\nhost = \"a\"\nguest = \"/a/../b\"", "expected an absolute path"),
        ("[grants]\ndirs = [{host=\"a\",guest=\"/a\"},{host=\"b\",guest=\"/a\"}]", "no other of the folders"),
        ("[grants.env]\n\"A=B\" = \"x\"", "neither `=` nor NUL"),
        ("[grants.env]\nA = 7", "p.toml:2:5: `grants.env` is of type integer for `A`; expected text"),
        ("[config]\nx = nan", "`config` is nan; expected a number that JSON has"),
        ("[config]\nx = 99999999999999999999", "expected a whole number of at most 64 bits"),
        ("a = = 1", "plugins.d/p.toml:1:"),
        ("a = b", "p.toml:1:5: not valid TOML: string values must be quoted, expected literal string"),
        ("a = b\"", "p.toml:1:5: not valid TOML: missing opening quote, expected `\"`"),
        ("x = 1\nx = 2", "p.toml:2:1: not valid TOML: duplicate key"),
        ("\"grüße\" = 1\nx = 1\n", "p.toml:1:1: "),
        ("filters = [\"ü\", 7]", "p.toml:1:17: "),
    ];
    for (text, expected) in table {
        let error = bad(text);
        assert!(error.contains(expected), "{text}\n  said:     {error}\n  expected: {expected}");
    }
}

#[test]
fn secrets_are_not_quoted() {
    let error = bad("[grants.env]\nTOKEN = \"hunter2\\u0000\"");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn what_is_quoted_is_cut_and_escaped() {
    let error = bad(&format!("\"{}\\u001b[31m\" = 1", "x".repeat(5000)));
    assert!(error.len() < 1000 && !error.contains('\u{1b}'), "{error}");
    let error = bad("instances = \"\\u001b[31m\"");
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[test]
fn size_encoding_counts_and_depth_are_bounded() {
    let max = "#".repeat(MANIFEST_BYTES_MAX);
    assert!(parse(&max).is_ok());
    assert!(bad(&(max + "#")).contains("at most 262144 are allowed"));
    let error = Manifest::parse(Path::new("p.toml"), b"a = 1\n\xff", Path::new("")).unwrap_err();
    assert_eq!((error.line, error.column, error.problem), (2, 1, Problem::NotText));
    let list = |count| format!("filters = [{}]", "\"a\",".repeat(count));
    assert_eq!(good(&list(FILTERS_MAX)).filters.len(), FILTERS_MAX);
    assert!(bad(&list(FILTERS_MAX + 1)).contains("an array of 65 elements; expected an array of at most 64"));
    let nested = |depth| format!("[config]\nx = {}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(31)).is_ok());
    assert!(bad(&nested(32)).contains("at most 32"));
    // Far deeper: the parser itself must not run out of stack.
    assert!(parse(&nested(100_000)).is_err());
    let variables = |count| (0..count).fold("[grants.env]\n".into(), |text, n| format!("{text}V{n} = \"\"\n"));
    let variables: (String, String) = (variables(GRANTS_MAX), variables(GRANTS_MAX + 1));
    assert!(parse(&variables.0).is_ok() && bad(&variables.1).contains("at most 64 variables"));
}

#[test]
fn the_reference_in_the_documentation_is_the_table_of_keys() {
    let shown = include_str!("reference.md");
    let real = reference();
    if shown != real && std::env::var_os("PLUGBUS_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest/reference.md");
        std::fs::write(path, &real).unwrap();
        return;
    }
    assert_eq!(shown, real, "run this test with PLUGBUS_BLESS=1 to write the reference anew");
}

#[test]
fn every_key_has_bounds_a_default_and_a_meaning() {
    for key in KEYS {
        assert!(key.about.ends_with('.') && !key.default.is_empty(), "{}", key.name);
        assert_eq!(KEYS.iter().filter(|k| (k.section, k.name) == (key.section, key.name)).count(), 1);
        if let Kind::Integer { min, max, .. } = key.kind {
            assert!(min < max, "{}", key.name);
        }
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        "\"[ -~]{0,12}\"",
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        "\\[\"[a-z.*>]{0,8}\", ?[0-9]?\\]",
    ];
    (prop::sample::select(KEYS), value).prop_map(|(key, value)| with(&key, &value))
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Manifest::parse(Path::new("p.toml"), &bytes, Path::new("d"));
    }

    #[test]
    fn no_text_panics_and_places_are_inside_it(text in "[a-z_\\[\\]{}=\"'#.,\\n 0-9é]{0,200}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
        }
    }

    #[test]
    fn no_combination_of_keys_and_values_panics(lines in prop::collection::vec(any_line(), 0..6)) {
        let _ = parse(&lines.concat());
    }
}
