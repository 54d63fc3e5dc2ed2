//! `plugbus hook`: what an agent's hooks call. It publishes, and never stands in the agent's way.
//!
//! In this order, so that whatever fails leaves the agent with what it needs: read the input, print the answer, send the event,
//! leave it in the spool if nobody took it. Each step has a bound in time; what may block without one (a lock, a disk) has
//! a thread beside it that ends the process. Trouble is one line on stderr; the exit code is 0.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{self, ExitCode};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plugbus::bus::{Event, EventLimits};
use plugbus::config::Config;
use plugbus::socket::NewEvent;
use plugbus::socket::client::{BriefError, ClientError, call_until};
use plugbus::socket::protocol::{ErrorCode, Request};
use plugbus::spool::{Sent, Spool};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::args::{Global, Hook, HookAction};
use crate::failure::{Failure, chain, say};
use crate::place;

mod input;
mod install;
mod settings;

/// What Claude Code reads as "go on".
pub(crate) const ANSWER: &str = r#"{"continue": true}"#;
/// The extension that names the hook's event.
const EVENT_EXTENSION: &str = "hook";

/// Does its work. Installing is a command like any other; everything else ends well.
pub(crate) fn hook(global: &Global, args: &Hook) -> ExitCode {
    if let Some(HookAction::Install(args)) = &args.action {
        return install::install(global, args).unwrap_or_else(Failure::report);
    }
    let config = place::hook_config(global, &args.folder.data_dir);
    let input = read(args, &config);
    print(&args.print);
    let done = input.and_then(|input| publish(global, args, &config, &input));
    if let Err(problem) = done {
        say(&problem);
    }
    ExitCode::SUCCESS
}

/// A command line that makes no sense. An agent takes exit code 2 for "stop", so it is another one here; people who install
/// see the one of every command.
pub(crate) fn wrong_usage(error: &clap::Error) -> ExitCode {
    let installs = std::env::args_os().any(|argument| argument == "install");
    if !error.use_stderr() || installs {
        error.exit();
    }
    print(ANSWER);
    // When stderr is closed there is nobody left to tell.
    drop(error.print());
    ExitCode::FAILURE
}

/// Says to the agent what it wants to read. One that does not listen has its reasons.
fn print(answer: &str) {
    if !answer.is_empty() {
        drop(io::stdout().write_all(format!("{answer}\n").as_bytes()));
    }
}

type Trouble = String;

fn read(args: &Hook, config: &Config) -> Result<Vec<u8>, Trouble> {
    let lost = |error: &dyn std::error::Error| format!("{}; nothing is published", chain(error));
    if let Some(data) = &args.data {
        return Ok(data.as_bytes().to_vec());
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err("a hook gets JSON on its standard input; see `plugbus hook --help`".into());
    }
    let patience = Duration::from_millis(args.input_ms);
    input::read(&stdin, config.events.data_bytes_max, patience).map_err(|error| lost(&error))
}

fn publish(global: &Global, args: &Hook, config: &Config, input: &[u8]) -> Result<(), Trouble> {
    let began = Instant::now();
    let now = SystemTime::now();
    let event = event(args, input, now)?;
    let socket = place::given(&global.socket).unwrap_or_else(|| place::default_socket(config));
    let until = began + Duration::from_millis(args.answer_ms);
    let request = Request::Hook { event };
    let Err(error) = call_until(&socket, &request, until) else { return Ok(()) };
    let sent = after(&error).ok_or_else(|| format!("the daemon refused the event: {error}"))?;
    let Request::Hook { event } = request else { return Ok(()) };
    // On a machine that woke this up late, the spool has its time all the same: a late hook is better than a lost event.
    watch(until.max(Instant::now()) + Duration::from_millis(args.spool_ms));
    let time_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    leave(args, config, &event, sent, u64::try_from(time_ms).unwrap_or(u64::MAX))
        .map_err(|problem| format!("{}; {problem}; the event is lost", chain(&error)))
}

