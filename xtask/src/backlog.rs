//! `cargo xtask backlog [--events N] [--release]`: a plugin is paused, a million events pile up for it in the journal of a real daemon, and
//! it is resumed. What it shows: the daemon's memory does not grow with the backlog, and everything is handled, once each, in
//! order.
//!
//! `load` publishes, `memory` looks at the process; what is too much is decided here.

mod load;
mod memory;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use thiserror::Error;

use crate::guests::{self, Guests, GuestsError};
use crate::live::daemon::last_words_of;
use crate::live::place::read;
use crate::live::{Cli, Daemon, LiveError, POLL, Place, json as reading};
use crate::process::{self, ProcessError};
use crate::programs;
use crate::screen::{Screen, table};
use crate::setup::{self, SetupError};
use crate::workspace::Workspace;

use self::load::{PUBLISHERS, source};
use self::memory::{Memory, mib};

/// The plugin, and the folder that it writes to.
const PLUGIN: &str = "slow";
const FILES: &str = "files";
/// Events that may wait in its queue: what is over that waits in the journal alone.
const QUEUE_EVENTS: u64 = 1024;
/// The daemon's log.
const LOG: &str = "daemon.log";
const LOG_LINES_SHOWN: usize = 15;
/// Parts in which the figures are taken.
const PARTS: u64 = 10;
/// What the daemon may hold more at any time than after a fifth of the events, when everything that is bounded (the window of
/// duplicates above all) is as full as it gets.
const GROWTH_MAX: u64 = 64 << 20;
/// Longest time without a single event that is handled.
const STALL_MAX: Duration = Duration::from_secs(60);

/// How many.
#[derive(Args)]
pub(crate) struct BacklogArguments {
    /// Events in the backlog.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    events: u64,
    /// Build the daemon for release: faster, but for the build.
    #[arg(long)]
    release: bool,
}

/// Why there is no figure, or a bad one.
#[derive(Debug, Error)]
pub(crate) enum BacklogError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Guests(#[from] GuestsError),
    #[error("the daemon does not build")]
    Build(#[source] ProcessError),
    #[error("cargo built no {path}")]
    NoProgram { path: PathBuf },
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("a publisher was refused: {0}")]
    Refused(String),
    #[error("the plugin handled nothing for {STALL_MAX:?}, with {left} events left")]
    Stalled { left: u64 },
    #[error("line {line} of {path} is {found:?}, not {expected:?}: an event is missing, came twice or out of its turn")]
    NotOnceEach { path: PathBuf, line: u64, found: String, expected: String },
    #[error("the daemon's memory grew by {} with the backlog, {} are allowed", mib(*growth), mib(GROWTH_MAX))]
    Grew { growth: u64 },
}

/// One row of the figures.
struct Row {
    what: String,
    events: u64,
    memory: Memory,
    seconds: f64,
}

/// Builds, and takes the figures.
pub(crate) fn run(workspace: &Workspace, arguments: &BacklogArguments) -> Result<(), BacklogError> {
    setup::run(workspace)?;
    let guests = guests::build(workspace)?;
    let program = build(workspace, arguments.release)?;
    // As many for each publisher.
    let each = arguments.events.div_ceil(PUBLISHERS);
    let screen = Screen::new();
    screen.heading("plugbus: a backlog for a paused plugin");
    let place = Place::new("backlog", &[FILES])?;
    let taken = take(&place, &guests, &program, each);
    match &taken {
        Ok(rows) => screen.say(&in_words(rows)),
        Err(_) => eprintln!("the daemon's last words:\n{}", last_words_of(&place.beside(LOG), LOG_LINES_SHOWN)),
    }
    check_memory(&taken?)
}

fn build(workspace: &Workspace, release: bool) -> Result<PathBuf, BacklogError> {
    let built = match release {
        true => process::run(workspace.cargo().args(["build", "--release", "--bin", "plugbus"])),
        false => programs::build(workspace),
    };
    built.map_err(BacklogError::Build)?;
    let path = workspace.target.join(if release { "release" } else { "debug" }).join("plugbus");
    if path.exists() { Ok(path) } else { Err(BacklogError::NoProgram { path }) }
}

fn take(place: &Place, guests: &Guests, program: &Path, each: u64) -> Result<Vec<Row>, BacklogError> {
    let component = read(&guests.fixtures.join("unsteady.wasm"))?;
    place.put(PLUGIN, Some(&manifest()), &component)?;
    let cli = Cli::new(program, place.path());
    let arguments = ["--journal-sync", "os", "--journal-bytes-max", "1099511627776", "--log-level", "warn"];
    let daemon = Daemon::start(&cli, &arguments, LOG)?;
    let process = daemon.pid();
    let events = each * PUBLISHERS;
    let mut rows = vec![Row { what: "ready".into(), events: 0, memory: Memory::of(process)?, seconds: 0.0 }];
    cli.wire()?.ask(&json!({ "pause": { "name": PLUGIN } }), "done")?;
    for part in 1..=PARTS {
        let begun = Instant::now();
        let numbers = each * (part - 1) / PARTS + 1..=each * part / PARTS;
        load::publish(&cli, &numbers)?;
        let seconds = begun.elapsed().as_secs_f64();
        let events = numbers.end() * PUBLISHERS;
        rows.push(Row { what: "published".into(), events, memory: Memory::of(process)?, seconds });
    }
    cli.wire()?.ask(&json!({ "resume": { "name": PLUGIN } }), "done")?;
    for part in 1..=PARTS {
        let begun = Instant::now();
        let handled = wait_handled(&cli, events * part / PARTS, events)?;
        let seconds = begun.elapsed().as_secs_f64();
        rows.push(Row { what: "handled".into(), events: handled, memory: Memory::of(process)?, seconds });
    }
    daemon.stop()?;
    (0..PUBLISHERS).try_for_each(|publisher| check_file(place, publisher, each))?;
    Ok(rows)
}

