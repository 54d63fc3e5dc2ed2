//! `plugbus hook`, in clap's terms.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::{Global, name_and_value};

pub(crate) const ABOUT: &str = "Publish what an agent's hook gets on stdin, and never stand in the agent's way";

/// `plugbus hook …` by itself, for the same reason as `emit`.
#[derive(Debug, Parser)]
#[command(name = "plugbus hook", bin_name = "plugbus hook", max_term_width = 110, about = ABOUT)]
pub(crate) struct HookAlone {
    #[command(flatten)]
    pub(crate) hook: Hook,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Clone, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Reads one JSON value, prints what the agent wants to read, publishes, and exits with 0 within 50 ms of having read its input
(--answer-ms and --spool-ms), whatever happens: no daemon, one that does not answer, no JSON, no room on the disk. What went
wrong is said on stderr. (A wrong command line is exit code 1; the 2 of other commands would stop the agent.)

An event that no daemon took in time is left in the file `spool` of the data folder, at most 10000 events and 16 MiB
(spool.events_max, spool.bytes_max), from where the daemon takes it in: in order, none lost and, with a journal, none twice.
The data folder is the one that is named, else ./.plugbus if it is there; a hook makes no folder where it was not told to.

The event's subject is the member `session_id` of the JSON, its extension `hook` the member `hook_event_name`, where they are
text. The plugin normalize-hooks makes events of one schema of it.

Examples:
  plugbus hook install claude-code --write       into ~/.claude/settings.json
  some-agent-event | plugbus hook --source some-agent --subject-from conversation_id --print ''
  plugbus hook --data '{\"type\":\"turn-ended\"}'    for agents that hand over JSON as an argument")]
pub(crate) struct Hook {
    #[command(subcommand)]
    pub(crate) action: Option<HookAction>,
    /// Topic to publish on
    #[arg(long, default_value = "hook.raw")]
    pub(crate) topic: String,
    /// Who publishes
    #[arg(long = "source", value_name = "SOURCE", default_value = "claude-code")]
    pub(crate) event_source: String,
    /// What the event is about [default: what the JSON says, see --subject-from]
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Member of the JSON that is the event's subject: the session, so that its events stay in order
    #[arg(long, value_name = "NAME", default_value = "session_id", conflicts_with = "subject")]
    pub(crate) subject_from: String,
    /// Extension attribute; may be given several times
    #[arg(long = "ext", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) extensions: Vec<(String, String)>,
    /// What to print for the agent; '' prints nothing
    #[arg(long, value_name = "TEXT", default_value = super::super::hook::ANSWER)]
    pub(crate) print: String,
    /// The JSON, in place of the standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<OsString>,
    /// Longest wait for the daemon; the system may round it up by a few milliseconds
    #[arg(long, value_name = "MS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) answer_ms: u64,
    /// Time for the spool, once that wait is over; an event that it does not take by then may be lost
    #[arg(long, value_name = "MS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) spool_ms: u64,
    /// Longest wait for the end of the standard input
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) input_ms: u64,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Where the spool is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Folder {
    /// The daemon's data folder [default: ./.plugbus, or what the configuration file says]
    #[arg(long, value_name = "PATH", env = "PLUGBUS_DATA_DIR", value_hint = ValueHint::DirPath, hide_env_values = true)]
    pub(crate) data_dir: Option<OsString>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum HookAction {
    /// Show, write or remove the hooks in an agent's settings
    Install(Install),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Agent {
    /// Claude Code
    ClaudeCode,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without --write and --remove it only prints the block for the settings. The block has every event of the agent but
WorktreeCreate, whose hook would have to make the worktree itself. Socket and data folder stand in it as full paths: those
that are named, else those of the daemon that answers, else those of a daemon in this folder.

--write keeps everything else in the file, replaces hooks of `plugbus hook` that are there, and changes nothing where all is as
it should be. The file is replaced in one step, with its mode kept.

Examples:
  plugbus hook install claude-code
  plugbus hook install claude-code --write --data-dir ~/.local/share/plugbus
  plugbus hook install claude-code --remove --project")]
pub(crate) struct Install {
    /// The agent
    pub(crate) agent: Agent,
    /// Merge the block into the settings file
    #[arg(long, conflicts_with = "remove")]
    pub(crate) write: bool,
    /// Take the hooks of `plugbus hook` out of the settings file
    #[arg(long)]
    pub(crate) remove: bool,
    /// The settings file of the project in this folder, ./.claude/settings.json [default: the user's, ~/.claude/settings.json]
    #[arg(long)]
    pub(crate) project: bool,
    /// The settings file
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "project")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) folder: Folder,
}