/// Ends the process at a moment, whatever it is doing then.
fn watch(until: Instant) {
    let watcher = thread::Builder::new().spawn(move || {
        thread::sleep(until.saturating_duration_since(Instant::now()));
        say("the spool does not take the event in time; it may be lost");
        process::exit(0);
    });
    if let Err(error) = watcher {
        say(&format!("the hook has no thread to watch it: {error}"));
    }
}

/// What is known of the event after an error; `None` where the daemon will never have it. Pure.
fn after(error: &BriefError) -> Option<Sent> {
    match &error.source {
        ClientError::Refused(line) => match line.code {
            ErrorCode::InvalidEvent | ErrorCode::LineTooLong | ErrorCode::BadJson => None,
            // A commit that failed may be one that did not.
            ErrorCode::Failed => Some(Sent::Unsure),
            _ => Some(Sent::New),
        },
        _ if error.sent => Some(Sent::Unsure),
        _ => Some(Sent::New),
    }
}

/// Leaves the event in the spool.
fn leave(args: &Hook, config: &Config, event: &RawValue, sent: Sent, time_ms: u64) -> Result<(), Trouble> {
    let is_named = args.folder.data_dir.as_ref().is_some_and(|folder| !folder.is_empty())
        || config.data_dir != Config::default().data_dir;
    // Nothing is made in a folder that merely happens to be the current one, and no link in it is followed.
    let is_there = || config.data_dir.symlink_metadata().is_ok_and(|found| found.is_dir());
    if !is_named && !is_there() {
        return Err("no data folder is named (--data-dir, PLUGBUS_DATA_DIR) in which it could wait".into());
    }
    Spool::of(config).append(event, sent, time_ms).map_err(|error| chain(&error))
}

/// The event. Its id is made here: should it be both sent and spooled, it is one event all the same.
fn event(args: &Hook, input: &[u8], now: SystemTime) -> Result<Box<RawValue>, Trouble> {
    let data = input.trim_ascii();
    if let Err(error) = serde_json::from_slice::<&RawValue>(data) {
        return Err(format!("the input is not JSON ({} bytes): {error}; nothing is published", data.len()));
    }
    // Of two members of one name the last one counts; what is no object has none.
    let members: HashMap<String, &RawValue> = serde_json::from_slice(data).unwrap_or_default();
    let text = |name: &str| serde_json::from_str::<String>(members.get(name)?.get()).ok();
    let mut extensions = args.extensions.clone();
    if let Some(name) = text("hook_event_name")
        && !extensions.iter().any(|(given, _)| given == EVENT_EXTENSION)
    {
        extensions.push((EVENT_EXTENSION.into(), name));
        if !fits(None, &extensions) {
            extensions.pop();
        }
    }
    let subject = args.subject.clone().or_else(|| text(&args.subject_from));
    let subject = subject.filter(|subject| fits(Some(subject), &[]));
    let (id, time) = (Uuid::now_v7().to_string(), humantime::format_rfc3339_nanos(now).to_string());
    let event = NewEvent {
        topic: &args.topic,
        data,
        content_type: Some("application/json"),
        id: Some(&id),
        source: Some(&args.event_source),
        subject: subject.as_deref(),
        time: Some(&time),
        extensions: &extensions,
    };
    event.to_json().map_err(|error| format!("{}; nothing is published", chain(&error)))
}

/// Whether a bus takes these attributes: what comes out of the agent's JSON must not be why the event is refused.
fn fits(subject: Option<&str>, extensions: &[(String, String)]) -> bool {
    let Ok(mut draft) = Event::draft("any") else { return false };
    for (name, value) in extensions {
        draft = draft.extension(name.as_str(), value.as_str());
    }
    if let Some(subject) = subject {
        draft = draft.subject(subject);
    }
    EventLimits::default().check(&draft).is_ok()
}
