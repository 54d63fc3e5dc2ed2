//! The command line: what can be asked, in clap's terms. Nothing is done here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use plugbus::bus::{Event, EventLimits};
use plugbus::socket::protocol::Position;

mod author;
mod hook;
mod past;
mod settings;

pub(crate) use author::{Build, Dev, New};
pub(crate) use hook::{ABOUT as HOOK_ABOUT, Agent, Hook, HookAction, HookAlone, Install};
pub(crate) use settings::Settings;

/// A WebAssembly plugin-host event bus.
#[derive(Debug, Parser)]
#[command(name = "plugbus", version, max_term_width = 110, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
A plugin is a file NAME.wasm in the plugins folder; NAME.toml beside it is its manifest.

Examples:
  plugbus run --plugins-dir ./plugins.d          start a daemon
  plugbus emit build.done '{\"ok\":true}'          publish one event
  plugbus tail 'build.>'                         see events as they are published
  plugbus hook install claude-code --write       publish what an agent does, by its hooks
  plugbus plugins                                what is loaded, and what was refused and why
  plugbus dead list                              what was given up
  plugbus new my-relay --lang js                 start a plugin: then plugbus dev my-relay
  plugbus check relay.wasm --topic build.done    try a plugin without a daemon

Exit codes: 0 ok, 1 failed, 2 wrong usage.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EMIT_ABOUT: &str = "Publish an event, or a stream of them, and wait until the daemon has taken it";

/// `plugbus emit …` by itself. Hooks call it all day; to build the arguments of every other command as well would triple
/// the time spent on the command line (0.2 ms in place of 0.08).
#[derive(Debug, Parser)]
#[command(name = "plugbus emit", bin_name = "plugbus emit", max_term_width = 110, about = EMIT_ABOUT)]
pub(crate) struct EmitAlone {
    #[command(flatten)]
    pub(crate) emit: Emit,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// The daemon's socket [default: $XDG_RUNTIME_DIR/plugbus.sock, else <data_dir>/plugbus.sock]
    #[arg(long, global = true, env = "PLUGBUS_SOCKET", value_name = "PATH", value_hint = ValueHint::FilePath, hide_env_values = true)]
    pub(crate) socket: Option<OsString>,
    /// Configuration file [default: ./plugbus.toml for `run`, none for the others]
    #[arg(long, global = true, env = "PLUGBUS_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath, hide_env_values = true)]
    pub(crate) config: Option<OsString>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a daemon: a bus, a folder of plugins and a local socket
    Run(Run),
    #[command(about = EMIT_ABOUT)]
    Emit(Box<Emit>),
    #[command(about = HOOK_ABOUT)]
    Hook(Box<Hook>),
    /// Show events as they are published
    Tail(Tail),
    /// Show and control plugins
    Plugins(Plugins),
    /// Start a plugin's project: source, manifest, samples and a test, for `build`, `check` and `dev`
    New(New),
    /// Build a plugin's project into NAME.wasm
    Build(Build),
    /// Build a plugin, run it in a live host, and build and swap it again on every change
    Dev(Dev),
    /// Run a component on events, without a daemon: on one that is given, or on the samples of its project
    Check(Box<Check>),
    /// Show what a component is: language, imports with the grants they need, filters, size
    Inspect(Inspect),
    /// Show, replay and drop dead letters: events that a subscription gave up
    Dead(Dead),
    /// Deliver events of the past again, out of the journal
    Replay(Replay),
    /// Check and repair a journal, without a daemon
    Journal(Journal),
    /// Show the counters of the bus, its subscriptions and the socket
    Stats,
    /// Ask whether a daemon answers; exit 1 if none does
    Ping,
    /// Print the completion script for a shell
    #[command(after_help = "\
Examples:
  plugbus completions bash > ~/.local/share/bash-completion/completions/plugbus
  plugbus completions fish > ~/.config/fish/completions/plugbus.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Signals: SIGTERM and SIGINT stop the daemon after what is in flight is settled, at most for the grace; a second one stops it
at once. SIGHUP reads the tokens and the certificate again (of a bad file the old one stays), looks through the plugins folder,
and tries again what was refused.

Each setting is also a key of the configuration file and an environment variable: the flag wins over the variable, the
variable over the file. --loader-rescan-ms is PLUGBUS_LOADER_RESCAN_MS and
  [loader]
  rescan_ms = 2000

Examples:
  plugbus run
  plugbus run --plugins-dir /srv/plugins --socket /run/plugbus/plugbus.sock --log-format json")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
DATA that is JSON is sent as application/json, other text as text/plain, other bytes as application/octet-stream;
--content-type overrides.

With --lines, each line of the standard input is one event: the data, if TOPIC is given, else a CloudEvents 1.0 event in its
JSON format (`type` is the topic; specversion, id, source and time may be absent). Lines are published in order; one that is
refused is reported with its number, and the others go on. With --wait, a line is published when the one before it is settled.

Silent on a pipe: a hook's output is not in anybody's way. Exit code 0 once the daemon has taken every event, else 1.

Examples:
  plugbus emit build.done '{\"ok\":true}' --subject main
  some-command | plugbus emit hook.raw
  plugbus emit --lines < events.jsonl
  tail -f access.json | plugbus emit --lines web.access
  plugbus emit --wait=2000 report.daily          what became of it at each subscriber
  plugbus emit --request math.square 7           print the first reply")]
pub(crate) struct Emit {
    /// Topic to publish on, such as `build.done`; optional with --lines
    #[arg(required_unless_present = "lines")]
    pub(crate) topic: Option<String>,
    /// The data; `-` is the standard input, which is also read when DATA is absent and it is not a terminal
    #[arg(conflicts_with = "lines", allow_negative_numbers = true)]
    pub(crate) data: Option<OsString>,
    /// Publish each line of the standard input
    #[arg(long)]
    pub(crate) lines: bool,
    #[command(flatten)]
    pub(crate) attributes: Attributes,
    /// Identity of the event; with the source it names the event for good [default: a UUIDv7]
    #[arg(long, conflicts_with = "lines")]
    pub(crate) id: Option<String>,
    /// Wait until every subscriber is done, at most MS [default: 30000]; print each outcome; exit 1 unless all acked
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "30000",
          value_parser = clap::value_parser!(u64).range(0..=plugbus::socket::protocol::WAIT_MS_MAX))]
    pub(crate) wait: Option<u64>,
    /// Wait for the first reply, at most MS [default: 30000]; print its data; exit 1 if none comes
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "30000",
          conflicts_with_all = ["wait", "lines"],
          value_parser = clap::value_parser!(u64).range(0..=plugbus::socket::protocol::WAIT_MS_MAX))]
    pub(crate) request: Option<u64>,
}

