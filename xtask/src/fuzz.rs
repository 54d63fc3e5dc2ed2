//! `cargo xtask fuzz`: runs the fuzz targets of `tests/fuzz`, each for a bounded time.
//!
//! No sanitizer is asked for: the code that is fuzzed forbids `unsafe`, so what is looked for are panics, hangs and memory
//! without bound, which libFuzzer finds by itself. So the stable compiler is enough.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use clap::Args;
use thiserror::Error;

use crate::process::{self, ProcessError};
use crate::workspace::{self, Workspace};

/// Longest time that one input may take, in seconds.
const INPUT_SECONDS: u32 = 10;
/// Memory that a target may take, in MiB.
const MEMORY_MIB: u32 = 2048;
/// Lines of the log that are shown of a target that fails.
const LOG_LINES: usize = 40;
/// What starting and ending may take beside the fuzzing itself.
const MARGIN: Duration = Duration::from_secs(120);

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct FuzzArguments {
    /// The targets; all of them when none is named.
    targets: Vec<String>,
    /// Seconds that each target runs.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
}

/// Why fuzzing did not go through.
#[derive(Debug, Error)]
pub(crate) enum FuzzError {
    #[error("there is no fuzz target `{name}`; there are: {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("cannot ask the compiler for this machine's target")]
    Host(#[source] ProcessError),
    #[error("cannot install cargo-fuzz")]
    Install(#[source] ProcessError),
    #[error("the fuzz target `{name}` does not build")]
    Build { name: String, source: ProcessError },
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "an input breaks its property in: {}; in tests/fuzz/seeds/<target>/ the test `seeds` shows it without a fuzzer",
        .0.join(", ")
    )]
    Found(Vec<String>),
}

/// The folders of fuzzing.
struct Place<'a> {
    workspace: &'a Workspace,
    /// The package of the targets.
    folder: PathBuf,
    /// What is built, and the logs.
    output: PathBuf,
    /// The program `cargo-fuzz`.
    tool: PathBuf,
    /// The target triple of this machine.
    host: String,
}

/// Builds and runs the targets one after the other. One that finds something does not keep the others from running.
pub(crate) fn run(workspace: &Workspace, arguments: &FuzzArguments) -> Result<(), FuzzError> {
    let folder = workspace.root.join("tests/fuzz");
    let targets = choose(&arguments.targets, known_targets(&folder)?)?;
    let tool = find_tool(workspace).map_err(FuzzError::Install)?;
    let host = host().map_err(FuzzError::Host)?;
    let place = Place { workspace, folder, output: workspace.target.join("fuzz"), tool, host };
    // The same versions as the host has. Cargo adds what only the fuzzer needs.
    let lock = place.folder.join("Cargo.lock");
    fs::copy(workspace.root.join("Cargo.lock"), &lock).map_err(|source| FuzzError::File { path: lock, source })?;

    let mut programs = Vec::new();
    for name in targets {
        let built = place.build(&name);
        programs.push((built.map_err(|source| FuzzError::Build { name: name.clone(), source })?, name));
    }
    let mut lines = Vec::new();
    let mut found = Vec::new();
    for (program, name) in programs {
        let (is_good, line) = place.fuzz(&name, &program, arguments.seconds)?;
        println!("{line}");
        lines.push(line);
        if !is_good {
            found.push(name);
        }
    }
    println!("\n{}", lines.join("\n"));
    if found.is_empty() { Ok(()) } else { Err(FuzzError::Found(found)) }
}

