//! `plugbus check`: a component on one event, outside any daemon.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plugbus::bus::Draft;
use plugbus::check::{Check, CheckError, CheckReport, LogEntry, StoreChange};
use plugbus::socket::NewEvent;
use serde_json::value::RawValue;

use crate::args::{self, Global};
use crate::failure::{Failure, Outcome, chain};
use crate::{compiled, emit, output};

mod samples;

/// Most bytes of a file with an event.
const EVENT_BYTES_MAX: u64 = 512 << 20;

/// Runs the component and prints what it did.
pub(crate) fn check(global: &Global, args: &args::Check) -> Outcome {
    if args.file.is_dir() && args.event.is_none() && args.topic.is_none() {
        return samples::check(global, args);
    }
    let event = draft(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::doing("cannot start the runtime", &error))?;
    let wasm = component(args)?;
    let run = async |cache_dir| {
        let (wasm, manifest, event) = (wasm.clone(), args.manifest.clone(), event.clone());
        plugbus::check::run(Check { wasm, manifest, event, cache_dir }).await
    };
    let report = runtime.block_on(compiled::with_cache(global, run))?.map_err(|error| not_run(&error))?;
    if global.json {
        output::json(&report)?;
    } else {
        output::line(&in_words(&report))?;
    }
    Ok(if report.released { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The component: the file that is named, or what the project in the folder that is named was built into.
fn component(args: &args::Check) -> Result<PathBuf, Failure> {
    if !args.file.is_dir() {
        return Ok(args.file.clone());
    }
    let project = plugbus_author::Project::read(&args.file)?;
    let wasm = project.wasm();
    if !wasm.exists() {
        let message = format!("{} is not there; build it first: plugbus build {}", wasm.display(), args.file.display());
        return Err(Failure::new(message));
    }
    Ok(wasm)
}

/// The event that the arguments name or describe.
fn draft(args: &args::Check) -> Result<Draft, Failure> {
    if args.event.is_some() && !args.attributes.is_empty() {
        let message =
            "--content-type, --source, --subject and --ext go with --topic: the file of --event has the whole event";
        return Err(Failure::usage(message));
    }
    if args.event.is_none() && args.topic.is_none() {
        return Err(Failure::usage(
            "give the event: --topic and --data, or --event FILE; or a project's folder, for its samples",
        ));
    }
    let json = match (&args.event, &args.topic) {
        (Some(path), _) => {
            let bytes =
                read(path).map_err(|error| Failure::doing(format!("cannot read {}", path.display()), &error))?;
            serde_json::from_slice::<Box<RawValue>>(&bytes)
                .map_err(|error| Failure::doing(format!("{} is not JSON", path.display()), &error))?
        }
        (None, topic) => {
            let data = match &args.data {
                Some(data) => emit::data(Some(data))?,
                None => Vec::new(),
            };
            let attributes = &args.attributes;
            let event = NewEvent {
                topic: topic.as_deref().unwrap_or_default(),
                data: &data,
                content_type: attributes.content_type.as_deref(),
                id: None,
                source: attributes.event_source.as_deref(),
                subject: attributes.subject.as_deref(),
                time: None,
                extensions: &attributes.extensions,
            };
            event.to_json()?
        }
    };
    plugbus::socket::parse_event(&json).map_err(|error| Failure::new(error.message))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(EVENT_BYTES_MAX).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(EVENT_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// A failure before the event, with what the guest left behind.
fn not_run(error: &CheckError) -> Failure {
    let mut message = chain(error);
    if let Some(fault) = error.fault() {
        for text in fault.stderr.iter().chain(&fault.backtrace) {
            message.push_str("\n  ");
            message.push_str(&output::printable(text.trim_end()));
        }
    }
    Failure::new(message)
}

fn in_words(report: &CheckReport) -> String {
    let filters = report.filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let matching = if report.matches { "" } else { " (none matches: a daemon would not deliver this event)" };
    let reply = report.reply.as_ref().map(|reply| {
        let data = reply.text.as_deref().or(reply.data_base64.as_deref()).unwrap_or_default();
        format!("{} {}", reply.content_type, output::printable(data))
    });
    let published: Vec<&str> = report.published.iter().map(|event| event.get()).collect();
    let published = if report.released || published.is_empty() {
        published.join("\n")
    } else {
        format!("nothing; {} staged and thrown away", published.len())
    };
    let stored: Vec<String> = report.stored.iter().map(change).collect();
    let stored = if report.released || stored.is_empty() {
        stored.join("\n")
    } else {
        format!("nothing; changes of {} keys staged and thrown away", stored.len())
    };
    let log: Vec<String> = report.log.iter().map(log_line).collect();
    output::fields(&[
        ("plugin", report.name.clone()),
        ("contract", report.contract.package().to_owned()),
        ("filters", format!("{filters}{matching}")),
        ("outcome", report.outcome.to_owned()),
        ("reason", output::printable(report.reason.as_deref().unwrap_or_default())),
        ("stderr", output::printable(report.stderr.as_deref().unwrap_or_default())),
        ("backtrace", output::printable(&report.backtrace.join("\n"))),
        ("reply", reply.unwrap_or_default()),
        ("published", output::printable(&published)),
        ("stored", output::printable(&stored)),
        ("log", log.join("\n")),
        ("fuel", report.fuel.to_string()),
        ("time", format!("{:.3} ms", std::time::Duration::from_nanos(report.time_ns).as_secs_f64() * 1000.0)),
        ("memory", format!("{} bytes", report.memory_bytes)),
    ])
}

/// Most characters of a stored value.
const VALUE_CHARS: usize = 200;

/// One key of the store; values on one line.
fn change(change: &StoreChange) -> String {
    let value = change.text.as_deref().or(change.data_base64.as_deref());
    let value =
        value.map_or_else(|| "(deleted)".to_owned(), |value| format!("= {}", output::brief(value, VALUE_CHARS)));
    format!("{}/{} {value}", change.bucket, change.key)
}

fn log_line(entry: &LogEntry) -> String {
    let phase = if entry.init { " (init)" } else { "" };
    let level = format!("{:?}", entry.level).to_lowercase();
    output::printable(&format!("{level} {}{phase}: {}", entry.context, entry.message.trim_end()))
}