/// Attributes of an event, for those who publish one.
#[derive(Debug, Clone, Args)]
pub(crate) struct Attributes {
    /// Media type of the data [default: by the data]
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Who publishes [default: the daemon's own]
    #[arg(long = "source", value_name = "SOURCE")]
    pub(crate) event_source: Option<String>,
    /// What the event is about
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Extension attribute; may be given several times
    #[arg(long = "ext", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) extensions: Vec<(String, String)>,
}

impl Attributes {
    /// Whether none is given. An event that comes whole has its own: to ignore one of these in silence would be a lie.
    pub(crate) fn is_empty(&self) -> bool {
        self.content_type.is_none()
            && self.event_source.is_none()
            && self.subject.is_none()
            && self.extensions.is_empty()
    }
}

/// Checked here and not by the daemon alone: in the JSON that goes there, an extension of the name of an attribute would
/// stand in the attribute's place.
pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let draft = Event::draft("any").map_err(|error| error.to_string())?.extension(name, value);
    EventLimits::default().check(&draft).map_err(|error| error.to_string())?;
    Ok((name.into(), value.into()))
}

#[derive(Debug, Args)]
#[command(after_help = "\
A filter is a topic in which `*` stands for one token and a final `>` for one or more. Quote it, for the shell. The daemon's
own events, such as plugbus.plugin.rejected, are shown only by a filter that names them: 'plugbus.>'.

