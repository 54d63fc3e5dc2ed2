use super::*;

const COMMAND: &str = "plugbus hook --socket /s";

const SETTINGS: &str = r#"{
    "zeta": 1.50,
    "hooks": {
        "Stop": [
            {"matcher": "", "hooks": [{"type": "command", "command": "say done"},  {"type": "prompt", "n": 1e3}]}
        ],
        "Made-up": "whatever"
    },
    "alpha": {"x":   [1,2]}
}
"#;

fn merged(text: &str) -> String {
    merge(text, COMMAND).unwrap().unwrap()
}

#[test]
fn the_block_has_every_documented_event_but_the_one_whose_hook_must_do_the_work() {
    let plugin = include_str!("../../../../../plugins/normalize-hooks/src/hook.rs");
    let table = plugin.split("const DOCUMENTED").nth(1).unwrap().split("];").next().unwrap();
    let documented: Vec<&str> = table.split("\n    (\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let wanted: Vec<&str> = documented.into_iter().filter(|event| *event != "WorktreeCreate").collect();
    assert_eq!(EVENTS, wanted);
    let block: Value = serde_json::from_str(&block(COMMAND).unwrap()).unwrap();
    let hooks = block["hooks"].as_object().unwrap();
    assert_eq!(hooks.len(), EVENTS.len());
    for event in EVENTS {
        assert_eq!(hooks[*event], json!([{ "hooks": [{ "type": "command", "command": COMMAND, "timeout": 5 }] }]));
    }
}

#[test]
fn what_is_there_stays_in_its_order_and_to_the_byte() {
    let text = merged(SETTINGS);
    for kept in [
        "    \"zeta\": 1.50,\n    \"hooks\": {\n        \"Stop\": [",
        r#"{"matcher": "", "hooks": [{"type": "command", "command": "say done"},  {"type": "prompt", "n": 1e3}]}"#,
        "\"Made-up\": \"whatever\"",
        "\"alpha\": {\"x\":   [1,2]}\n}\n",
    ] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["hooks"]["Stop"].as_array().unwrap().len(), 2);
}

#[test]
fn twice_is_once_and_removed_is_as_before() {
    for before in [SETTINGS, "{}\n", "", "{\"a\":1}", "{\"hooks\":{}}\n"] {
        let text = merged(before);
        assert!(merge(&text, COMMAND).unwrap().is_none(), "{text}");
        let removed = remove(&text).unwrap().unwrap();
        let value = |text: &str| serde_json::from_str::<Value>(if text.is_empty() { "{}" } else { text }).unwrap();
        let mut expected = value(before);
        if expected["hooks"] == json!({}) {
            expected.as_object_mut().unwrap().remove("hooks");
        }
        if expected["hooks"].is_null() {
            expected.as_object_mut().unwrap().remove("hooks");
        }
        assert_eq!(value(&removed), expected);
        assert!(remove(&removed).unwrap().is_none());
        assert_eq!(text.ends_with('\n'), before != "{\"a\":1}", "{text:?}");
    }
}

#[test]
fn hooks_of_another_place_version_or_matcher_are_replaced() {
    let old = [
        r#"[{"hooks":[{"type":"command","command":"'/o p/plugbus' hook --socket /old"}]}]"#,
        r#"[{"matcher":"Bash","hooks":[{"type":"command","command":"plugbus hook --socket /s","timeout":5}]}]"#,
        r#"[{"hooks":[{"type":"command","command":"plugbus hook","timeout":5},{"type":"command","command":"mine"}]}]"#,
    ];
    for groups in old {
        let text = merged(&format!("{{\"hooks\":{{\"Stop\":{groups},\"WorktreeCreate\":{groups}}}}}"));
        let value: Value = serde_json::from_str(&text).unwrap();
        let groups = value["hooks"]["Stop"].as_array().unwrap();
        assert_eq!(groups.last().unwrap(), &group(COMMAND));
        assert_eq!(groups.iter().filter(|group| has_ours(group)).count(), 1, "{text}");
        assert_eq!(groups.len(), 1 + usize::from(text.contains("mine")), "{text}");
        assert!(!value["hooks"]["WorktreeCreate"].to_string().contains("plugbus"), "{text}");
    }
}

#[test]
fn somebody_elses_hooks_are_not_ours() {
    for command in ["plugbus emit hook.raw", "myplugbus hook", "plugbus hooks", "echo plugbus hook", ""] {
        assert!(!is_ours(&hook(command)), "{command}");
    }
    for command in [
        "plugbus hook",
        " plugbus  hook --x",
        "/a/b/plugbus hook",
        "'/a b/plugbus' hook",
        r"'/it'\''s/plugbus' hook",
        "\"/a b/plugbus\" hook",
    ] {
        assert!(is_ours(&hook(command)), "{command}");
    }
}

#[test]
fn what_is_no_settings_file_is_refused_with_its_place() {
    let error = |text: &str| crate::failure::chain(&merge(text, COMMAND).unwrap_err());
    assert!(error("{\n  \"a\": 1,\n}").contains("line 3 column 1"), "{}", error("{\n  \"a\": 1,\n}"));
    assert!(error("[]").contains("expected an object"), "{}", error("[]"));
    assert!(error("{\"a\":1,\"a\":2}").contains("`a` stands there twice"));
    assert_eq!(error("{\"hooks\":[]}"), "`hooks` is not an object");
    assert_eq!(error("{\"hooks\":{\"Stop\":{}}}"), "`hooks.Stop` is not an array");
}
