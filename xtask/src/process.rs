//! Runs other programs: prints what is run and, where that is worth a line, how long it took; bounds how long it may take, and turns each
//! bad end into an error with its name.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How often a running program is looked at, when it has a time limit.
const POLL: Duration = Duration::from_millis(50);

/// From here on it is said how long a program took.
const LONG: Duration = Duration::from_secs(5);

/// Why a program did not do its work.
#[derive(Debug, Error)]
pub(crate) enum ProcessError {
    #[error("cannot run `{command}`: is it installed and on the PATH?")]
    Start { command: String, source: io::Error },
    #[error("cannot wait for `{command}`")]
    Wait { command: String, source: io::Error },
    #[error("`{command}` ended with {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("`{command}` was stopped: it took longer than {limit:?}")]
    TimedOut { command: String, limit: Duration },
}

/// Runs a program whose output the reader should see, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<(), ProcessError> {
    let name = describe(command);
    println!("$ {name}");
    let begun = Instant::now();
    let status = command.status().map_err(|source| ProcessError::Start { command: name.clone(), source })?;
    say_if_long(&name, begun.elapsed());
    if status.success() { Ok(()) } else { Err(ProcessError::Failed { command: name, status }) }
}

/// Like [`run`], for a program that may hang: after `limit` it is killed.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<(), ProcessError> {
    let name = describe(command);
    println!("$ {name}");
    let begun = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).spawn().map_err(|source| ProcessError::Start { command: name.clone(), source })?;
    let status = wait_within(&mut child, limit)
        .map_err(|source| ProcessError::Wait { command: name.clone(), source })?
        .ok_or_else(|| ProcessError::TimedOut { command: name.clone(), limit })?;
    say_if_long(&name, begun.elapsed());
    if status.success() { Ok(()) } else { Err(ProcessError::Failed { command: name, status }) }
}

fn say_if_long(name: &str, took: Duration) {
    if took >= LONG {
        println!("# {:.0} s: {name}", took.as_secs_f64());
    }
}

/// Runs a program for what it prints on standard output. Its standard error goes through to the reader.
pub(crate) fn read(command: &mut Command) -> Result<String, ProcessError> {
    let name = describe(command);
    let Output { status, stdout, .. } = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| ProcessError::Start { command: name.clone(), source })?;
    if !status.success() {
        return Err(ProcessError::Failed { command: name, status });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Waits for a child, at most `limit`; past that kills it and answers `None`.
pub(crate) fn wait_within(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// The command line as a person would type it: the program's file name and its arguments.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_stopped_at_its_limit() {
        let limit = Duration::from_millis(100);
        let error = run_within(Command::new("sleep").arg("600"), limit).unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { limit: found, .. } if found == limit), "{error}");
    }

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` ended with exit status: 3");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = read(&mut Command::new("plugbus-no-such-program")).unwrap_err();
        assert!(matches!(error, ProcessError::Start { .. }));
        assert!(error.to_string().contains("plugbus-no-such-program"));
    }
}