A watcher never slows the daemon: one that reads too slowly misses events and is told how many ({\"missed\":12} with --json).

With --from, the past comes first, out of the daemon's journal (or, without one, out of the last events that it has in memory),
and the live events follow without a gap or a double. Such a watcher misses nothing that is still there; what was retired from
it is said ({\"retired\":…} with --json).

Examples:
  plugbus tail
  plugbus tail 'hook.*.bash' 'plugbus.>' --json
  plugbus tail --from 1000 'build.>'
  plugbus tail -n 1 build.done")]
pub(crate) struct Tail {
    /// Topic filters [default: >]
    pub(crate) filters: Vec<String>,
    /// Begin with the past: the number of an event (`seq`), a time (2026-01-31T12:00:00Z), or an age (10m)
    #[arg(long, value_name = "SEQ|TIME", value_parser = past::position)]
    pub(crate) from: Option<Position>,
    /// Stop after so many events
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each event goes to every plugin that subscribes to its topic now, or with --plugin to that one alone. The deliveries are
retried and become dead letters like any other; a plugin's own place in the journal does not change by it. The command ends
when all are queued: it waits while queues are full.

Positions: the number of an event (`seq`), a time (2026-01-31T12:00:00Z), or an age (10m, 2h, 7days).

Examples:
  plugbus replay --plugin relay                    the whole past to one plugin, even a new one
  plugbus replay --from 1000 --to 1999 'build.>'
  plugbus replay --from 2h --plugin audit")]
pub(crate) struct Replay {
    /// Only topics that one of these filters matches [default: all]
    pub(crate) filters: Vec<String>,
    /// Where to begin [default: the oldest event that the journal has]
    #[arg(long, value_name = "SEQ|TIME", value_parser = past::position)]
    pub(crate) from: Option<Position>,
    /// Where to end, included; a time stands for the last event before it [default: the last event accepted]
    #[arg(long, value_name = "SEQ|TIME", value_parser = past::position)]
    pub(crate) to: Option<Position>,
    /// Only to this plugin
    #[arg(long, value_name = "NAME")]
    pub(crate) plugin: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The daemon must be stopped: it checks the journal by itself when it starts, and does not start on one that is damaged.

Examples:
  plugbus journal verify --data-dir /var/lib/plugbus
  plugbus journal repair --data-dir /var/lib/plugbus

Exit codes: 0 the journal is sound (now), 1 it is damaged or cannot be read, 2 wrong usage.")]
pub(crate) struct Journal {
    #[command(subcommand)]
    pub(crate) action: JournalAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalAction {
    /// Check everything in the journal, and change nothing
    Verify(DataDir),
    /// Bring a damaged journal to what of it checks out; what is taken out is copied aside before
    Repair(DataDir),
}

/// Whose journal.
#[derive(Debug, Args)]
pub(crate) struct DataDir {
    /// The daemon's data folder [default: ./.plugbus, or what the configuration file says]
    #[arg(long, value_name = "PATH", env = "PLUGBUS_DATA_DIR", value_hint = ValueHint::DirPath, hide_env_values = true)]
    pub(crate) data_dir: Option<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
States: running; paused (by you); suspended (it faulted too often, one event will be tried) and probing (that event is being
tried); rejected (its file was refused and nothing runs); starting (its first load is under way). Events wait while a plugin is
paused or suspended, as many as its queue holds.

Examples:
  plugbus plugins                       what is loaded, and what was refused and why
  plugbus plugins inspect relay         filters, grants, limits, counters, last faults
  plugbus plugins explain relay         what it asked for, what it got, what it was denied
  plugbus plugins reload relay          fresh instances; exit 1 if the file is refused")]
pub(crate) struct Plugins {
    #[command(subcommand)]
    pub(crate) action: Option<PluginsAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginsAction {
    /// List every plugin (the default)
    List,
    /// Show everything about one plugin
    Inspect {
        /// Its name: the file's without `.wasm`
        name: String,
    },
    /// Show what a plugin asks for, what its manifest gives it, and what it was denied, with counts
    Explain {
        /// Its name
        name: String,
    },
    /// Load the plugin's file again, changed or not
    Reload {
        /// Its name
        name: String,
    },
    /// Deliver nothing to the plugin until it is resumed; its queue fills up
    Pause {
        /// Its name
        name: String,
    },
    /// Undo a pause, and end a suspension at once
    Resume {
        /// Its name
        name: String,
    },
    /// Look through the plugins folder now, and try again what was refused
    Rescan,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Of a project it runs the samples, events/*.json, each one CloudEvents 1.0 event in its JSON format: one whose file is named
bad… must be refused (rejected, or put off with a retry), every other one must be acked.

Examples:
  plugbus check                                   the samples of the project in this folder
  plugbus check my-relay                          the samples of another one
  plugbus check relay.wasm --topic build.done --data '{\"ok\":true}'
  plugbus check relay.wasm --manifest relay.toml --event event.json --json

Prints the outcome, the reply, what it published, what it changed in its store (which is empty here and kept nowhere), its log,
and the fuel, time and memory it took. Nothing is delivered anywhere, but what the manifest grants is granted: folders are
written to, HTTP requests are sent.

Compiled code is kept in the data folder, where PLUGBUS_DATA_DIR or a named configuration file names one, else in
~/.cache/plugbus: a large component takes its seconds once. PLUGBUS_SANDBOX_COMPILE_CACHE=false keeps none.

Exit code 0 if the event was acked, or every sample ended as it should; else 1.")]
pub(crate) struct Check {
    /// The component, or the folder of a project that is built
    #[arg(value_name = "FILE.wasm|DIR", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) file: PathBuf,
    /// Its manifest [default: FILE.toml beside it, if there is one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: Option<PathBuf>,
    /// File with one CloudEvents 1.0 event in its JSON format; `-` is the standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "topic")]
    pub(crate) event: Option<PathBuf>,
    /// Topic of the event, instead of a file
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Data of the event
    #[arg(long, requires = "topic")]
    pub(crate) data: Option<OsString>,
    #[command(flatten)]
    pub(crate) attributes: Attributes,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  plugbus inspect relay.wasm
  plugbus inspect relay.wasm --json --no-start

The filters are the manifest's, or those that the plugin registers when it starts, for which it is compiled and its `init`
called; compiled code is kept as `plugbus check` does. `plugbus plugins inspect NAME` shows a plugin that a daemon has loaded.

Exit code 0 if a daemon would load it with this manifest, else 1.")]
pub(crate) struct Inspect {
    /// The component
    #[arg(value_name = "FILE.wasm", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Its manifest [default: FILE.toml beside it, if there is one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: Option<PathBuf>,
    /// Do not compile and start it: then the filters are known only if the manifest has them
    #[arg(long)]
    pub(crate) no_start: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The daemon keeps at most 10000 of them and 64 MiB by default, over a restart too where it has a journal; the oldest make room for
new ones. A replay is a first attempt, for the subscription that gave the event up and for no other; should it fail again, there is a new letter.

Examples:
  plugbus dead list --plugin relay
  plugbus dead show 17
  plugbus dead replay 17 18
  plugbus dead replay --topic 'build.>'
  plugbus dead drop --all")]
pub(crate) struct Dead {
    #[command(subcommand)]
    pub(crate) action: DeadAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadAction {
    /// List dead letters
    List {
        /// Only of this plugin
        #[arg(long, value_name = "NAME")]
        plugin: Option<String>,
        /// Only with a topic that matches
        #[arg(long, value_name = "FILTER")]
        topic: Option<String>,
    },
    /// Show everything about one dead letter: the event, the reason, every attempt
    Show {
        /// Its id
        id: u64,
    },
    /// Deliver dead letters again to the subscription that gave them up
    Replay(Chosen),
    /// Forget dead letters
    Drop(Chosen),
}

/// Which dead letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Chosen {
    /// Their ids
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<u64>,
    /// Every dead letter
    #[arg(long, conflicts_with_all = ["ids", "plugin", "topic"])]
    pub(crate) all: bool,
    /// Those of this plugin
    #[arg(long, value_name = "NAME")]
    pub(crate) plugin: Option<String>,
    /// Those with a topic that matches
    #[arg(long, value_name = "FILTER")]
    pub(crate) topic: Option<String>,
}
