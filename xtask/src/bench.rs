//! `cargo xtask bench [--quick] [NAME…]`: takes the figures of the package [`PACKAGE`], shows them as a table and keeps them as JSON.
//!
//! The measuring is all there, in one program; here it is built for release together with the programs that it starts, run,
//! and its results are collected: what criterion estimated, and what the program wrote down itself.
//!
//! What some figures are set beside is installed first (a `nats-server`, npm's packages, StarlingMonkey). What cannot be had is said, and
//! the figure is taken without it.

mod estimates;
mod figure;
mod nats;
mod starling;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use clap::Args;
use serde_json::Value;
use thiserror::Error;

use self::estimates::EstimatesError;
use self::figure::Figure;
use crate::clients;
use crate::guests::{self, GuestsError};
use crate::process::{self, ProcessError};
use crate::setup::{self, SetupError};
use crate::workspace::Workspace;

/// The package with the figures, and its only program.
const PACKAGE: &str = "plugbus-bench";
const FIGURES: &str = "figures";
/// The package whose programs are started as daemon and client, and the client.
const PROGRAMS: &str = "plugbus-cli";
const CLIENT: &str = "plugbus";
/// The figure that stands beside a `nats-server`.
const BESIDE_NATS: &[&str] = &["acknowledged"];
/// Those that need guests in languages other than Rust.
const OF_LANGUAGES: &[&str] = &["languages", "warm", "dropin"];
/// The one that has a component on StarlingMonkey among its plugins.
const ON_STARLING: &[&str] = &["warm"];
/// Those that need Node with packages of npm, and the one that needs Chromium too.
const BESIDE_NODE: &[&str] = &["fanout", "browser"];
const IN_BROWSER: &[&str] = &["browser"];

/// What is asked for.
#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Figures to take (call, reload, emit, …). All when none is named; a name that is none lists them.
    names: Vec<String>,
    /// Take each figure with as little as shows that it can be taken, in a debug build: minutes, and numbers that mean nothing
    #[arg(long)]
    quick: bool,
}

