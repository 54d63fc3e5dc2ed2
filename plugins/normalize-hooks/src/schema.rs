//! The one schema of what is published.

use std::collections::BTreeMap;

use plugbus_sdk::prelude::*;
use serde_json::value::RawValue;

/// What happened in a session.
#[derive(Debug, Serialize)]
pub(crate) struct Normalized<'a> {
    /// What the hook is of: `claude-code`, unless the configuration says otherwise.
    pub(crate) source: &'a str,
    /// The hook's event in kebab-case: `pre-tool-use`, `stop`, …
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What the type leaves open, in kebab-case: the tool of a tool's hook, the kind of a notification, why a session began
    /// or ended, what set off a compaction, the type of a subagent. `null` where there is nothing to say.
    pub(crate) subtype: Option<String>,
    /// The session's id.
    pub(crate) session: String,
    /// The working directory, `null` where the hook does not say.
    pub(crate) cwd: Option<String>,
    /// When it was published, RFC 3339 in UTC.
    pub(crate) timestamp: String,
    /// Everything else the hook said, byte for byte.
    pub(crate) data: BTreeMap<String, Box<RawValue>>,
}
