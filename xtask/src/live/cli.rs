//! Calls of the command line.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::place::read_text;
use super::{LIMIT, LiveError, Wire};
use crate::process;

/// Calls `plugbus` in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Cli {
    program: PathBuf,
    folder: PathBuf,
}

impl Cli {
    pub(crate) fn new(program: &Path, folder: &Path) -> Self {
        Self { program: program.to_owned(), folder: folder.to_owned() }
    }

    /// The socket that its daemon serves.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A connection to that socket.
    pub(crate) fn wire(&self) -> Result<Wire, LiveError> {
        Wire::connect(&self.socket()).map_err(|error| LiveError::io("connect to the daemon", error))
    }

    /// A call, with nothing of the caller's surroundings in it: neither variables nor a configuration file.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_clear();
        // A port of its own: another daemon may have the usual one.
        command.env("PLUGBUS_SOCKET", self.socket()).env("PLUGBUS_HTTP_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
        command
    }

    /// Creates a file in the folder, for what a child prints.
    pub(crate) fn file(&self, name: &str) -> Result<File, LiveError> {
        File::create(self.folder.join(name)).map_err(|error| LiveError::io(format!("write {name}"), error))
    }

    /// What a file in the folder says.
    pub(crate) fn said(&self, name: &str) -> String {
        read_text(&self.folder.join(name)).unwrap_or_default().trim().to_owned()
    }

    /// Runs a call to its end; what it printed. A file takes that, so that no full pipe holds it up.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, LiveError> {
        let name = || format!("plugbus {}", arguments.join(" "));
        let mut command = self.command(arguments);
        command.stdout(self.file("stdout")?).stderr(self.file("stderr")?);
        let mut child = command.spawn().map_err(|error| LiveError::io(format!("run {}", name()), error))?;
        let ended = process::wait_within(&mut child, LIMIT);
        match ended.map_err(|error| LiveError::io(format!("wait for {}", name()), error))? {
            Some(status) if status.success() => Ok(self.said("stdout")),
            Some(status) => Err(LiveError::Ended { what: name(), status, said: self.said("stderr") }),
            None => Err(LiveError::slow(name())),
        }
    }

    /// Runs a call with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value, LiveError> {
        let printed = self.run(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&printed)
            .map_err(|source| LiveError::NotJson { what: format!("`plugbus {}`", arguments.join(" ")), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_says_when_it_fails_is_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let cli = Cli::new(Path::new("sh"), folder.path());
        assert_eq!(cli.run(&["-c", "echo $PLUGBUS_SOCKET"]).unwrap(), folder.path().join("socket").to_string_lossy());
        let error = cli.run(&["-c", "echo no daemon >&2; exit 3"]).unwrap_err();
        assert!(error.to_string().ends_with("exit status: 3: no daemon"), "{error}");
        assert!(matches!(cli.json(&["-c", "echo x"]), Err(LiveError::NotJson { .. })));
    }
}
