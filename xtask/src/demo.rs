//! `cargo xtask demo`: the real daemon on a folder of real plugins, fed with recorded events, with a swap and three bad
//! plugins in the middle.
//!
//! `story` lets it happen, with the daemon, `feed`, `watch` and `webhook` as the actors. `facts` holds what was measured,
//! `verdict` decides whether it adds up, `summary` shows it; these three are pure.

mod build;
mod facts;
mod feed;
#[cfg(test)]
mod samples;
mod story;
mod summary;
mod time;
mod verdict;
mod watch;
mod webhook;

use std::path::PathBuf;

use thiserror::Error;

use crate::guests::GuestsError;
use crate::live::{LiveError, Place, daemon};
use crate::process::ProcessError;
use crate::screen::Screen;
use crate::setup::SetupError;
use crate::workspace::Workspace;

use self::build::Built;

/// The daemon's log, in the folder of the demo.
const LOG: &str = "daemon.log";
/// Lines of the daemon's log that are shown when something went wrong.
const LOG_LINES_SHOWN: usize = 15;

/// Why there was no demo, or none that showed what it should.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Guests(#[from] GuestsError),
    #[error("what the demo shows does not build")]
    Build(#[source] ProcessError),
    #[error("cargo built no {path}")]
    NoProgram { path: PathBuf },
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("the sample manifest of {name} no longer has {what}, which the demo adapts")]
    Sample { name: String, what: &'static str },
    #[error("the daemon went away while the demo waited for {what}")]
    Gone { what: String },
    #[error("what was measured does not add up, see the problems above: {0} in number")]
    DoesNotAddUp(usize),
}

/// Does it. The last line on standard output is the summary as one JSON object, also where it does not add up.
pub(crate) fn run(workspace: &Workspace) -> Result<(), DemoError> {
    let built = Built::make(workspace)?;
    let screen = Screen::new();
    screen.heading("plugbus: an event bus whose subscribers are sandboxed WebAssembly plugins");
    screen.say(
        "You see the real daemon with real plugins: events stream in, a plugin is swapped, three bad ones are dropped in. \
         Numbers are measured: told by the daemon, and held against what others saw.",
    );
    let place = Place::new("demo", &[facts::LOG_FOLDER])?;
    let told = story::tell(&built, &place).inspect_err(|_| {
        eprintln!(
            "the last lines of the daemon's log:\n{}",
            daemon::last_words_of(&place.beside(LOG), LOG_LINES_SHOWN)
        );
    });
    let concluded = told.and_then(|facts| conclude(&screen, &facts));
    if concluded.is_err() {
        eprintln!("the demo's folder is left for a look: {}", place.keep().display());
    }
    concluded
}

/// Shows what was measured, and whether it adds up.
fn conclude(screen: &Screen, facts: &facts::Facts) -> Result<(), DemoError> {
    let problems = verdict::problems(facts);
    screen.heading("What was measured");
    screen.say(&summary::in_words(facts, &problems));
    println!();
    problems.iter().for_each(|problem| eprintln!("problem: {problem}"));
    println!("{}", summary::in_json(facts, &problems));
    if problems.is_empty() { Ok(()) } else { Err(DemoError::DoesNotAddUp(problems.len())) }
}
