//! `cargo xtask`: the project's own tasks. Each task is a module; `process` and `workspace` are what they share.

mod backlog;
mod bench;
mod clients;
mod crash;
mod demo;
mod fuzz;
mod guests;
mod lint;
mod live;
mod newcomer;
mod process;
mod programs;
mod screen;
mod setup;
mod test;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The tasks of the plugbus workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make the Rust target wasm32-wasip2 available. Does nothing when it already works.
    Setup,
    /// Build the plugins and the tests' guests, of every language, into target/guests. The tools of languages other than Rust are
    /// installed into target/tools; one whose tools cannot be had is skipped, but where the variable CI is `true`.
    Guests,
    /// See it work: set up, build, run a daemon with real and with bad plugins on recorded events, and print what it measured.
    Demo,
    /// Check formatting, run clippy on the host and on the guests, and build the documentation. Warnings are errors.
    Lint,
    /// Set up, build the guests, and run the demo, the crash test, the clients and every test of the workspace.
    Test,
    /// Install real clients (npm, PyPI, Chromium) into target/tools/clients and run their tests against a real daemon.
    Clients {
        /// Parts of names of test files in tests/clients. All when none is named.
        names: Vec<String>,
    },
    /// Kill a real daemon again and again while events stream in, and see that nothing acknowledged is lost or done twice.
    Crash(crash::CrashArguments),
    /// Go the way of somebody who writes a first plugin, in each language, and print how long it takes.
    Newcomer(newcomer::NewcomerArguments),
    /// Run the fuzz targets of tests/fuzz, each for a bounded time.
    Fuzz(fuzz::FuzzArguments),
    /// Let a million events pile up for a paused plugin, and see that memory stays flat and each is handled once, in order.
    Backlog(backlog::BacklogArguments),
    /// Take the figures (time, memory), each beside something of the same run; print them and write
    /// target/bench/summary.json.
    Bench(bench::BenchArguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::find()?;
    match arguments.task {
        Task::Setup => setup::run(&workspace)?,
        Task::Guests => {
            setup::run(&workspace)?;
            guests::build_all(&workspace)?;
        }
        Task::Demo => demo::run(&workspace)?,
        Task::Lint => lint::run(&workspace)?,
        Task::Test => test::run(&workspace)?,
        Task::Clients { ref names } => clients::build_and_run(&workspace, names)?,
        Task::Crash(ref arguments) => crash::run(&workspace, arguments)?,
        Task::Newcomer(ref arguments) => newcomer::run(&workspace, arguments)?,
        Task::Fuzz(ref arguments) => fuzz::run(&workspace, arguments)?,
        Task::Backlog(ref arguments) => backlog::run(&workspace, arguments)?,
        Task::Bench(ref arguments) => bench::run(&workspace, arguments)?,
    }
    Ok(())
}

/// Prints an error with all its causes, one a line, outermost first.
fn print_error(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        eprintln!("  caused by: {inner}");
        cause = inner.source();
    }
}
