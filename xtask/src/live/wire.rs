//! A client of the daemon's socket with nothing but the standard library: a line of JSON out, a line of JSON in.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::{LIMIT, LiveError};

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    lines: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Wire {
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self { lines: BufReader::new(stream.try_clone()?), stream })
    }

    /// Sends whole lines, each with its line break.
    pub(crate) fn send(&mut self, lines: &str) -> io::Result<()> {
        self.stream.write_all(lines.as_bytes())
    }

    /// The next line. The end of the connection is an error: whoever asks waits for something.
    pub(crate) fn receive(&mut self) -> io::Result<String> {
        let mut line = String::new();
        // What the daemon began and did not finish is no line.
        match self.lines.read_line(&mut line)? {
            bytes if bytes > 0 && line.ends_with('\n') => Ok(line),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Sends one request and waits for its answer: what stands under the name of that. Any other answer is an error.
    pub(crate) fn ask(&mut self, request: &Value, answer: &'static str) -> Result<Value, LiveError> {
        let failed = |error| LiveError::io(format!("ask the daemon {request}"), error);
        self.send(&format!("{request}\n")).map_err(failed)?;
        let line = self.receive().map_err(failed)?;
        let mut value: Value = serde_json::from_str(&line)
            .map_err(|source| LiveError::NotJson { what: format!("the answer to {request}"), source })?;
        match value.get_mut(answer) {
            Some(found) => Ok(found.take()),
            None => Err(LiveError::Refused { asked: request.to_string(), answer: line.trim().to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    fn answered(answer: &'static str) -> Result<Value, LiveError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let host = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            (&stream).write_all(answer.as_bytes()).unwrap();
            line
        });
        let answer = Wire::connect(&path).unwrap().ask(&json!({ "ping": {} }), "pong");
        assert_eq!(host.join().unwrap(), "{\"ping\":{}}\n");
        answer
    }

    #[test]
    fn an_answer_is_what_stands_under_its_name() {
        assert_eq!(answered("{\"pong\":{\"pid\":7}}\n").unwrap(), json!({ "pid": 7 }));
        let error = answered("{\"error\":{}}\n").unwrap_err();
        assert_eq!(error.to_string(), "the daemon refused {\"ping\":{}}: {\"error\":{}}");
        assert!(matches!(answered("{\"pong\":{}}"), Err(LiveError::Io { .. })), "a line that was cut off is none");
        assert!(matches!(answered("pong\n"), Err(LiveError::NotJson { .. })));
    }
}
