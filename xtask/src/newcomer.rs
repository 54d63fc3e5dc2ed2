//! `cargo xtask newcomer`: the way of somebody who writes a first plugin, in each language, with the clock running: an empty
//! folder, `plugbus new`, `plugbus build`, into the folder of a running daemon, and the first event is handled.
//!
//! Package caches may be warm, the tools of a project are installed anew each time. Then, off the clock, the samples and the
//! project's own tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use thiserror::Error;

use crate::live::place::read;
use crate::live::{Cli, Daemon, LiveError, Place};
use crate::process::{self, ProcessError};
use crate::programs;
use crate::setup::{self, SetupError};
use crate::workspace::Workspace;

/// The name of the plugin.
const NAME: &str = "my-relay";
/// The daemon's log, in the folder of the task.
const LOG: &str = "daemon.log";
/// The languages, each with the command that runs a project's own tests.
const LANGUAGES: [(&str, &[&str]); 6] = [
    ("rust", &["cargo", "test", "--quiet"]),
    ("js", &["npm", "test", "--silent"]),
    ("ts", &["npm", "test", "--silent"]),
    ("python", &["python3", "third_party/plugbus/plugin-sdk/python/build.py", "--test"]),
    ("c", &["python3", "third_party/plugbus/plugin-sdk/c/build.py", "--test"]),
    ("go", &["python3", "third_party/plugbus/plugin-sdk/go/build.py", "--test"]),
];

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct NewcomerArguments {
    /// Languages (rust, js, ts, python, c, go) [default: all]
    languages: Vec<String>,
    /// Folder for the tools, instead of one in each project: quicker when it is repeated
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,
}

impl NewcomerArguments {
    /// All languages, with tools that are shared.
    pub(crate) fn all(tools: PathBuf) -> Self {
        Self { languages: Vec::new(), tools: Some(tools) }
    }
}

/// Where a newcomer would be stuck.
#[derive(Debug, Error)]
pub(crate) enum NewcomerError {
    #[error("`{0}` is no language here; there are rust, js, ts, python, c and go")]
    NoLanguage(String),
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error("the programs do not build")]
    Build(#[source] ProcessError),
    #[error("the way of a newcomer in {language} ends at: {step}")]
    Stuck { language: &'static str, step: &'static str, source: ProcessError },
    #[error("the way of a newcomer in {language} ends at the daemon")]
    Daemon { language: &'static str, source: LiveError },
    #[error("the first event of a newcomer in {language} was not acked: {answer}")]
    NotAcked { language: &'static str, answer: Value },
}

/// Times of one language.
struct Times {
    new: Duration,
    build: Duration,
    handled: Duration,
    bytes: usize,
}

/// Does it, and prints the times.
pub(crate) fn run(workspace: &Workspace, arguments: &NewcomerArguments) -> Result<(), NewcomerError> {
    let known = |name: &String| LANGUAGES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = arguments.languages.iter().find(|name| !known(name)) {
        return Err(NewcomerError::NoLanguage(unknown.clone()));
    }
    setup::run(workspace)?;
    programs::build(workspace).map_err(NewcomerError::Build)?;
    let program = workspace.target.join("debug").join("plugbus");
    // A project's own folder is another current folder.
    let tools = arguments.tools.as_deref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let mut all = BTreeMap::new();
    for (language, tests) in LANGUAGES {
        if arguments.languages.is_empty() || arguments.languages.iter().any(|name| name == language) {
            all.insert(language, walk(&program, language, tests, tools.as_deref())?);
        }
    }
    println!("\nnewcomer: from an empty folder to the first event handled, in seconds");
    println!("{:<8} {:>6} {:>8} {:>9} {:>8} {:>12}", "language", "new", "build", "handled", "all", "bytes");
    for (language, Times { new, build, handled, bytes }) in all {
        let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
        let sum = new + build + handled;
        println!(
            "{language:<8} {:>6} {:>8} {:>9} {:>8} {bytes:>12}",
            seconds(new),
            seconds(build),
            seconds(handled),
            seconds(sum)
        );
    }
    Ok(())
}

/// One language from the beginning to the end.
fn walk(program: &Path, language: &'static str, tests: &[&str], tools: Option<&Path>) -> Result<Times, NewcomerError> {
    let daemon_failed = |source| NewcomerError::Daemon { language, source };
    let place = Place::new("newcomer", &[]).map_err(daemon_failed)?;
    let project = place.beside(NAME);
    let step = |step: &'static str, mut command: Command| {
        if let Some(tools) = tools {
            command.env("PLUGBUS_TOOLS", tools);
        }
        let begun = Instant::now();
        process::run(&mut command).map_err(|source| NewcomerError::Stuck { language, step, source })?;
        Ok::<Duration, NewcomerError>(begun.elapsed())
    };
    let plugbus = |arguments: &[&str], folder: &Path| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        command
    };
    let new = step("plugbus new", plugbus(&["new", NAME, "--lang", language], place.path()))?;
    let build = step("plugbus build", plugbus(&["build"], &project))?;
    let (handled, bytes) = first_event(program, &place, language)?;
    step("plugbus check", plugbus(&["check"], &project))?;
    if let [runner, arguments @ ..] = tests {
        let mut command = Command::new(runner);
        // npm's script names the project's own folder of tools; the variable is for those that are shared.
        command.args(arguments).current_dir(&project);
        step("its own tests", command)?;
    }
    Ok(Times { new, build, handled, bytes })
}

/// Puts the plugin into the folder of a running daemon and publishes what it waits for; the time until that is handled.
fn first_event(program: &Path, place: &Place, language: &'static str) -> Result<(Duration, usize), NewcomerError> {
    let failed = |source| NewcomerError::Daemon { language, source };
    let cli = Cli::new(program, place.path());
    let daemon = Daemon::start(&cli, &[], LOG).map_err(failed)?;
    let project = place.beside(NAME);
    let component = read(&project.join(NAME).with_extension("wasm")).map_err(failed)?;
    let manifest = crate::live::place::read_text(&project.join(NAME).with_extension("toml")).map_err(failed)?;
    let begun = Instant::now();
    place.put(NAME, Some(&manifest), &component).map_err(failed)?;
    cli.run(&["plugins", "rescan"]).map_err(failed)?;
    let hello = ["emit", "hello.world", r#"{"name":"Ada"}"#, "--wait=30000"];
    let answer = cli.json(&hello).map_err(failed)?;
    let handled = begun.elapsed();
    daemon.stop().map_err(failed)?;
    match answer.pointer("/results/0/outcome").and_then(Value::as_str) {
        Some("acked") => Ok((handled, component.len())),
        _ => Err(NewcomerError::NotAcked { language, answer }),
    }
}
