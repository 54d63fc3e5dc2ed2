//! What a guest writes reaches its log up to a bound, and its last words reach the fault.

use std::sync::Arc;

use plugbus::sandbox::LogLevel;

use crate::support::host::{PLENTY_OF_TIME, Place, TestHost};
use crate::support::log::{Line, Lines};

/// The default of `log_bytes`.
const LOG_BYTES: usize = 16 << 10;

async fn start() -> (TestHost, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let host = Place::new().start_with(|_| {}, Some(lines.clone())).await;
    (host, lines)
}

/// Sees that the lines of one event are within the limit, and that the last one says what was cut; how much that was.
fn cut(lines: &[Line]) -> u64 {
    let (last, rest) = lines.split_last().unwrap();
    assert!(!rest.is_empty());
    let bytes: usize = rest.iter().map(|line| line.message.len()).sum();
    assert!(bytes <= LOG_BYTES && bytes > LOG_BYTES / 2, "{bytes}");
    assert!(rest.iter().all(|line| line.context != "host" && line.event_id == last.event_id), "{rest:?}");
    assert_eq!((last.context.as_str(), last.level), ("host", LogLevel::Warn));
    let (count, said) = last.message.split_once(' ').unwrap();
    assert_eq!(said, "bytes of log cut: over log_bytes (16384) in one call");
    count.parse().unwrap()
}

/// Two floods of one event each are cut alike; the sum is in the plugin's metrics.
async fn a_flood_is_cut(fixture: &str, contexts: &[&str], at_least: u64) {
    let (host, lines) = start().await;
    host.run_fixture("floods", fixture, &format!("filters = [\"in\"]\n[limits]\n{PLENTY_OF_TIME}")).await;
    let mut total = 0;
    let mut before = 0;
    for _ in 0..2 {
        host.settle("in", "").await;
        let all = lines.all();
        let of_event = &all[before..];
        assert!(of_event.iter().all(|line| line.plugin == "floods" && contexts.contains(&line.context.as_str())));
        let bytes = cut(of_event);
        assert!(bytes >= at_least, "{bytes}");
        (total, before) = (total + bytes, all.len());
    }
    let metrics = host.status("floods").unwrap().running.unwrap().metrics;
    assert_eq!(metrics.log_bytes_cut, total);
    assert_eq!(host.stats("floods").acked, 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_lines_is_cut_and_the_log_says_so() {
    // Ten thousand lines of a kilobyte and one of a megabyte.
    a_flood_is_cut("flood-logs", &["flood", "host"], 11_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_stdout_and_stderr_is_cut_and_the_log_says_so() {
    a_flood_is_cut("flood-stderr", &["stdout", "stderr", "host"], 20_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_told_with_its_message_its_place_and_the_names_of_the_functions_on_the_stack() {
    let (host, lines) = start().await;
    host.run_fixture("panics", "trap-in-handle", "filters = [\"in\"]\n[retry]\nattempts = 1").await;
    host.settle("in", "the question").await;

    let report = host.told.until_json("plugbus.delivery.failed", |_| true).await;
    let stderr = report["stderr"].as_str().unwrap();
    for part in ["panicked at", "trap-in-handle.rs:", "cannot handle \"the question\""] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let frames: Vec<&str> = report["backtrace"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    // Demangled: the fixture's own function, and the panic machinery above it.
    let of_fixture = frames.iter().position(|frame| frame.contains("trap_in_handle") && frame.contains("::handle"));
    assert!(of_fixture.is_some_and(|position| position > 0), "{frames:#?}");
    assert!(frames[0].contains("panic") || frames[0].contains("abort"), "{frames:#?}");
    assert!(frames.iter().all(|frame| !frame.contains("_ZN") && !frame.contains("_R")), "{frames:#?}");

    // The same stands where people look: in the plugin's state, in the dead letter and in its log.
    let fault = host.status("panics").unwrap().last_faults.pop().unwrap();
    assert_eq!((fault.kind, fault.stderr.as_deref()), ("trap", Some(stderr)));
    assert_eq!(fault.backtrace, frames);
    let letter = host.bus().dead_letters().get(1).unwrap();
    assert_eq!(letter.attempts[0].stderr.as_deref(), Some(stderr));
    assert_eq!(letter.attempts[0].backtrace, frames);
    let logged = lines.all();
    let logged: Vec<_> = logged.iter().filter(|line| line.context == "stderr").collect();
    assert!(logged.iter().any(|line| line.message.contains("cannot handle \"the question\"")), "{logged:?}");
    assert!(logged.iter().all(|line| line.event_id.as_deref() == report["event"]["id"].as_str()), "{logged:?}");
    host.stop().await;
}
