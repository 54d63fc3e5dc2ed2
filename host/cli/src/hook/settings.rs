//! The hooks in the settings of Claude Code: merged in, taken out, and everything else as it stands there. Pure.
//!
//! The levels that are changed (the settings, their `hooks`, an event's list, a group) are written anew, in the order they had;
//! every other value is carried over as text, byte for byte.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::PrettyFormatter;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// Every event that Claude Code documents, but `WorktreeCreate`: who hooks it makes the worktree, and prints its path.
pub(super) const EVENTS: &[&str] = &[
    "SessionStart",
    "Setup",
    "UserPromptSubmit",
    "UserPromptExpansion",
    "PreToolUse",
    "PermissionRequest",
    "PermissionDenied",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "Notification",
    "MessageDisplay",
    "SubagentStart",
    "SubagentStop",
    "TaskCreated",
    "TaskCompleted",
    "Stop",
    "StopFailure",
    "TeammateIdle",
    "InstructionsLoaded",
    "ConfigChange",
    "CwdChanged",
    "FileChanged",
    "WorktreeRemove",
    "PreCompact",
    "PostCompact",
    "Elicitation",
    "ElicitationResult",
    "SessionEnd",
];

/// Seconds after which Claude Code gives a hook up; far over what one takes.
const TIMEOUT_S: u64 = 5;

/// Why settings cannot be changed. Nothing is, then.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// They are no JSON object, or not as Claude Code reads them.
    #[error("it is not valid JSON, or no object")]
    Json(#[from] serde_json::Error),
    /// A place in them has another form.
    #[error("`{place}` is not {wanted}")]
    Form { place: String, wanted: &'static str },
}

/// Members in their order.
#[derive(Debug, Default)]
struct Members(Vec<(String, Node)>);

/// A value: text as it stood there, or written anew.
#[derive(Debug)]
enum Node {
    Raw(Box<RawValue>),
    Object(Members),
    Array(Vec<Node>),
}

/// The block for settings that have no hooks.
pub(super) fn block(command: &str) -> Result<String, SettingsError> {
    Ok(merge("{}", command)?.unwrap_or_default())
}

/// Settings with a hook for each event; `None` where there is nothing to change.
pub(super) fn merge(text: &str, command: &str) -> Result<Option<String>, SettingsError> {
    let mut settings = parse(text)?;
    let mut hooks = settings.take("hooks", "an object")?.unwrap_or_default();
    let mut is_changed = false;
    for (event, groups) in &mut hooks.0 {
        let is_wanted = EVENTS.contains(&event.as_str());
        if !(is_wanted && is_right(groups, command)) {
            is_changed |= remove_ours(groups);
        }
    }
    for event in EVENTS {
        let at = hooks.0.iter().position(|(name, _)| name == event);
        let groups = match at.and_then(|at| hooks.0.get_mut(at)) {
            Some((_, groups)) => groups,
            None => {
                hooks.0.push(((*event).to_owned(), Node::Array(Vec::new())));
                &mut hooks.0.last_mut().ok_or_else(|| form("hooks", "an object"))?.1
            }
        };
        if is_right(groups, command) {
            continue;
        }
        let mut list = groups.elements().ok_or_else(|| form(&format!("hooks.{event}"), "an array"))?;
        list.push(Node::Raw(to_raw_value(&group(command))?));
        *groups = Node::Array(list);
        is_changed = true;
    }
    hooks.0.retain(|(_, groups)| !matches!(groups, Node::Array(list) if list.is_empty()));
    settings.put("hooks", Node::Object(hooks));
    is_changed.then(|| write(&settings, text)).transpose()
}

/// Settings without our hooks; `None` where there are none.
pub(super) fn remove(text: &str) -> Result<Option<String>, SettingsError> {
    let mut settings = parse(text)?;
    let Some(mut hooks) = settings.take("hooks", "an object")? else { return Ok(None) };
    let mut is_changed = false;
    hooks.0.iter_mut().for_each(|(_, groups)| is_changed |= remove_ours(groups));
    hooks.0.retain(|(_, groups)| !matches!(groups, Node::Array(list) if list.is_empty()));
    match hooks.0.is_empty() {
        true => settings.0.retain(|(name, _)| name != "hooks"),
        false => settings.put("hooks", Node::Object(hooks)),
    }
    is_changed.then(|| write(&settings, text)).transpose()
}

fn hook(command: &str) -> Value {
    json!({ "type": "command", "command": command, "timeout": TIMEOUT_S })
}

fn group(command: &str) -> Value {
    json!({ "hooks": [hook(command)] })
}

/// Whether an event's list has our hook once, as it should be, for whatever the event is about.
fn is_right(groups: &Node, command: &str) -> bool {
    let Some(list) = groups.elements() else { return false };
    let ours: Vec<Value> = list.iter().filter_map(Node::value).filter(has_ours).collect();
    let [group] = ours.as_slice() else { return false };
    let matcher = group.get("matcher").and_then(Value::as_str).unwrap_or_default();
    let hooks = group.get("hooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut ours = hooks.iter().filter(|hook| is_ours(hook));
    matches!(matcher, "" | "*") && ours.next() == Some(&hook(command)) && ours.next().is_none()
}

fn has_ours(group: &Value) -> bool {
    group.get("hooks").and_then(Value::as_array).is_some_and(|hooks| hooks.iter().any(is_ours))
}

/// Whether a hook is one of `plugbus hook`, wherever the program is and whatever its options are.
fn is_ours(hook: &Value) -> bool {
    let Some(command) = hook.get("command").and_then(Value::as_str) else { return false };
    let (program, rest) = first_word(command.trim_start());
    program.rsplit('/').next() == Some("plugbus") && rest.split_whitespace().next() == Some("hook")
}

/// The first word of a command as a shell takes it, and what follows: enough of the shell's rules for what `install` writes
/// and people write by hand.
fn first_word(command: &str) -> (String, &str) {
    let (mut word, mut quote) = (String::new(), None);
    let mut characters = command.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None | Some('"'), '\\') => word.extend(characters.next().map(|(_, escaped)| escaped)),
            (None, _) if character.is_whitespace() => return (word, command.get(at..).unwrap_or_default()),
            _ => word.push(character),
        }
    }
    (word, "")
}

