use plugbus_sdk::testing::{self, Host, Published};

use super::*;

fn host() -> Host<NormalizeHooks> {
    let mut host = Host::new(json!({})).unwrap();
    host.grant_publish(&["hook.>"]);
    host
}

fn raw(hook: &Value) -> testing::EventBuilder {
    testing::event("hook.raw").json(hook).time_ns(1_795_426_215_250_000_000)
}

fn normalized(hook: &Value) -> Published {
    let mut host = host();
    host.send(raw(hook)).unwrap();
    let mut published = host.take_published();
    assert_eq!(published.len(), 1);
    published.remove(0)
}

/// A hook with what every hook has, and more.
fn hook(name: &str, more: Value) -> Value {
    let mut hook = json!({
        "session_id": "00893aaf-19fa-41d2-8238-13269b9b3ca0",
        "transcript_path": "/home/dev/.claude/projects/-home-dev-app/00893aaf.jsonl",
        "cwd": "/home/dev/app",
        "permission_mode": "default",
        "hook_event_name": name,
    });
    for (key, value) in more.as_object().unwrap() {
        hook[key] = value.clone();
    }
    hook
}

#[test]
fn every_documented_hook_has_its_topic_and_subtype() {
    let tool = |name: &str| json!({ "tool_name": name, "tool_input": {}, "tool_use_id": "toolu_01" });
    let table = [
        ("PreToolUse", tool("Bash"), "hook.pre-tool-use.bash", Some("bash")),
        ("PreToolUse", tool("WebFetch"), "hook.pre-tool-use.web-fetch", Some("web-fetch")),
        ("PostToolUse", tool("TodoWrite"), "hook.post-tool-use.todo-write", Some("todo-write")),
        (
            "PostToolUse",
            tool("mcp__github__create_issue"),
            "hook.post-tool-use.mcp-github-create-issue",
            Some("mcp-github-create-issue"),
        ),
        ("PostToolUseFailure", tool("Edit"), "hook.post-tool-use-failure.edit", Some("edit")),
        ("PermissionRequest", tool("Write"), "hook.permission-request.write", Some("write")),
        ("UserPromptSubmit", json!({ "prompt": "hi" }), "hook.user-prompt-submit", None),
        ("Stop", json!({ "stop_hook_active": false }), "hook.stop", None),
        ("SubagentStop", json!({ "agent_type": "Explore" }), "hook.subagent-stop", Some("explore")),
        ("SubagentStop", json!({ "stop_hook_active": true }), "hook.subagent-stop", None),
        (
            "Notification",
            json!({ "message": "m", "notification_type": "permission_prompt" }),
            "hook.notification",
            Some("permission-prompt"),
        ),
        ("SessionStart", json!({ "source": "startup" }), "hook.session-start", Some("startup")),
        ("SessionEnd", json!({ "reason": "prompt_input_exit" }), "hook.session-end", Some("prompt-input-exit")),
        ("PreCompact", json!({ "trigger": "auto", "custom_instructions": "" }), "hook.pre-compact", Some("auto")),
        ("PostCompact", json!({ "trigger": "manual" }), "hook.post-compact", Some("manual")),
        ("PermissionDenied", tool("Bash"), "hook.permission-denied.bash", Some("bash")),
        ("PostToolBatch", json!({ "tool_calls": [{ "tool_name": "Read" }] }), "hook.post-tool-batch", None),
        ("UserPromptExpansion", json!({ "command_name": "review" }), "hook.user-prompt-expansion", Some("review")),
        ("Setup", json!({ "trigger": "init" }), "hook.setup", Some("init")),
        ("SubagentStart", json!({ "agent_type": "Plan" }), "hook.subagent-start", Some("plan")),
        ("StopFailure", json!({ "error": "rate_limit" }), "hook.stop-failure", Some("rate-limit")),
        ("TaskCreated", json!({ "task_id": "1" }), "hook.task-created", None),
        ("TaskCompleted", json!({ "task_id": "1" }), "hook.task-completed", None),
        ("TeammateIdle", json!({ "teammate_name": "t" }), "hook.teammate-idle", None),
        ("MessageDisplay", json!({}), "hook.message-display", None),
        (
            "InstructionsLoaded",
            json!({ "file_path": "/p/CLAUDE.md", "load_reason": "session_start" }),
            "hook.instructions-loaded",
            Some("session-start"),
        ),
        ("ConfigChange", json!({ "source": "user_settings" }), "hook.config-change", Some("user-settings")),
        ("CwdChanged", json!({ "old_cwd": "/a", "new_cwd": "/b" }), "hook.cwd-changed", None),
        ("FileChanged", json!({ "file_path": "/a", "event": "unlink" }), "hook.file-changed", Some("unlink")),
        ("WorktreeCreate", json!({ "name": "w" }), "hook.worktree-create", None),
        ("WorktreeRemove", json!({ "worktree_path": "/w" }), "hook.worktree-remove", None),
        ("Elicitation", json!({ "mcp_server_name": "memory" }), "hook.elicitation", Some("memory")),
        ("ElicitationResult", json!({ "mcp_server_name": "memory" }), "hook.elicitation-result", Some("memory")),
    ];
    for (name, more, topic, subtype) in table {
        let event = normalized(&hook(name, more));
        let data: Value = event.json().unwrap();
        assert_eq!((event.topic.as_str(), data["subtype"].as_str()), (topic, subtype), "{name}");
        assert_eq!(event.topic.split('.').nth(1), data["type"].as_str());
    }
}

