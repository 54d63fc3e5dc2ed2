//! `cargo xtask crash [--rounds N] [--seed S]`: a real daemon is killed again and again while numbered events stream in and
//! real plugins write, publish, fail and reject. Nothing that was acknowledged may be missing at the end, and nothing may
//! have happened twice that must happen once.
//!
//! `rounds` lets it happen: `hazard` is how the daemon ends each time, `publisher` and `connection` stream, `plugins` says
//! who handles. `evidence` and `files` gather what is there at the end; `verdict` holds one against the other and `summary`
//! shows it, both pure. What is left to chance comes from a seed; which instruction a kill meets does not, so that a seed
//! brings back the plan of a run and not the run itself.

mod connection;
mod evidence;
mod files;
mod hazard;
mod plugins;
mod publisher;
mod random;
mod rounds;
mod summary;
mod verdict;

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use thiserror::Error;

use crate::guests::{self, GuestsError};
use crate::live::daemon::last_words_of;
use crate::live::{Cli, LiveError, Place};
use crate::process::ProcessError;
use crate::programs;
use crate::screen::Screen;
use crate::setup::{self, SetupError};
use crate::workspace::Workspace;

use self::plugins::{FILES, PLUGINS};
use self::rounds::Rounds;

/// How often the daemon is killed where nobody says otherwise: what CI has time for.
pub(crate) const ROUNDS: u32 = 30;
/// Lines of the daemon's log that are shown when something went wrong.
const LOG_LINES_SHOWN: usize = 15;

/// How long, and by which plan.
#[derive(Args)]
pub(crate) struct CrashArguments {
    /// How often the daemon ends before everything must settle.
    #[arg(long, default_value_t = ROUNDS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Where chance begins, as a failed run names it [default: the time]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// Why there was no crash test, or one that found something.
#[derive(Debug, Error)]
pub(crate) enum CrashError {
    #[error("cannot set up the target of the guests")]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Guests(#[from] GuestsError),
    #[error("the daemon does not build")]
    Build(#[source] ProcessError),
    #[error("cargo built no {path}")]
    NoProgram { path: PathBuf },
    #[error("the crash test came to no end, with --rounds {rounds} --seed {seed}")]
    Ended { rounds: u32, seed: u64, source: LiveError },
    #[error("{problems} promises were broken, see above, with --rounds {rounds} --seed {seed}")]
    Broken { problems: usize, rounds: u32, seed: u64 },
}

/// Builds what is needed, and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &CrashArguments) -> Result<(), CrashError> {
    setup::run(workspace)?;
    let guests = guests::build(workspace)?;
    programs::build(workspace).map_err(CrashError::Build)?;
    let program = workspace.target.join("debug").join("plugbus");
    if !program.exists() {
        return Err(CrashError::NoProgram { path: program });
    }
    let (rounds, seed) = (arguments.rounds, arguments.seed.unwrap_or_else(seed));
    let screen = Screen::new();
    screen.heading("plugbus: a daemon that is killed again and again");
    screen.say(&format!("$ cargo xtask crash --rounds {rounds} --seed {seed}"));
    let failed = |source| CrashError::Ended { rounds, seed, source };
    let folders: Vec<String> = PLUGINS.iter().map(|plugin| format!("{FILES}/{}", plugin.name)).collect();
    let place = Place::new("crash", &folders.iter().map(String::as_str).collect::<Vec<_>>()).map_err(failed)?;
    let begun = Instant::now();
    let ended = Rounds::new(Cli::new(&program, place.path()), &place, &guests, seed).run(rounds);
    let outcome = match ended {
        Ok(evidence) => {
            let problems = verdict::problems(&evidence);
            screen.say(&summary::in_words(&evidence));
            screen.say(&format!("It took {:.1} s.", begun.elapsed().as_secs_f64()));
            problems.iter().for_each(|problem| eprintln!("broken: {problem}"));
            if problems.is_empty() {
                Ok(())
            } else {
                Err(CrashError::Broken { problems: problems.len(), rounds, seed })
            }
        }
        Err(error) => {
            eprintln!("the last lines of the daemons' logs:\n{}", last_words(&place));
            Err(failed(error))
        }
    };
    if outcome.is_err() {
        eprintln!("the folder is left for a look: {}", place.keep().display());
    }
    outcome
}

/// The last words of the last two daemons.
fn last_words(place: &Place) -> String {
    let logs = (0..).map(|life| place.beside(&Rounds::log_of(life))).take_while(|log| log.exists());
    let logs: Vec<PathBuf> = logs.collect();
    let last = logs.iter().skip(logs.len().saturating_sub(2));
    last.map(|log| format!("{}:\n{}", log.display(), last_words_of(log, LOG_LINES_SHOWN)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos() % 1_000_000_007).unwrap_or_default()
}