/// Takes our hooks out of an event's list, and groups that have no other. What has another form than Claude Code's is none
/// of ours.
fn remove_ours(groups: &mut Node) -> bool {
    let Some(list) = groups.elements() else { return false };
    if !list.iter().filter_map(Node::value).any(|group| has_ours(&group)) {
        return false;
    }
    *groups = Node::Array(list.into_iter().filter_map(without_ours).collect());
    true
}

/// A group without our hooks; `None` where nothing else is in it.
fn without_ours(group: Node) -> Option<Node> {
    if !group.value().is_some_and(|group| has_ours(&group)) {
        return Some(group);
    }
    let Some(mut members) = group.members() else { return Some(group) };
    let at = members.0.iter().position(|(name, _)| name == "hooks");
    let hooks = &mut members.0.get_mut(at?)?.1;
    let left: Vec<Node> =
        hooks.elements()?.into_iter().filter(|hook| !hook.value().is_some_and(|hook| is_ours(&hook))).collect();
    if left.is_empty() {
        return None;
    }
    *hooks = Node::Array(left);
    Some(Node::Object(members))
}

fn parse(text: &str) -> Result<Members, SettingsError> {
    if text.trim().is_empty() {
        return Ok(Members::default());
    }
    Ok(serde_json::from_str(text)?)
}

fn form(place: &str, wanted: &'static str) -> SettingsError {
    SettingsError::Form { place: place.into(), wanted }
}

/// As the settings were written: with their indentation, and with a line break at the end where there was one.
fn write(settings: &Members, before: &str) -> Result<String, SettingsError> {
    let indented = before.lines().find(|line| line.starts_with([' ', '\t']) && line.trim_start().starts_with('"'));
    let indent = indented.map_or("  ", |line| line.get(..line.len() - line.trim_start().len()).unwrap_or("  "));
    let mut text = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(indent.as_bytes()));
    settings.serialize(&mut serializer)?;
    if before.ends_with('\n') || before.trim_matches(['{', '}']).trim().is_empty() {
        text.push(b'\n');
    }
    String::from_utf8(text).map_err(|error| serde_json::Error::custom(error).into())
}

impl Members {
    /// The members of a member; `None` where there is no such member.
    fn take(&self, name: &str, wanted: &'static str) -> Result<Option<Members>, SettingsError> {
        let found = self.0.iter().find(|(known, _)| known == name);
        let members = found.map(|(_, node)| node.members().ok_or_else(|| form(name, wanted)));
        members.transpose()
    }

    /// Puts a member where it was, or at the end.
    fn put(&mut self, name: &str, node: Node) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = node,
            None => self.0.push((name.into(), node)),
        }
    }
}

impl Node {
    fn value(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    fn raw(&self) -> Option<Box<RawValue>> {
        to_raw_value(self).ok()
    }

    fn members(&self) -> Option<Members> {
        serde_json::from_str(self.raw()?.get()).ok()
    }

    fn elements(&self) -> Option<Vec<Node>> {
        let raws: Vec<Box<RawValue>> = serde_json::from_str(self.raw()?.get()).ok()?;
        Some(raws.into_iter().map(Node::Raw).collect())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
            Self::Array(list) => list.serialize(serializer),
        }
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, node)| map.serialize_entry(name, node))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            // Which of the two counts is for the reader to say; to change the wrong one would help nobody.
            if members.0.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("`{}` stands there twice", name.escape_debug())));
            }
            members.0.push((name, Node::Raw(map.next_value()?)));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests;