impl Place<'_> {
    /// Builds one target; what was built.
    fn build(&self, name: &str) -> Result<PathBuf, ProcessError> {
        let mut command = Command::new(&self.tool);
        command.current_dir(&self.workspace.root).args(["build", name, "--fuzz-dir"]).arg(&self.folder);
        // The profile in tests/fuzz/Cargo.toml says how it is optimised; without a number here cargo-fuzz would overrule it.
        command.args(["--sanitizer", "none", "--codegen-units", "16"]);
        process::run(command.args(["--target", &self.host, "--target-dir"]).arg(&self.output))?;
        Ok(self.output.join(&self.host).join("release").join(name))
    }

    /// Runs one target; whether it found nothing, and the line that says so. Not by way of `cargo-fuzz run`, which would go
    /// on when it is stopped for taking too long.
    fn fuzz(&self, name: &str, program: &Path, seconds: u32) -> Result<(bool, String), FuzzError> {
        let (corpus, artifacts) = (self.folder.join("corpus").join(name), self.folder.join("artifacts").join(name));
        let log = self.output.join("logs").join(name).with_extension("log");
        for folder in [&corpus, &artifacts, log.parent().unwrap_or(&self.output)] {
            fs::create_dir_all(folder).map_err(|source| FuzzError::File { path: folder.to_owned(), source })?;
        }
        let file = fs::File::create(&log).map_err(|source| FuzzError::File { path: log.clone(), source })?;
        let began = SystemTime::now();

        let mut command = Command::new(program);
        command.arg(&corpus).arg(self.folder.join("seeds").join(name));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.arg(format!("-max_total_time={seconds}"));
        command.args([format!("-timeout={INPUT_SECONDS}"), format!("-rss_limit_mb={MEMORY_MIB}")]);
        let ended = process::run_within(command.stderr(file), MARGIN + Duration::from_secs(seconds.into()));

        let text = fs::read(&log).map_err(|source| FuzzError::File { path: log.clone(), source })?;
        let text = String::from_utf8_lossy(&text);
        if let Err(error) = ended {
            print!("{}", last_lines(&text, LOG_LINES));
            let input = newest_since(&artifacts, began);
            let input = input.map_or_else(|| format!("no input was kept ({error})"), |path| path.display().to_string());
            return Ok((false, format!("fuzz {name}: FAILED, input: {input}, log: {}", log.display())));
        }
        Ok((true, format!("fuzz {name}: nothing found, {}", last_line(&text, "Done "))))
    }
}

/// Every target that there is: one file each.
fn known_targets(folder: &Path) -> Result<Vec<String>, FuzzError> {
    let path = folder.join("fuzz_targets");
    let entries = fs::read_dir(&path).map_err(|source| FuzzError::File { path, source })?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// The targets that are asked for, or all.
fn choose(wanted: &[String], known: Vec<String>) -> Result<Vec<String>, FuzzError> {
    match wanted.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(FuzzError::Unknown { name: name.clone(), known }),
        None if wanted.is_empty() => Ok(known),
        None => Ok(wanted.to_vec()),
    }
}

/// `cargo-fuzz` from the PATH, or the project's own, which is installed if it is not there yet.
fn find_tool(workspace: &Workspace) -> Result<PathBuf, ProcessError> {
    let on_path = PathBuf::from("cargo-fuzz");
    if process::read(Command::new(&on_path).arg("--version")).is_ok() {
        return Ok(on_path);
    }
    let tools = workspace.target.join("tools");
    let own = tools.join("bin").join("cargo-fuzz");
    if !own.exists() {
        let mut cargo = workspace.cargo();
        process::run(cargo.args(["install", "cargo-fuzz", "--locked", "--root"]).arg(&tools))?;
    }
    Ok(own)
}

/// The target triple of this machine, as the compiler calls it.
fn host() -> Result<String, ProcessError> {
    Ok(process::read(workspace::rustc().args(["--print", "host-tuple"]))?.trim().to_owned())
}

/// The end of a text.
fn last_lines(text: &str, lines: usize) -> String {
    let all = text.lines().count();
    text.lines().skip(all.saturating_sub(lines)).flat_map(|line| [line, "\n"]).collect()
}

/// The last line that begins like this.
fn last_line<'t>(text: &'t str, beginning: &str) -> &'t str {
    text.lines().rev().find(|line| line.starts_with(beginning)).unwrap_or("it does not say how many runs")
}

/// The newest file in a folder, if it is not older than this.
fn newest_since(folder: &Path, since: SystemTime) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let dated = entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
    dated.filter(|(modified, _)| *modified >= since).max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn targets_are_chosen_by_name_and_an_unknown_one_is_told_with_those_there_are() {
        let known = || names(&["topic", "url"]);
        assert_eq!(choose(&[], known()).unwrap(), known());
        assert_eq!(choose(&names(&["url"]), known()).unwrap(), names(&["url"]));
        let error = choose(&names(&["url", "uri"]), known()).unwrap_err();
        assert_eq!(error.to_string(), "there is no fuzz target `uri`; there are: topic, url");
    }

    #[test]
    fn only_what_was_found_in_this_run_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crash-1");
        fs::write(&path, "x").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(newest_since(folder.path(), written), Some(path));
        assert_eq!(newest_since(folder.path(), written + Duration::from_secs(1)), None);
        assert_eq!(newest_since(&folder.path().join("none"), written), None);
    }
}
