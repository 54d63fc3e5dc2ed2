//! `plugbus new`, `plugbus build` and `plugbus dev`.

use std::process::ExitCode;

use plugbus::bus::cloudevents::raw;
use plugbus_author::{Built, Dev, Happened, Project};
use serde_json::json;

use crate::args::{self, Global};
use crate::failure::{Failure, Outcome, chain, say};
use crate::output;

mod told;

/// Writes a new project.
pub(crate) fn new(global: &Global, args: &args::New) -> Outcome {
    let dir = args.dir.clone().unwrap_or_else(|| args.name.clone().into());
    let created = plugbus_author::create(&dir, &args.name, args.lang.0)?;
    if global.json {
        output::json(&json!({ "dir": dir, "name": args.name, "language": args.lang.0, "files": created.files }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let files: Vec<String> = created.files.iter().map(|path| format!("  {}", dir.join(path).display())).collect();
    let dir = dir.display();
    output::line(&format!("{}\n\nnext: plugbus dev {dir}", files.join("\n")))?;
    Ok(ExitCode::SUCCESS)
}

/// Builds a project.
pub(crate) fn build(global: &Global, args: &args::Build) -> Outcome {
    let project = Project::read(&args.dir)?;
    let built = plugbus_author::build(&project, &mut |text| say(text))?;
    if global.json {
        output::json(&json!({ "wasm": built.wasm, "bytes": built.bytes }))?;
    } else {
        output::line(&in_words(&built))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(built: &Built) -> String {
    format!("{}: {} bytes", built.wasm.display(), built.bytes)
}

/// Runs a project in a live host until Ctrl-C.
pub(crate) fn dev(global: &Global, args: &args::Dev) -> Outcome {
    let project = Project::read(&args.dir)?;
    let socket = global.socket.clone().map(Into::into);
    let dev = Dev { project, samples: !args.no_samples, socket };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::doing("cannot start the runtime", &error))?;
    let as_json = global.json;
    let mut unprinted = None;
    runtime.block_on(async {
        // A signal that cannot be waited for ends it, and is told by the system's default.
        let stop = async { drop(tokio::signal::ctrl_c().await) };
        let mut tell = |happened: Happened| {
            let line = if as_json { Some(as_line(&happened)) } else { told::told(&happened) };
            if let Some(Err(failure)) = line.map(|line| output::line(&line)) {
                unprinted.get_or_insert(failure);
            }
        };
        plugbus_author::dev(dev, stop, &mut tell).await
    })?;
    unprinted.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// What has happened, for programs: one JSON object.
fn as_line(happened: &Happened) -> String {
    let value = match happened {
        Happened::Started { socket } => json!({ "started": { "socket": socket } }),
        Happened::Changed { path } => json!({ "changed": path }),
        Happened::Doing(text) => json!({ "doing": text }),
        Happened::Built(built) => json!({ "built": { "wasm": built.wasm, "bytes": built.bytes } }),
        Happened::NotBuilt(error) => json!({ "not_built": chain(error) }),
        Happened::Event(event) => match raw::write(event) {
            Ok(event) => return format!("{{\"event\":{event}}}"),
            Err(error) => json!({ "event_not_shown": error.to_string() }),
        },
        Happened::Log { level, context, message } => {
            json!({ "log": { "level": level, "context": context, "message": message } })
        }
        Happened::Sample { path, outcome, expected } => {
            json!({ "sample": { "path": path, "outcome": outcome, "expected": expected } })
        }
        Happened::NoSamples(error) => json!({ "no_samples": chain(error) }),
        Happened::Missed(count) => json!({ "missed": count }),
        other => json!({ "other": format!("{other:?}") }),
    };
    value.to_string()
}