#[test]
fn the_schema_is_one_and_keeps_what_it_does_not_know() {
    let event = normalized(&hook("Stop", json!({ "stop_hook_active": false, "new_in_3": { "a": [1, null] } })));
    let expected = json!({
        "source": "claude-code",
        "type": "stop",
        "subtype": null,
        "session": "00893aaf-19fa-41d2-8238-13269b9b3ca0",
        "cwd": "/home/dev/app",
        "timestamp": "2026-11-23T09:30:15.25Z",
        "data": {
            "transcript_path": "/home/dev/.claude/projects/-home-dev-app/00893aaf.jsonl",
            "permission_mode": "default",
            "stop_hook_active": false,
            "new_in_3": { "a": [1, null] },
        },
    });
    assert_eq!(event.json::<Value>().unwrap(), expected);
    assert_eq!(event.extension("session"), Some("00893aaf-19fa-41d2-8238-13269b9b3ca0"));
    assert_eq!(event.payload.content_type, "application/json");
}

#[test]
fn only_a_build_with_the_stamp_names_itself() {
    let event = normalized(&hook("Stop", json!({})));
    assert_eq!(event.extension("normalizer"), cfg!(feature = "stamp").then_some(STAMP));
}

#[test]
fn data_passes_byte_for_byte() {
    let text = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"X","tool_input":{"z":1.10,"a":12345678901234567890123}}"#;
    let mut host = host();
    host.send(testing::event("hook.raw").raw_json(text)).unwrap();
    let published = host.published()[0].payload.to_text();
    assert!(published.contains(r#""tool_input":{"z":1.10,"a":12345678901234567890123}"#), "{published}");
    assert!(published.contains(r#""cwd":null"#), "{published}");
}

#[test]
fn an_event_that_is_not_documented_goes_under_unknown() {
    let table = [
        ("InventedLater", json!({}), "hook.unknown.invented-later"),
        ("BeforeTool", json!({ "tool_name": "Bash" }), "hook.unknown.before-tool.bash"),
        ("raw", json!({}), "hook.unknown.raw"),
        ("plugbus.x *>", json!({}), "hook.unknown.plugbus-x"),
    ];
    for (name, more, topic) in table {
        assert_eq!(normalized(&hook(name, more)).topic, topic);
    }
}

#[test]
fn odd_subtypes_and_tools_still_make_a_topic() {
    for odd in [json!(null), json!(3), json!(""), json!("…"), json!({})] {
        let event = normalized(&hook("PreToolUse", json!({ "tool_name": odd })));
        assert_eq!(event.topic, "hook.pre-tool-use", "{odd}");
        assert_eq!(event.json::<Value>().unwrap()["data"]["tool_name"], odd);
    }
    let long = normalized(&hook("PreToolUse", json!({ "tool_name": "x".repeat(10_000) })));
    assert!(long.topic.len() < 100);
}

#[test]
fn what_is_no_hook_is_rejected_with_the_reason() {
    let table = [
        ("", "event on `hook.raw`: no JSON: EOF while parsing"),
        ("[]", "event on `hook.raw`: invalid type: sequence, expected a map"),
        ("{}", "hook: `hook_event_name` is missing; is this"),
        (r#"{"hook_event_name":"Stop"}"#, "hook: `session_id` is missing; is this"),
        (r#"{"hook_event_name":null,"session_id":"s"}"#, "hook: `hook_event_name` is missing"),
        (
            r#"{"hook_event_name":7,"session_id":"s"}"#,
            "hook: `hook_event_name`: invalid type: integer `7`, expected a string",
        ),
        (r#"{"hook_event_name":"…","session_id":"s"}"#, "hook: `hook_event_name` has no letter or digit"),
        (r#"{"hook_event_name":"Stop","session_id":""}"#, "hook: `session_id` has 0 bytes"),
        (r#"{"hook_event_name":"Stop","session_id":"a\nb"}"#, "hook: `session_id` has 3 bytes or a control character"),
        (r#"{"hook_event_name":"Stop","session_id":"s","cwd":[1]}"#, "hook: `cwd`: invalid type: sequence"),
    ];
    for (text, reason) in table {
        let mut host = host();
        let failure = host.send(testing::event("hook.raw").raw_json(text)).unwrap_err();
        assert!(!failure.is_retry() && failure.reason().starts_with(reason), "{text}: {failure}");
        assert!(host.published().is_empty());
    }
}

#[test]
fn source_and_prefix_come_from_the_config() {
    let mut host = Host::<NormalizeHooks>::new(json!({ "source": "my-agent", "prefix": "agent.hook" })).unwrap();
    host.send(raw(&hook("Stop", json!({})))).unwrap();
    let event = &host.published()[0];
    assert_eq!(
        (event.topic.as_str(), &event.json::<Value>().unwrap()["source"]),
        ("agent.hook.stop", &json!("my-agent"))
    );
    let refused = Host::<NormalizeHooks>::new(json!({ "prefix": "a..b" })).unwrap_err();
    assert_eq!(refused.reason(), "config: key `prefix` has an empty token at position 2");
}

#[test]
fn every_recorded_hook_passes() {
    let mut host = host();
    let recorded = include_str!("../../../tests/data/hooks.jsonl");
    for (line, number) in recorded.lines().zip(1..) {
        let sent = host.send(testing::event("hook.raw").raw_json(line));
        assert_eq!(sent, Ok(None), "line {number}");
    }
    let published = host.published();
    assert_eq!(published.len(), recorded.lines().count());
    assert!(published.len() >= 220);
    assert!(published.iter().all(|event| !event.topic.starts_with("hook.unknown")));
}
