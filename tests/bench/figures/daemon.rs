//! A daemon as people run it: `plugbus run`, built for release, with nothing in its environment.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use plugbus::socket::client::Client;
use plugbus::socket::protocol::Request;
use rustix::process::{Pid, Signal, kill_process};

use crate::host::Place;

/// How often it is looked whether its socket is there. Once it is, the daemon answers when it is ready.
const POLL: Duration = Duration::from_millis(1);
/// Longest wait until it is ready: it may have a component to compile, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(900);

/// A running daemon on a place; killed when dropped.
pub(crate) struct Daemon<'a> {
    place: &'a Place,
    child: Child,
    ready_after: Duration,
}

impl<'a> Daemon<'a> {
    /// Starts it and waits until it answers, which is when every plugin of the place was loaded or refused. With a journal
    /// an event is acknowledged once it is on the disk.
    pub(crate) fn start(place: &'a Place, journal: bool) -> Self {
        let log = File::create(place.path().join("log")).expect("a log file is made");
        let mut command = plugbus(place.path());
        command.args(["run", &format!("--journal-enabled={journal}"), "--http-listen=127.0.0.1:0"]).stderr(log);
        let began = Instant::now();
        let child = command.spawn().expect("`plugbus` starts");
        let mut daemon = Self { place, child, ready_after: Duration::ZERO };
        while !daemon.answers() {
            assert!(began.elapsed() < PATIENCE, "the daemon does not answer: {}", daemon.log());
            thread::sleep(POLL);
        }
        daemon.ready_after = began.elapsed();
        daemon
    }

    fn answers(&self) -> bool {
        let client = Client::connect(self.place.path().join("s"));
        client.and_then(|mut client| client.call(&Request::Ping {})).is_ok()
    }

    /// How long it took from its start until it answered.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Where its gateway is.
    pub(crate) fn url(&self) -> String {
        let log = self.log();
        let ready = log.lines().find(|line| line.contains(" ready")).expect("it says that it is ready");
        let address = ready.split("http=").nth(1).and_then(|rest| rest.split_whitespace().next());
        format!("http://{}", address.expect("it says where").trim_matches('"'))
    }

    /// Stops it the way that systems do, and waits for its end.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// A command that talks to it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = plugbus(self.place.path());
        command.args(arguments);
        command
    }

    /// Runs a command that must succeed, for what it prints.
    pub(crate) fn read(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).stdout(Stdio::piped()).output().expect("`plugbus` starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}: {}", self.log());
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Bytes of its memory that are in RAM, in KiB as the system counts them.
    pub(crate) fn resident_kib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system counts it");
        let number = line.trim().trim_end_matches(" kB");
        number.parse().expect("it is a number")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // It may be gone already; nothing is to be done about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, in the surroundings of a place.
pub(crate) fn plugbus(folder: &Path) -> Command {
    let program = env::var_os("PLUGBUS_BENCH_PROGRAM").expect("`cargo xtask bench` says where `plugbus` is");
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("PLUGBUS_SOCKET", folder.join("s"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
