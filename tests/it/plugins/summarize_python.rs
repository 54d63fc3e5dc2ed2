//! `summarize-python`, a plugin in Python, behind `normalize-hooks`, on all recorded hooks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::normalize_hooks;
use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::shipped;

/// What the records say of a session.
#[derive(Default)]
struct Session {
    prompts: u64,
    tools: BTreeMap<String, u64>,
    end_reason: String,
}

fn recorded() -> BTreeMap<String, Session> {
    let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
    for hook in shipped::hooks() {
        let hook: Value = serde_json::from_str(&hook).unwrap();
        let text = |name: &str| hook[name].as_str().unwrap_or_default().to_owned();
        let session = sessions.entry(text("session_id")).or_default();
        match text("hook_event_name").as_str() {
            "UserPromptSubmit" => session.prompts += 1,
            "PostToolUse" => *session.tools.entry(text("tool_name")).or_default() += 1,
            "SessionEnd" => session.end_reason = text("reason").replace('_', "-"),
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
        let session = &expected[summary["session"].as_str().unwrap()];
        let tools = summary["tools"].as_object().unwrap().iter();
        let tools: BTreeMap<_, _> = tools.map(|(name, tool)| (name.clone(), tool["calls"].as_u64().unwrap())).collect();
        assert_eq!(tools, session.tools, "{summary}");
        assert_eq!(
            (&summary["prompts"], &summary["end_reason"]),
            (&session.prompts.into(), &session.end_reason.as_str().into())
        );
    }
    assert_eq!(host.stats("summarize-python").dead, 0, "{}", host.told.describe());
    assert_eq!(host.ask("session.summary.get", json!({ "session": "gone" }).to_string()).await, "null");
    host.stop().await;
}
