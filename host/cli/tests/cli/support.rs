//! A daemon on a temporary folder, and the commands that talk to it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command line of ours, with no environment but the path.
pub(crate) fn plugbus(folder: &Path) -> Command {
    in_folder(Command::new(env!("CARGO_BIN_EXE_plugbus")), folder)
}

/// Any command, in the same surroundings.
pub(crate) fn in_folder(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).env_clear().env("PLUGBUS_SOCKET", folder.join("s")).stdin(Stdio::null());
    // Every test has a port of its own.
    command.env("PLUGBUS_HTTP_LISTEN", "127.0.0.1:0");
    command
}

/// A folder for one test: socket, plugins and data.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins.d")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a plugin into the folder, with a manifest if one is given.
    pub(crate) fn plugin(&self, name: &str, wasm: &[u8], manifest: &str) -> PathBuf {
        let path = self.path().join("plugins.d").join(format!("{name}.wasm"));
        if !manifest.is_empty() {
            std::fs::write(path.with_extension("toml"), manifest).unwrap();
        }
        // Beside it first: the daemon must not see half a file.
        let beside = self.path().join(format!("{name}.new"));
        std::fs::write(&beside, wasm).unwrap();
        std::fs::rename(beside, &path).unwrap();
        path
    }

    /// Starts a daemon and waits until it answers.
    pub(crate) fn daemon(&self) -> Daemon<'_> {
        self.daemon_with(|command| command)
    }

    /// The same with more arguments.
    pub(crate) fn daemon_with(&self, adjust: impl FnOnce(&mut Command) -> &mut Command) -> Daemon<'_> {
        let mut daemon = self.starting(adjust);
        daemon.ready = daemon.wait_log("ready");
        daemon
    }

    /// Starts a daemon and waits for nothing.
    pub(crate) fn starting(&self, adjust: impl FnOnce(&mut Command) -> &mut Command) -> Daemon<'_> {
        let mut command = plugbus(self.path());
        command.arg("run");
        adjust(&mut command);
        self.spawned(command)
    }

    /// Starts a daemon by a command of the test's own and waits for nothing.
    pub(crate) fn spawned(&self, mut command: Command) -> Daemon<'_> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let errors = child.stderr.take().unwrap();
        let (lines, log) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                all.push_str(&line);
                all.push('\n');
                drop(lines.send(line));
            }
            all
        });
        Daemon { place: self, child, log, reader: Some(reader), ready: String::new() }
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    /// The same with something on its standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ended {
        let mut child = self.spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        // A command that needs no input may be gone already.
        drop(stdin.write_all(input.as_bytes()));
        drop(stdin);
        Ended::from(child.wait_with_output().unwrap())
    }

    /// Starts a command.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = plugbus(self.path());
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert!(ended.status.success(), "{args:?}: {ended:?}");
        ended.stdout
    }

    /// The same, as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// Waits until that many watchers are subscribed.
    pub(crate) fn wait_watchers(&self, count: u64) {
        wait("watchers", || (self.json(&["stats"])["socket"]["watchers"] == count).then_some(()));
    }

    /// Whether somebody listens on the socket.
    pub(crate) fn answers(&self) -> bool {
        UnixStream::connect(self.path().join("s")).is_ok()
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon<'a> {
    place: &'a Place,
    child: Child,
    log: std::sync::mpsc::Receiver<String>,
    reader: Option<JoinHandle<String>>,
    /// What it said when it was ready.
    ready: String,
}

impl Daemon<'_> {
    /// Where it serves HTTP, as it said when it was ready.
    pub(crate) fn http(&self) -> &str {
        let (_, rest) = self.ready.split_once("http=\"").unwrap_or_else(|| panic!("no port in `{}`", self.ready));
        rest.split('"').next().unwrap()
    }

    /// Waits for a line of the log; the line.
    pub(crate) fn wait_log(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("`{text}` is not in the log: {error}"),
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; the exit code and everything on stderr.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let child = &mut self.child;
        let status = wait("the daemon ends", || child.try_wait().unwrap());
        (status.code(), self.reader.take().unwrap().join().unwrap())
    }

    /// Stops it and sees that it was in order.
    pub(crate) fn stop(self) {
        let place = self.place;
        self.signal("TERM");
        let (code, log) = self.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(!place.path().join("s").exists());
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A process that is killed at the latest when this is dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Tries again until there is a value.
pub(crate) fn wait<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    wait_busily(what, || {
        attempt().or_else(|| {
            std::thread::sleep(Duration::from_millis(5));
            None
        })
    })
}

/// The same without a pause, for what must hold at every moment.
pub(crate) fn wait_busily<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
    }
}
