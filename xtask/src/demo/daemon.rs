//! The daemon under the demo, and the command line that talks to it: the real programs, as child processes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::process;

use super::place::read_text;
use super::screen::brief;
use super::{DemoError, LIMIT, POLL};

/// Where the daemon's log goes, in the folder of the demo.
const LOG: &str = "daemon.log";

/// Characters that are shown of a line of it.
const LOG_CHARACTERS_MAX: usize = 300;

/// Calls `plugbus`.
#[derive(Debug, Clone)]
pub(super) struct Cli {
    program: PathBuf,
    folder: PathBuf,
}

impl Cli {
    pub(super) fn new(program: &Path, folder: &Path) -> Self {
        Self { program: program.to_owned(), folder: folder.to_owned() }
    }

    /// A call, with nothing of the caller's surroundings in it: neither variables nor a configuration file.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.env("PLUGBUS_SOCKET", self.folder.join("socket")).stdin(Stdio::null());
        command
    }

    /// Creates a file in the folder, for what a child prints.
    pub(super) fn file(&self, name: &str) -> Result<File, DemoError> {
        File::create(self.folder.join(name)).map_err(|error| DemoError::io(format!("write {name}"), error))
    }

    /// What a file in the folder says.
    pub(super) fn said(&self, name: &str) -> String {
        read_text(&self.folder.join(name)).unwrap_or_default().trim().to_owned()
    }

    /// Runs a call to its end; what it printed. A file takes that, so that no full pipe holds it up.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, DemoError> {
        let name = || format!("plugbus {}", arguments.join(" "));
        let mut command = self.command(arguments);
        command.stdout(self.file("stdout")?).stderr(self.file("stderr")?);
        let mut child = command.spawn().map_err(|error| DemoError::io(format!("run {}", name()), error))?;
        let ended = process::wait_within(&mut child, LIMIT);
        match ended.map_err(|error| DemoError::io(format!("wait for {}", name()), error))? {
            Some(status) if status.success() => Ok(self.said("stdout")),
            Some(status) => Err(DemoError::Ended { what: name(), status, said: self.said("stderr") }),
            None => Err(DemoError::Slow { what: name(), limit: LIMIT }),
        }
    }

    /// Runs a call with `--json`.
    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value, DemoError> {
        let printed = self.run(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&printed)
            .map_err(|source| DemoError::NotJson { command: format!("plugbus {}", arguments.join(" ")), source })
    }
}

/// A running `plugbus run`. Killed when dropped, and stopped when the demo itself is killed.
pub(super) struct Daemon {
    /// Before the daemon, so that it is gone before the daemon's process id may be somebody else's.
    watchdog: Child,
    child: Child,
    cli: Cli,
}

impl Daemon {
    /// Starts it and waits until it answers, which it does when all its plugins are loaded.
    pub(super) fn start(cli: &Cli) -> Result<Self, DemoError> {
        let mut command = cli.command(&["run", "--loader-unload-grace-ms", "500"]);
        command.stdout(Stdio::null()).stderr(cli.file(LOG)?);
        let mut child = command.spawn().map_err(|error| DemoError::io("start `plugbus run`", error))?;
        let watchdog = watchdog(child.id()).inspect_err(|_| end(&mut child))?;
        let mut daemon = Self { watchdog, child, cli: cli.clone() };
        let begun = Instant::now();
        loop {
            if let Some(status) = daemon.ended()? {
                return Err(DemoError::Ended { what: "plugbus run".to_owned(), status, said: cli.said(LOG) });
            }
            match cli.run(&["ping"]) {
                Ok(_) => return Ok(daemon),
                Err(error) if begun.elapsed() > LIMIT => return Err(error),
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as an init system does, and waits. Whether everything was settled, by its own word.
    pub(super) fn stop(mut self) -> Result<bool, DemoError> {
        let what = "the daemon after SIGTERM";
        end(&mut self.watchdog);
        // The standard library sends no signal but SIGKILL; every shell does.
        let kill = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        match sent.map_err(|error| DemoError::io("send SIGTERM", error))? {
            status if status.success() => {}
            status => return Err(DemoError::Ended { what: kill, status, said: String::new() }),
        }
        let ended = process::wait_within(&mut self.child, LIMIT);
        match ended.map_err(|error| DemoError::io(format!("wait for {what}"), error))? {
            Some(status) if status.success() => Ok(self.cli.said(LOG).contains("everything was settled")),
            Some(status) => Err(DemoError::Ended { what: what.to_owned(), status, said: String::new() }),
            None => Err(DemoError::Slow { what: what.to_owned(), limit: LIMIT }),
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, DemoError> {
        self.child.try_wait().map_err(|error| DemoError::io("look after the daemon", error))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.watchdog);
        end(&mut self.child);
    }
}

/// Kills a child that has not ended yet.
pub(super) fn end(child: &mut Child) {
    // Both fail only where it has ended already.
    drop(child.kill());
    drop(child.wait());
}

/// Stops a process when this one is gone, however it went: then nobody holds the other end of the pipe any more.
fn watchdog(process: u32) -> Result<Child, DemoError> {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r nothing; kill -TERM \"$1\"", "watchdog", &process.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| DemoError::io("watch over the daemon", error))
}

/// The last lines of the daemon's log, for whoever wants to know what went wrong.
pub(super) fn last_words(folder: &Path, lines_max: usize) -> String {
    let log = read_text(&folder.join(LOG)).unwrap_or_default();
    let skipped = log.lines().count().saturating_sub(lines_max);
    log.lines().skip(skipped).map(|line| brief(line, LOG_CHARACTERS_MAX)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_call_says_when_it_fails_is_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let cli = Cli::new(Path::new("sh"), folder.path());
        assert_eq!(cli.run(&["-c", "echo $PLUGBUS_SOCKET"]).unwrap(), folder.path().join("socket").to_string_lossy());
        let error = cli.run(&["-c", "echo no daemon >&2; exit 3"]).unwrap_err();
        assert!(error.to_string().ends_with("exit status: 3: no daemon"), "{error}");
        assert!(matches!(cli.json(&["-c", "echo x"]), Err(DemoError::NotJson { .. })));
    }

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
        assert_eq!(last_words(folder.path(), 2), "");
        fs::write(folder.path().join(LOG), "1\n2\n3\n").unwrap();
        assert_eq!(last_words(folder.path(), 2), "2\n3");
        assert_eq!(last_words(folder.path(), 9), "1\n2\n3");
    }
}
