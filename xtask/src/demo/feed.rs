//! `plugbus emit hook.raw --lines`: the recorded hooks, one after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::process;

use super::DemoError;
use super::watch::{RAW, Seen, Watch};
use crate::live::{self, Cli, LIMIT, LiveError, json};

/// Time from one line to the next: slow enough that plugins are swapped between two events, not after the last.
pub(super) const PACE: Duration = Duration::from_millis(15);
/// Where what `emit` complains of goes.
const ERRORS: &str = "emit.err";

/// A running `emit`. Killed when dropped.
pub(super) struct Feed<'a> {
    child: Child,
    input: Option<ChildStdin>,
    answers: Option<JoinHandle<Vec<String>>>,
    lines: Vec<&'a str>,
    sent: usize,
    cli: Cli,
}

impl<'a> Feed<'a> {
    /// Starts it; nothing is sent yet.
    pub(super) fn start(cli: &Cli, recorded: &'a str) -> Result<Self, DemoError> {
        let mut command = cli.command(&["emit", RAW, "--lines", "--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(cli.file(ERRORS)?);
        let mut child = command.spawn().map_err(|error| LiveError::io("start `plugbus emit`", error))?;
        let (input, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.map(|answers| thread::spawn(move || accepted(answers)));
        Ok(Self { child, input, answers, lines: recorded.lines().collect(), sent: 0, cli: cli.clone() })
    }

    /// How many lines there are in all.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// How many have been sent.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Sends lines up to a number of them.
    pub(super) fn send_to(&mut self, number: usize) -> Result<(), DemoError> {
        while self.sent < number.min(self.lines.len()) {
            self.send_one()?;
        }
        Ok(())
    }

    /// Goes on sending until the watcher has seen something. So that it is seen in the middle of the stream, on a slow
    /// machine too, the last `keep` lines wait for it.
    pub(super) fn send_until<T>(
        &mut self,
        watch: &Watch,
        keep: usize,
        what: &str,
        look: impl Fn(&Seen) -> Option<T>,
    ) -> Result<T, DemoError> {
        while self.sent + keep < self.lines.len() {
            if let Some(answer) = watch.look(&look) {
                return Ok(answer);
            }
            self.send_one()?;
        }
        watch.wait(what, look)
    }

    fn send_one(&mut self) -> Result<(), DemoError> {
        let (Some(line), Some(input)) = (self.lines.get(self.sent), &mut self.input) else { return Ok(()) };
        if let Err(error) = writeln!(input, "{line}") {
            return Err(self.broken(error));
        }
        self.sent += 1;
        thread::sleep(PACE);
        Ok(())
    }

    /// `emit` no longer reads: it has ended, and said why.
    fn broken(&mut self, error: std::io::Error) -> DemoError {
        match process::wait_within(&mut self.child, LIMIT) {
            Ok(Some(status)) => self.ended(status),
            _ => LiveError::io("write to `plugbus emit`", error).into(),
        }
    }

    fn ended(&self, status: ExitStatus) -> DemoError {
        LiveError::Ended { what: format!("plugbus emit {RAW} --lines"), status, said: self.cli.said(ERRORS) }.into()
    }

    /// Sends the rest, and waits until `emit` has an answer for every line. The ids that the daemon gave them.
    pub(super) fn finish(mut self) -> Result<Vec<String>, DemoError> {
        self.send_to(self.lines.len())?;
        self.input = None;
        let ended = process::wait_within(&mut self.child, LIMIT);
        match ended.map_err(|error| LiveError::io("wait for `plugbus emit`", error))? {
            Some(status) if status.success() => {
                Ok(self.answers.take().and_then(|answers| answers.join().ok()).unwrap_or_default())
            }
            Some(status) => Err(self.ended(status)),
            None => Err(LiveError::slow("the end of `plugbus emit`").into()),
        }
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        live::end(&mut self.child);
    }
}

/// The ids in what `emit` prints: one line for each line that the daemon accepted.
fn accepted(answers: impl Read) -> Vec<String> {
    let lines = BufReader::new(answers).lines().map_while(Result::ok);
    let ids = lines.filter_map(|line| json::optional(&serde_json::from_str::<Value>(&line).ok()?, "/accepted/id"));
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_accepted_has_an_id() {
        let answers =
            "{\"line\":1,\"accepted\":{\"id\":\"a\"}}\n{\"line\":2}\n\n{\"line\":3,\"accepted\":{\"id\":\"c\"}}\n";
        assert_eq!(accepted(answers.as_bytes()), ["a", "c"]);
    }
}
