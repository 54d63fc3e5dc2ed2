//! `plugbus hook` as a whole process, as an agent runs it: started, the JSON of one tool call read, published, answered, ended.
//!
//! Beside it `/bin/true`, which shows what the system takes for a process that does nothing; and Python processes that do the
//! same with `requests` and with `python-socketio`, the way that hooks were written before. Those talk to the gateway of the same
//! kind of daemon: each event is acknowledged once it is on the disk.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Daemon, plugbus};
use crate::effort;
use crate::host::Place;
use crate::python::Python;
use crate::record::{Record, Records, in_millis, percentile};

/// Processes of each kind: quick ones, and those that take their time.
const ROUNDS: usize = 500;
const SLOW_ROUNDS: usize = 60;
/// Of these, the first that do not count: files are read from the disk, caches are cold.
const WARM_UP: usize = 20;

const REQUESTS: &str = r#"
import sys, requests
data = sys.stdin.buffer.read()
requests.post(sys.argv[1] + "/v1/topics/hook.raw", data=data, headers={"content-type": "application/json"}, timeout=5).raise_for_status()
print('{"continue": true}')
"#;

const SOCKETIO: &str = r#"
import json, sys, socketio
data = json.load(sys.stdin)
client = socketio.Client()
client.connect(sys.argv[1])
assert client.call("publish", {"topic": "hook.raw", "data": data}, timeout=5)["ok"]
client.disconnect()
print('{"continue": true}')
"#;

pub(crate) fn hook(records: &mut Records) {
    let place = Place::new();
    let input = input(place.path());
    let published = {
        let daemon = Daemon::start(&place, true);
        in_turn(ROUNDS, &input, || daemon.command(&["hook"]))
    };
    let usual = add(records, "acknowledged once it is on the disk", published);
    add(records, "no daemon, left in the spool", in_turn(ROUNDS, &input, || offline(&place)));
    let hangs = Place::new();
    // Nobody accepts.
    let _listener = UnixListener::bind(hangs.path().join("s")).expect("the socket is bound");
    add(records, "a daemon that never answers, left in the spool", in_turn(SLOW_ROUNDS, &input, || offline(&hangs)));
    python(records, &input, usual);
}

/// The JSON of a tool call, as a file.
fn input(folder: &Path) -> PathBuf {
    let recorded = include_str!("../../data/hooks.jsonl");
    let line = recorded.lines().find(|line| line.contains("PreToolUse")).expect("a tool was called");
    let file = folder.join("input.json");
    fs::write(&file, line).expect("the input is written");
    file
}

fn offline(place: &Place) -> Command {
    let mut command = plugbus(place.path());
    command.args(["hook", "--data-dir", "data"]);
    command
}

/// Durations of processes of a kind, and of those that do nothing.
fn in_turn(rounds: usize, input: &Path, command: impl Fn() -> Command) -> (Vec<Duration>, Vec<Duration>) {
    let (mut times, mut nothings) = (Vec::new(), Vec::new());
    let warm_up = effort::times(WARM_UP);
    for round in 0..effort::times(rounds) + warm_up {
        let nothing = time(Command::new("/bin/true").env_clear(), input);
        let took = time(&mut command(), input);
        if round >= warm_up {
            nothings.push(nothing);
            times.push(took);
        }
    }
    (times, nothings)
}

fn time(command: &mut Command, input: &Path) -> Duration {
    command.stdin(File::open(input).expect("the input is there")).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the program starts");
    let took = began.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// Adds three percentiles, and says what the usual time was, in milliseconds.
fn add(records: &mut Records, what: &str, (mut times, mut nothings): (Vec<Duration>, Vec<Duration>)) -> f64 {
    for per_cent in [50, 99, 100] {
        let nothing = in_millis(percentile(&mut nothings, per_cent));
        let name = format!("hook/the whole process, {what}, p{per_cent}");
        records.add(&Record::millis(name, percentile(&mut times, per_cent)).beside("/bin/true", nothing));
    }
    in_millis(percentile(&mut times, 50))
}

fn python(records: &mut Records, input: &Path, usual: f64) {
    let python = match Python::with(&["requests", "python-socketio[client]"]) {
        Ok(python) => python,
        Err(reason) => return println!("hook: without the Python processes: {reason}"),
    };
    let place = Place::new();
    let daemon = Daemon::start(&place, true);
    for (what, script) in [("requests", REQUESTS), ("python-socketio", SOCKETIO)] {
        let before = accepted(&daemon);
        let (mut times, nothings) = in_turn(SLOW_ROUNDS, input, || python.command(&["-c", script, &daemon.url()]));
        let processes = nothings.len() + effort::times(WARM_UP);
        assert_eq!(accepted(&daemon) - before, processes as u64, "every event arrived");
        let name = format!("hook/a Python process with {what}, p50");
        records.add(&Record::millis(name, percentile(&mut times, 50)).beside("plugbus hook", usual));
    }
}

/// How many events the daemon has accepted.
fn accepted(daemon: &Daemon<'_>) -> u64 {
    let stats: Value = serde_json::from_str(&daemon.read(&["stats", "--json"])).expect("it prints JSON");
    stats.pointer("/bus/accepted").and_then(Value::as_u64).expect("it counts events")
}
