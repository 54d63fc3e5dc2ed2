//! Node with the packages of `tests/clients`, which `cargo xtask clients` and `cargo xtask bench` install.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Node, and where its scripts are.
pub(crate) struct Node {
    scripts: PathBuf,
}

impl Node {
    /// Finds them; the error says what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients");
        let packages = clients.join("node_modules/socket.io");
        if !packages.exists() {
            return Err(format!("{} is not there; `cargo xtask clients socketio` installs it", packages.display()));
        }
        let version = Command::new("node").arg("--version").output().map_err(|error| format!("node: {error}"))?;
        if !version.status.success() {
            return Err(format!("node --version: {}", version.status));
        }
        Ok(Self { scripts: clients.join("bench") })
    }

    /// Whether there is a Chromium for it to drive, where `tests/clients` looks for one; else what is missing.
    pub(crate) fn chromium() -> Result<(), String> {
        let path = env::var_os("PLUGBUS_CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into());
        let is_there = Path::new(&path).exists();
        is_there.then_some(()).ok_or_else(|| format!("{} is not there", Path::new(&path).display()))
    }

    /// A script, with its arguments.
    pub(crate) fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.arg(self.scripts.join(name)).args(arguments).stdin(Stdio::null());
        command
    }
}

/// A server in a process of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// What it listens on.
    pub(crate) address: String,
}

impl Server {
    /// Starts a script that prints on a line of its own where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("node starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
        Self { child, address: line.trim().to_owned() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; nothing is to be done about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
