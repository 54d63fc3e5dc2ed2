//! Python with packages of its own, in the folder of the project's tools.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A virtual environment.
pub(crate) struct Python {
    program: PathBuf,
}

impl Python {
    /// Makes the environment and installs what is missing in it; the error says why there is none.
    pub(crate) fn with(packages: &[&str]) -> Result<Self, String> {
        let tools = env::var_os("PLUGBUS_BENCH_TOOLS").ok_or("PLUGBUS_BENCH_TOOLS names no folder for it")?;
        let folder = PathBuf::from(tools).join("python");
        let program = folder.join("bin/python");
        if !program.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        run(Command::new(&program)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(packages))?;
        Ok(Self { program })
    }

    /// It, with nothing in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear();
        command
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |what: &dyn Display| format!("{program}: {what}");
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(&error))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(failed(&said.lines().last().unwrap_or("it failed"))) }
}