impl BenchArguments {
    /// Whether one of these figures is to be taken.
    fn wants(&self, figures: &[&str]) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| figures.contains(&name.as_str()))
    }
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Guests(#[from] GuestsError),
    #[error("the figures do not build")]
    Build(#[source] ProcessError),
    #[error("cargo built no program `{0}`")]
    NoProgram(&'static str),
    #[error("the figures cannot be taken")]
    Take(#[source] ProcessError),
    #[error("cannot collect what criterion estimated")]
    Estimates(#[from] EstimatesError),
    #[error("a line of {path} is no figure: {line}")]
    NoFigure { path: PathBuf, line: String, source: serde_json::Error },
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
}

/// Takes the figures of these names, or all.
pub(crate) fn run(workspace: &Workspace, arguments: &BenchArguments) -> Result<(), BenchError> {
    let nats = arguments.wants(BESIDE_NATS).then(|| nats::find_or_install(workspace)).flatten();
    setup::run(workspace)?;
    let guests = match arguments.wants(OF_LANGUAGES) {
        true => guests::build_all(workspace)?,
        false => guests::build(workspace)?,
    };
    if arguments.wants(ON_STARLING) {
        starling::build(workspace, &guests.folder);
    }
    if arguments.wants(BESIDE_NODE) {
        clients::install_for_figures(workspace, arguments.wants(IN_BROWSER));
    }
    let built = build(workspace, arguments.quick)?;

    let folder = workspace.target.join("bench");
    let records = folder.join("records.jsonl");
    fs::create_dir_all(&folder).map_err(|source| file(&folder, source))?;
    fs::write(&records, "").map_err(|source| file(&records, source))?;
    let criterion = workspace.target.join("criterion");
    let (began, clock) = (SystemTime::now(), Instant::now());
    let mut take = Command::new(program(&built, FIGURES)?);
    take.current_dir(&workspace.root).arg("--bench").args(arguments.quick.then_some("--quick")).args(&arguments.names);
    take.env("PLUGBUS_GUESTS", &guests.folder)
        .env("PLUGBUS_BENCH_PROGRAM", program(&built, CLIENT)?)
        .env("PLUGBUS_BENCH_RECORDS", &records)
        .env("PLUGBUS_BENCH_TOOLS", workspace.target.join("tools"))
        .env("CRITERION_HOME", &criterion);
    if let Some(server) = nats {
        take.env("PLUGBUS_BENCH_NATS", server);
    }
    process::run(&mut take).map_err(BenchError::Take)?;

    let mut figures = estimates::collect(&criterion, began)?;
    figures.extend(read_records(&records)?);
    println!("\n{}", figure::table(&figures));
    let summary = folder.join("summary.json");
    let json: Vec<Value> = figures.iter().map(Figure::to_json).collect();
    fs::write(&summary, format!("{:#}\n", Value::from(json))).map_err(|source| file(&summary, source))?;
    let minutes = clock.elapsed().as_secs_f64() / 60.0;
    println!("\nbench: {} figures, taken in {minutes:.1} min, in {}", figures.len(), summary.display());
    if arguments.quick {
        println!("bench: with --quick the numbers mean nothing");
    }
    Ok(())
}

/// Builds everything in one call of cargo, so that each dependency has one set of features and is built once. What cargo
/// says of each thing it built.
fn build(workspace: &Workspace, quick: bool) -> Result<Vec<Value>, BenchError> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--message-format=json-render-diagnostics"]);
    if quick {
        // As the tests have it: nothing is built a second time with other features.
        cargo.args(["--workspace", "--bins", "--bench", FIGURES]);
    } else {
        cargo.args(["--release", "--package", PROGRAMS, "--bins", "--package", PACKAGE, "--bench", FIGURES]);
        println!("bench: building for release; the first time takes minutes");
    }
    let messages = process::read(&mut cargo).map_err(BenchError::Build)?;
    // Programs may print lines of their own there (build scripts do); those are no messages.
    Ok(messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The path of a program that was built.
fn program(messages: &[Value], name: &'static str) -> Result<PathBuf, BenchError> {
    let of_name = |message: &&Value| message.pointer("/target/name").is_some_and(|found| found == name);
    let path = |message: &Value| message.get("executable").and_then(Value::as_str).map(PathBuf::from);
    messages.iter().filter(of_name).find_map(path).ok_or(BenchError::NoProgram(name))
}

fn read_records(path: &Path) -> Result<Vec<Figure>, BenchError> {
    let text = fs::read_to_string(path).map_err(|source| file(path, source))?;
    let figure = |line: &str| {
        serde_json::from_str(line).map_err(|source| BenchError::NoFigure {
            path: path.to_owned(),
            line: line.to_owned(),
            source,
        })
    };
    text.lines().map(figure).collect()
}

fn file(path: &Path, source: io::Error) -> BenchError {
    BenchError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_program_is_found_among_the_messages_of_cargo() {
        let messages = [
            json!({"reason": "compiler-artifact", "target": {"name": "plugbus"}, "executable": null}),
            json!({"reason": "compiler-artifact", "target": {"name": "plugbus"}, "executable": "/t/release/plugbus"}),
            json!({"reason": "build-finished", "success": true}),
        ];
        assert_eq!(program(&messages, "plugbus").unwrap(), PathBuf::from("/t/release/plugbus"));
        assert!(matches!(program(&messages, "figures"), Err(BenchError::NoProgram("figures"))));
    }

    #[test]
    fn a_record_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        fs::write(&path, "{\"name\":\"a/b\",\"value\":2,\"unit\":\"ms\",\"beside\":null,\"beside_value\":null}\nx\n")
            .unwrap();
        let error = read_records(&path).unwrap_err();
        assert!(error.to_string().ends_with("is no figure: x"), "{error}");
    }
}
