//! A daemon as a child process: started, stopped, killed.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::place::read_text;
use super::{Cli, LIMIT, LiveError, POLL, end};
use crate::process;
use crate::screen::brief;

/// Characters that are shown of a line of a log.
const LOG_CHARACTERS_MAX: usize = 300;

/// A running `plugbus run`. Killed when dropped, and stopped when the task itself is killed.
pub(crate) struct Daemon {
    /// Before the daemon, so that it is gone before the daemon's process id may be somebody else's.
    watchdog: Child,
    child: Child,
    cli: Cli,
    log: String,
}

impl Daemon {
    /// Starts it with further arguments and waits for nothing. Its log goes into a file in the folder.
    pub(crate) fn spawn(cli: &Cli, arguments: &[&str], log: &str) -> Result<Self, LiveError> {
        let mut command = cli.command(&[&["run"], arguments].concat());
        command.stdout(Stdio::null()).stderr(cli.file(log)?);
        let mut child = command.spawn().map_err(|error| LiveError::io("start `plugbus run`", error))?;
        let watchdog = watchdog(child.id()).inspect_err(|_| end(&mut child))?;
        Ok(Self { watchdog, child, cli: cli.clone(), log: log.to_owned() })
    }

    /// Starts it and waits until it answers, which it does when all its plugins are loaded.
    pub(crate) fn start(cli: &Cli, arguments: &[&str], log: &str) -> Result<Self, LiveError> {
        let mut daemon = Self::spawn(cli, arguments, log)?;
        daemon.wait_ready()?;
        Ok(daemon)
    }

    /// Waits until it answers.
    pub(crate) fn wait_ready(&mut self) -> Result<(), LiveError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                let said = self.cli.said(&self.log);
                return Err(LiveError::Ended { what: "plugbus run".to_owned(), status, said });
            }
            // Who connects before it is ready waits for the answer.
            match self.cli.wire().and_then(|mut wire| wire.ask(&json!({ "ping": {} }), "pong")) {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > LIMIT => return Err(error),
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as an init system does, and waits for nothing.
    pub(crate) fn terminate(&self) -> Result<(), LiveError> {
        // The standard library sends no signal but SIGKILL; every shell does.
        let kill = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        match sent.map_err(|error| LiveError::io("send SIGTERM", error))? {
            status if status.success() => Ok(()),
            status => Err(LiveError::Ended { what: kill, status, said: String::new() }),
        }
    }

    /// Asks it to stop, and waits. What it said at the end is in its log.
    pub(crate) fn stop(mut self) -> Result<(), LiveError> {
        let what = "the daemon after SIGTERM";
        end(&mut self.watchdog);
        self.terminate()?;
        let ended = process::wait_within(&mut self.child, LIMIT);
        match ended.map_err(|error| LiveError::io(format!("wait for {what}"), error))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                let said = last_words(&self.cli.said(&self.log), 1);
                Err(LiveError::Ended { what: what.to_owned(), status, said })
            }
            None => Err(LiveError::slow(what)),
        }
    }

    /// `kill -9`. Nothing of it runs any more when this returns.
    pub(crate) fn kill(mut self) -> Result<(), LiveError> {
        end(&mut self.watchdog);
        self.child.kill().map_err(|error| LiveError::io("kill the daemon", error))?;
        self.child.wait().map_err(|error| LiveError::io("wait for the daemon", error)).map(drop)
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, LiveError> {
        self.child.try_wait().map_err(|error| LiveError::io("look after the daemon", error))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.watchdog);
        end(&mut self.child);
    }
}

/// Stops a process when this one is gone, however it went: then nobody holds the other end of the pipe any more.
fn watchdog(process: u32) -> Result<Child, LiveError> {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r nothing; kill -TERM \"$1\"", "watchdog", &process.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| LiveError::io("watch over the daemon", error))
}

/// The last lines of a log, for whoever wants to know what went wrong.
pub(crate) fn last_words(log: &str, lines_max: usize) -> String {
    let skipped = log.lines().count().saturating_sub(lines_max);
    log.lines().skip(skipped).map(|line| brief(line, LOG_CHARACTERS_MAX)).collect::<Vec<_>>().join("\n")
}

/// The same of a log in a file.
pub(crate) fn last_words_of(path: &Path, lines_max: usize) -> String {
    last_words(&read_text(path).unwrap_or_default(), lines_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_stops_what_it_watches_when_nobody_holds_its_pipe_any_more() {
        let mut watched = Command::new("sleep").arg("600").spawn().unwrap();
        let mut watchdog = watchdog(watched.id()).unwrap();
        assert!(watched.try_wait().unwrap().is_none());
        drop(watchdog.stdin.take());
        let ended = process::wait_within(&mut watched, LIMIT).unwrap();
        end(&mut watched);
        end(&mut watchdog);
        assert!(ended.is_some_and(|status| !status.success()));
    }

    #[test]
    fn the_last_words_are_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(last_words_of(&log, 2), "");
        std::fs::write(&log, "1\n2\n3\n").unwrap();
        assert_eq!(last_words_of(&log, 2), "2\n3");
        assert_eq!(last_words_of(&log, 9), "1\n2\n3");
    }
}
