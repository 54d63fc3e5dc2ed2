//! How a command ends when it does not succeed: one line on stderr, and an exit code.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command failed: what, where, how to mend it, on one line.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

/// The result of a command.
pub(crate) type Outcome = Result<ExitCode, Failure>;

impl Failure {
    /// A failure in words.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The command line asks for something that makes no sense, in a way that clap cannot see.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// An error that happened while doing something.
    pub(crate) fn doing(what: impl fmt::Display, error: &dyn Error) -> Self {
        Self::new(format!("{what}: {}", chain(error)))
    }

    /// Writing to stdout failed. A reader that has had enough (`plugbus tail | head`) is no failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { message: String::new(), code: 0 },
            _ => Self::doing("cannot write the output", error),
        }
    }

    /// Tells stderr, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            say(&self.message);
        }
        ExitCode::from(self.code)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(chain(&error))
    }
}

/// One line on stderr. When stderr is closed there is nobody left to tell.
pub(crate) fn say(message: &str) {
    use io::Write;
    let line = format!("plugbus: {message}\n");
    drop(io::stderr().write_all(line.as_bytes()));
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    plugbus::report::chain(error)
}
