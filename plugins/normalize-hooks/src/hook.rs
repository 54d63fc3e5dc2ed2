//! A hook's input, as the public documentation of Claude Code describes it.

use std::collections::BTreeMap;

use plugbus_sdk::prelude::*;
use plugbus_sdk::topic;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::schema::Normalized;

/// Most bytes in the name of an event or a session's id; longer ones are no such thing.
const NAME_BYTES_MAX: usize = 128;

/// The documented events, and the member of each that says what the type leaves open: the one that a matcher in Claude
/// Code's settings looks at, where there is one.
const DOCUMENTED: &[(&str, Option<&str>)] = &[
    ("SessionStart", Some("source")),
    ("Setup", Some("trigger")),
    ("UserPromptSubmit", None),
    ("UserPromptExpansion", Some("command_name")),
    ("PreToolUse", Some("tool_name")),
    ("PermissionRequest", Some("tool_name")),
    ("PermissionDenied", Some("tool_name")),
    ("PostToolUse", Some("tool_name")),
    ("PostToolUseFailure", Some("tool_name")),
    ("PostToolBatch", None),
    ("Notification", Some("notification_type")),
    ("MessageDisplay", None),
    ("SubagentStart", Some("agent_type")),
    ("SubagentStop", Some("agent_type")),
    ("TaskCreated", None),
    ("TaskCompleted", None),
    ("Stop", None),
    ("StopFailure", Some("error")),
    ("TeammateIdle", None),
    ("InstructionsLoaded", Some("load_reason")),
    ("ConfigChange", Some("source")),
    ("CwdChanged", None),
    ("FileChanged", Some("event")),
    ("WorktreeCreate", None),
    ("WorktreeRemove", None),
    ("PreCompact", Some("trigger")),
    ("PostCompact", Some("trigger")),
    ("Elicitation", Some("mcp_server_name")),
    ("ElicitationResult", Some("mcp_server_name")),
    ("SessionEnd", Some("reason")),
];

/// One hook's input.
#[derive(Debug)]
pub(crate) struct Hook {
    /// `hook_event_name`, as it came.
    pub(crate) name: String,
    /// Whether the plugin knows this event.
    pub(crate) is_documented: bool,
    kind: String,
    subtype: Option<String>,
    is_about_tool: bool,
    session: String,
    cwd: Option<String>,
    /// The other members, untouched.
    rest: BTreeMap<String, Box<RawValue>>,
}

impl Hook {
    /// Reads a hook's input. It must be an object with `hook_event_name` and `session_id`; everything else is optional.
    pub(crate) fn parse(event: &Event) -> Result<Self> {
        let mut rest: BTreeMap<String, Box<RawValue>> = event.json()?;
        let name: String = required(&mut rest, "hook_event_name")?;
        let session: String = required(&mut rest, "session_id")?;
        let cwd: Option<String> = optional(&mut rest, "cwd")?;
        let kind = topic::token(&name).ok_or_else(|| {
            Failure::reject(format!("hook: `hook_event_name` has no letter or digit: `{}`", name.escape_debug()))
        })?;
        let documented = DOCUMENTED.iter().find(|(known, _)| *known == name);
        let is_about_tool = rest.contains_key("tool_name");
        let member = match documented {
            Some((_, member)) => *member,
            None => is_about_tool.then_some("tool_name"),
        };
        let subtype = member.and_then(|member| text(&rest, member)).and_then(|text| topic::token(&text));
        Ok(Self { is_documented: documented.is_some(), name, kind, subtype, is_about_tool, session, cwd, rest })
    }

    /// `<prefix>.<type>`, and `.<tool>` where the hook is about a tool. An event that is not documented goes under
    /// `<prefix>.unknown`: its name comes from outside, and must not meet a topic that means something else.
    pub(crate) fn topic(&self, prefix: &str) -> String {
        let unknown = if self.is_documented { "" } else { "unknown." };
        let mut topic = format!("{prefix}.{unknown}{}", self.kind);
        if let (true, Some(tool)) = (self.is_about_tool, &self.subtype) {
            topic.push('.');
            topic.push_str(tool);
        }
        topic
    }

    /// The hook in the one schema.
    pub(crate) fn normalize(self, source: &str, timestamp: String) -> Normalized<'_> {
        let Self { kind, subtype, session, cwd, rest: data, .. } = self;
        Normalized { source, kind, subtype, session, cwd, timestamp, data }
    }
}

/// Takes out a member that every hook has: text of 1 to 128 bytes without control characters.
fn required(members: &mut BTreeMap<String, Box<RawValue>>, name: &str) -> Result<String> {
    let text: String = optional(members, name)?.ok_or_else(|| {
        Failure::reject(format!("hook: `{name}` is missing; is this the JSON of a Claude Code hook?"))
    })?;
    if (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    Err(Failure::reject(format!(
        "hook: `{name}` has {} bytes or a control character; 1 to {NAME_BYTES_MAX} bytes of plain text are allowed",
        text.len()
    )))
}

/// Takes out a member that may be missing or `null`.
fn optional<T: DeserializeOwned>(members: &mut BTreeMap<String, Box<RawValue>>, name: &str) -> Result<Option<T>> {
    let Some(value) = members.remove(name) else { return Ok(None) };
    serde_json::from_str(value.get()).map_err(|error| Failure::reject(format!("hook: `{name}`: {error}")))
}

/// A member's text, if it has one. It stays where it is.
fn text(members: &BTreeMap<String, Box<RawValue>>, name: &str) -> Option<String> {
    members.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}