fn manifest() -> String {
    format!(
        "filters = [\"backlog.>\"]\n[queue]\nevents_max = {QUEUE_EVENTS}\n[config]\nfolder = \"/data\"\n\
         [[grants.dirs]]\nhost = \"../{FILES}\"\nguest = \"/data\"\nmode = \"read-write\"\n"
    )
}

/// Waits until so many are settled, at the end until nothing is left; how many are. As long as it goes on.
fn wait_handled(cli: &Cli, wanted: u64, all: u64) -> Result<u64, BacklogError> {
    let mut wire = cli.wire()?;
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let answer = wire.ask(&json!({ "plugin": { "name": PLUGIN } }), "plugin")?;
        let acked = reading::number(&answer, "/counters/acked")?;
        let backlog = reading::number(&answer, "/counters/durable/backlog")?;
        if acked >= wanted && (wanted < all || backlog == 0) {
            return Ok(acked);
        }
        if acked > last {
            (last, since) = (acked, Instant::now());
        }
        if since.elapsed() > STALL_MAX {
            return Err(BacklogError::Stalled { left: all - acked.min(all) });
        }
        thread::sleep(POLL);
    }
}

/// The file of one source has its numbers from 1 on, once each, in order, at the first attempt.
fn check_file(place: &Place, publisher: u64, each: u64) -> Result<(), BacklogError> {
    let path = place.beside(FILES).join(format!("{}.txt", source(publisher)));
    let failed = |error| LiveError::io(format!("read {}", path.display()), error);
    let mut lines = BufReader::new(File::open(&path).map_err(failed)?).lines();
    for line in 1..=each + 1 {
        let expected = if line > each { String::new() } else { format!("{} {line} 1;", source(publisher)) };
        let found = lines.next().transpose().map_err(failed)?.unwrap_or_default();
        if found != expected {
            return Err(BacklogError::NotOnceEach { path, line, found, expected });
        }
    }
    Ok(())
}

fn in_words(rows: &[Row]) -> String {
    let mut cells = vec![["", "events", "memory", "its most", "events/s"].map(str::to_owned).to_vec()];
    let mut before = 0;
    for row in rows {
        let new = if row.events >= before { row.events - before } else { row.events };
        before = row.events;
        let Memory { resident, most } = row.memory;
        let rate = new as f64 / row.seconds.max(f64::EPSILON);
        let rate = if new == 0 { "-".to_owned() } else { format!("{rate:.0}") };
        cells.push(vec![row.what.clone(), row.events.to_string(), mib(resident), mib(most), rate]);
    }
    let text = "Memory is what the daemon holds itself, without the pages of files; `its most` is the most that it ever held \
                of both. All were handled once each, in the order of their publishers.";
    format!("{}\n\n{text}", table(&cells))
}

/// Flat is what does not grow once everything that is bounded is full.
fn check_memory(rows: &[Row]) -> Result<(), BacklogError> {
    let published = |row: &&Row| row.what == "published";
    let base = rows.iter().filter(published).nth(1).map_or(0, |row| row.memory.resident);
    let most = rows.iter().map(|row| row.memory.resident).max().unwrap_or_default();
    let growth = most.saturating_sub(base);
    if growth > GROWTH_MAX { Err(BacklogError::Grew { growth }) } else { Ok(()) }
}

/// A line of JSON that a publisher sends.
fn request(source: &str, number: u64) -> Value {
    json!({ "publish": { "event": {
        "source": source,
        "type": "backlog.x",
        "datacontenttype": "text/plain",
        "data": format!("{:256} {number}", "an event of some length"),
    } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &str, events: u64, resident: u64) -> Row {
        Row { what: what.into(), events, memory: Memory { resident, most: resident }, seconds: 1.0 }
    }

    #[test]
    fn memory_that_grows_with_the_backlog_is_an_error() {
        let rows = |last| {
            [
                row("ready", 0, 1 << 20),
                row("published", 10, 30 << 20),
                row("published", 20, 50 << 20),
                row("handled", 20, last),
            ]
        };
        assert!(check_memory(&rows(50 << 20)).is_ok());
        let error = check_memory(&rows(150 << 20)).unwrap_err();
        assert_eq!(error.to_string(), "the daemon's memory grew by 100.0 MiB with the backlog, 64.0 MiB are allowed");
    }

    #[test]
    fn a_file_with_a_line_missing_twice_or_too_many_is_noticed() {
        let place = Place::new("test", &[FILES]).unwrap();
        let check = |text: &str| {
            std::fs::write(place.beside(FILES).join("p0.txt"), text).unwrap();
            check_file(&place, 0, 3).map_err(|error| error.to_string())
        };
        assert_eq!(check("p0 1 1;\np0 2 1;\np0 3 1;\n"), Ok(()));
        for wrong in ["p0 1 1;\np0 3 1;\n", "p0 1 1;\np0 1 1;\n", "p0 1 1;\np0 2 1;\np0 3 1;\np0 3 1;\n", ""] {
            assert!(check(wrong).unwrap_err().contains("came twice"), "{wrong}");
        }
    }
}
