//! Runs a test in a process of its own.
//!
//! What a bad guest does to memory can be seen only where nothing else moves it, and the tests of one binary share their
//! process. So such a test starts this binary again, with itself as the only test, and fails if that one fails. Should a
//! guest bring its host down or hang it for good, this shows as one failed test too, and the others run on.

use std::env;
use std::fs::File;
use std::future::Future;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Which test the process was started for.
const VARIABLE: &str = "PLUGBUS_TEST_ALONE";

/// Longest life of such a process: more than the waits within it, so that those speak first.
const LIFE: Duration = Duration::from_secs(240);

/// The whole path of a test of the module that it is written in.
macro_rules! this_test {
    ($name:ident) => {
        concat!(module_path!(), "::", stringify!($name))
    };
}
pub(crate) use this_test;

/// Runs the body in a process of its own, on a runtime with exactly two worker threads. `test` comes from [`this_test`].
pub(crate) fn alone(test: &str, body: impl Future<Output = ()>) {
    let test = test.split_once("::").map_or(test, |(_binary, path)| path);
    if env::var_os(VARIABLE).is_some_and(|chosen| chosen == test) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(body);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let output = File::create(&path).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(VARIABLE, test);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let status = run(command);
    let said = std::fs::read_to_string(path).unwrap();
    let passed = status.is_some_and(|status| status.success()) && said.contains("1 passed");
    assert!(passed, "{test} in a process of its own: {status:?}\n{said}");
    print!("{said}");
}

/// Runs a command to its end; none if that had to be brought about.
fn run(mut command: Command) -> Option<ExitStatus> {
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if began.elapsed() > LIFE {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
