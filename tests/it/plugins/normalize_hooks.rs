//! `normalize-hooks` on all recorded hooks.

use serde_json::{Map, Value, json};

use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::shipped;

/// Loads it as it is shipped.
pub(super) async fn load(host: &TestHost) {
    host.put_plugin("normalize-hooks", shipped::component("normalize-hooks"), &shipped::manifest("normalize-hooks"));
    host.until_running("normalize-hooks").await;
}

/// The recorded names that are not of one word, as topics have them.
const TOKENS: &[(&str, &str)] = &[
    ("PreToolUse", "pre-tool-use"),
    ("PostToolUse", "post-tool-use"),
    ("UserPromptSubmit", "user-prompt-submit"),
    ("SubagentStart", "subagent-start"),
    ("SubagentStop", "subagent-stop"),
    ("SessionStart", "session-start"),
    ("SessionEnd", "session-end"),
    ("PreCompact", "pre-compact"),
    ("TodoWrite", "todo-write"),
    ("WebFetch", "web-fetch"),
    ("WebSearch", "web-search"),
    ("mcp__github__create_issue", "mcp-github-create-issue"),
    ("mcp__github__list_pull_requests", "mcp-github-list-pull-requests"),
    ("idle_prompt", "idle-prompt"),
    ("permission_prompt", "permission-prompt"),
    ("prompt_input_exit", "prompt-input-exit"),
];

fn token(name: &str) -> String {
    TOKENS.iter().find(|(known, _)| *known == name).map_or_else(|| name.to_lowercase(), |(_, token)| (*token).into())
}

/// What must become of a hook, but for the time: the topic and the data.
fn expected(hook: &str) -> (String, Map<String, Value>) {
    let mut hook: Map<String, Value> = serde_json::from_str(hook).unwrap();
    let mut take = |name: &str| hook.remove(name).unwrap();
    let (name, session, cwd) = (take("hook_event_name"), take("session_id"), take("cwd"));
    let name = name.as_str().unwrap();
    let subtype = match name {
        "SubagentStart" | "SubagentStop" => hook.get("agent_type"),
        "Notification" => hook.get("notification_type"),
        "SessionStart" => hook.get("source"),
        "SessionEnd" => hook.get("reason"),
        "PreCompact" => hook.get("trigger"),
        _ => hook.get("tool_name"),
    };
    let subtype = subtype.map(|subtype| token(subtype.as_str().unwrap()));
    let mut topic = format!("hook.{}", token(name));
    if hook.contains_key("tool_name") {
        topic = format!("{topic}.{}", subtype.as_ref().unwrap());
    }
    let data = json!({
        "source": "claude-code", "type": token(name), "subtype": subtype, "session": session, "cwd": cwd, "data": hook,
    });
    (topic, data.as_object().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_hook_becomes_one_event_of_the_schema_in_order() {
    let host = TestHost::start().await;
    load(&host).await;
    let out = Recorder::on(host.bus(), "hook.>");
    let hooks = shipped::hooks();
    assert!(hooks.len() >= 200);
    for hook in &hooks {
        host.publish("hook.raw", hook.as_str()).await;
    }
    host.until("every hook has been handled", || host.stats("normalize-hooks").acked == hooks.len() as u64).await;

    let published = out.all();
    let published: Vec<_> = published.iter().filter(|event| event.topic.as_str() != "hook.raw").collect();
    assert_eq!(published.len(), hooks.len());
    for (hook, event) in hooks.iter().zip(published) {
        let (topic, wanted) = expected(hook);
        let mut data: Map<String, Value> = event.payload.parse().unwrap();
        let timestamp = data.remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        assert_eq!((event.topic.as_str(), &data), (topic.as_str(), &wanted));
        assert_eq!(event.extension("session"), wanted["session"].as_str());
        assert_eq!((&*event.source, event.hops), ("plugin/normalize-hooks", 1));
    }
    let stats = host.stats("normalize-hooks");
    assert_eq!((stats.attempts, stats.dead), (stats.acked, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_hook_becomes_a_dead_letter_that_says_so() {
    let host = TestHost::start().await;
    load(&host).await;
    for (text, says) in [
        ("not json", "expected"),
        ("{}", "`hook_event_name` is missing"),
        (r#"{"hook_event_name":"Stop"}"#, "`session_id` is missing"),
    ] {
        let before = host.told.json("plugbus.delivery.dead").len();
        host.settle("hook.raw", text).await;
        let letters = host.told.json("plugbus.delivery.dead");
        assert_eq!(letters.len(), before + 1, "{text}");
        assert_eq!(letters[before]["kind"], "rejected");
        assert!(letters[before]["reason"].as_str().unwrap().contains(says), "{}", letters[before]);
    }
    host.stop().await;
}
