//! A real `plugbus` seen from outside: a folder for it to live in, the daemon as a child process, the command line and the
//! socket to talk to it, and how to read what they say. For the tasks that run one: `demo`, `crash` and `backlog`.

pub(crate) mod cli;
pub(crate) mod daemon;
pub(crate) mod json;
pub(crate) mod place;
pub(crate) mod wire;

use std::io;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use thiserror::Error;

pub(crate) use cli::Cli;
pub(crate) use daemon::Daemon;
pub(crate) use place::Place;
pub(crate) use wire::Wire;

/// Longest wait for anything that is waited for. Most of it takes moments; machines are slow at times.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often something is asked that tells no news by itself.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Why something did not work with a real daemon.
#[derive(Debug, Error)]
pub(crate) enum LiveError {
    #[error("cannot {doing}")]
    Io { doing: String, source: io::Error },
    #[error("{what} ended with {status}: {said}")]
    Ended { what: String, status: ExitStatus, said: String },
    #[error("{what} did not print JSON")]
    NotJson { what: String, source: serde_json::Error },
    #[error("the daemon's answer has no {0}")]
    Missing(&'static str),
    #[error("the daemon refused {asked}: {answer}")]
    Refused { asked: String, answer: String },
    #[error("waited for {what}, and it did not come within {limit:?}")]
    Slow { what: String, limit: Duration },
}

impl LiveError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    pub(crate) fn slow(what: impl Into<String>) -> Self {
        Self::Slow { what: what.into(), limit: LIMIT }
    }
}

/// Kills a child that has not ended yet.
pub(crate) fn end(child: &mut Child) {
    // Both fail only where it has ended already.
    drop(child.kill());
    drop(child.wait());
}
