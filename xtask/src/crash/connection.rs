//! How events get to the daemon: over its socket, or through `plugbus emit`. Both take lines and answer each in turn.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::live::{Cli, LiveError, Wire, end};

/// What publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    Socket,
    Emit,
}

/// One connection; it ends with the daemon.
pub(super) enum Connection {
    Socket(Wire),
    Emit { child: Child, input: ChildStdin, answers: BufReader<ChildStdout> },
}

/// What the daemon says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted { seq: u64, is_duplicate: bool },
    Refused,
}

impl Connection {
    pub(super) fn open(cli: &Cli, through: Through) -> Result<Self, LiveError> {
        match through {
            Through::Socket => Ok(Self::Socket(cli.wire()?)),
            Through::Emit => {
                let mut command = cli.command(&["emit", "--lines", "--json"]);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
                let mut child = command.spawn().map_err(|error| LiveError::io("start `plugbus emit`", error))?;
                match (child.stdin.take(), child.stdout.take()) {
                    (Some(input), Some(answers)) => Ok(Self::Emit { child, input, answers: BufReader::new(answers) }),
                    _ => Err(LiveError::io("talk to `plugbus emit`", ErrorKind::BrokenPipe.into())),
                }
            }
        }
    }

    /// Sends the events of a source, all at once.
    pub(super) fn send(&mut self, source: &str, numbers: &[u64]) -> io::Result<()> {
        let events = numbers.iter().map(|number| event(source, *number));
        match self {
            Self::Socket(wire) => wire.send(
                &events.map(|event| format!("{}\n", json!({ "publish": { "event": event } }))).collect::<String>(),
            ),
            Self::Emit { input, .. } => {
                input.write_all(events.map(|event| format!("{event}\n")).collect::<String>().as_bytes())?;
                input.flush()
            }
        }
    }

    /// The next answer.
    pub(super) fn receive(&mut self) -> io::Result<Answer> {
        let line = match self {
            Self::Socket(wire) => wire.receive()?,
            Self::Emit { answers, .. } => {
                let mut line = String::new();
                answers.read_line(&mut line)?;
                line
            }
        };
        read(&line).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, line))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Self::Emit { child, .. } = self {
            end(child);
        }
    }
}

/// The id by which the daemon knows an event again.
pub(super) fn id(source: &str, number: u64) -> String {
    format!("{source}-{number}")
}

/// The source of large events.
pub(super) const FLOOD: &str = "flood";
/// Bytes of one of them.
const FLOOD_BYTES: usize = 150_000;

/// What an event says, and what plugins pass on of it: its source and number, with much between them in a large one.
pub(super) fn text(source: &str, number: u64) -> String {
    match source {
        FLOOD => format!("{source} {} {number}", "x".repeat(FLOOD_BYTES)),
        _ => format!("{source} {number}"),
    }
}

/// Reads that back.
pub(super) fn of_text(text: &str) -> Option<(&str, u64)> {
    let (source, rest) = text.split_once(' ')?;
    let number = rest.rsplit(' ').next()?;
    Some((source, number.parse().ok()?))
}

fn event(source: &str, number: u64) -> Value {
    json!({
        "id": id(source, number),
        "source": source,
        "type": format!("crash.{source}"),
        "datacontenttype": "text/plain",
        "data": text(source, number),
    })
}

fn read(line: &str) -> Option<Answer> {
    let value: Value = serde_json::from_str(line).ok()?;
    if value.get("error").is_some() || value.get("bye").is_some() {
        return Some(Answer::Refused);
    }
    let accepted = value.get("accepted")?;
    let is_duplicate = accepted.get("disposition").is_some_and(|disposition| disposition == "duplicate");
    Some(Answer::Accepted { seq: accepted.get("seq")?.as_u64()?, is_duplicate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_from_the_socket_and_from_emit_alike() {
        let accepted = Some(Answer::Accepted { seq: 7, is_duplicate: false });
        assert_eq!(read(r#"{"accepted":{"id":"a-1","seq":7,"disposition":"delivered"}}"#), accepted);
        assert_eq!(read(r#"{"line":1,"accepted":{"seq":7,"disposition":"delivered"}}"#), accepted);
        let again = Some(Answer::Accepted { seq: 7, is_duplicate: true });
        assert_eq!(read(r#"{"accepted":{"id":"a-1","seq":7,"disposition":"duplicate"}}"#), again);
        assert_eq!(read(r#"{"error":{"code":"stopping"}}"#), Some(Answer::Refused));
        assert_eq!(read(r#"{"bye":{"reason":"x"}}"#), Some(Answer::Refused));
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_text_is_read_back() {
        assert_eq!(of_text(&text("a", 12)), Some(("a", 12)));
        assert_eq!(of_text(&text(FLOOD, 12)), Some((FLOOD, 12)));
        assert_eq!(of_text("a"), None);
        assert_eq!(of_text("a x"), None);
    }
}
