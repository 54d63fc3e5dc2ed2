//! `summarize-python`, a plugin in Python, behind `normalize-hooks`, on all recorded hooks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::normalize_hooks;
use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::shipped;

/// For each session: its prompts, and the calls of its tools.
fn recorded() -> BTreeMap<String, (u64, BTreeMap<String, u64>)> {
    let mut sessions = BTreeMap::new();
    for hook in shipped::hooks() {
        let hook: Value = serde_json::from_str(&hook).unwrap();
        let text = |name: &str| hook[name].as_str().unwrap_or_default().to_owned();
        let (prompts, tools): &mut (u64, BTreeMap<String, u64>) = sessions.entry(text("session_id")).or_default();
        match text("hook_event_name").as_str() {
            "UserPromptSubmit" => *prompts += 1,
            "PostToolUse" => *tools.entry(text("tool_name")).or_default() += 1,
            _ => {}
        }
    }
    sessions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_recorded_session_is_summarized_once_when_it_ends() {
    if !shipped::is_there("python") {
        return;
    }
    let host = TestHost::start().await;
    normalize_hooks::load(&host).await;
    host.put_plugin(
        "summarize-python",
        shipped::component("summarize-python"),
        &shipped::patient_manifest("summarize-python"),
    );
    host.until_compiled("summarize-python").await;
    let out = Recorder::on(host.bus(), "session.summary");
    let expected = recorded();
    for hook in shipped::hooks() {
        host.publish("hook.raw", hook).await;
    }
    host.until("every session has its summary", || out.count() == expected.len()).await;

    for summary in out.json("session.summary") {
        let (prompts, tools) = &expected[summary["session"].as_str().unwrap()];
        assert_eq!(summary["prompts"], *prompts, "{summary}");
        let calls: BTreeMap<String, u64> = summary["tools"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, tool)| (name.clone(), tool["calls"].as_u64().unwrap()))
            .collect();
        assert_eq!(&calls, tools, "{summary}");
        assert_eq!(summary["end_reason"], "prompt-input-exit");
    }
    assert_eq!(host.stats("summarize-python").dead, 0, "{}", host.told.describe());
    assert_eq!(host.ask("session.summary.get", json!({ "session": "gone" }).to_string()).await, "null");
    host.stop().await;
}
