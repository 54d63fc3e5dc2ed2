//! Runs a case: several rounds of load, events and unload, with a healthy plugin beside it.

use plugbus::loader::PluginState;
use serde_json::Value;

use super::case::{Case, End, Expected};
use crate::support::alone::alone;
use crate::support::healthy::Healthy;
use crate::support::host::TestHost;
use crate::support::memory::{resident_bytes, until_back_to};

/// Times that the guest comes and goes. After the first the host has what it keeps for good.
const ROUNDS: usize = 3;
/// What the first round may leave behind: buffers, stacks and the arenas of compiling threads. (Whole processes have
/// 3 to 17 MiB on two cores; a hoarder's instance alone has 128.)
const FIRST_ROUND_BYTES_MAX: u64 = 48 << 20;
/// What all further rounds together may: dead letters, and what the allocator keeps.
const FURTHER_ROUNDS_BYTES_MAX: u64 = 8 << 20;
/// Attempts that the manifest of a case allows.
const ATTEMPTS: usize = 2;

/// Runs a case in a process of its own.
pub(crate) fn run(test: &str, case: Case) {
    run_trouble(test, async |host: &TestHost, name: &str| round(host, &case, name).await);
}

/// Runs any trouble by a plugin of the given name in a process of its own. When a round is over, the plugin is gone.
pub(crate) fn run_trouble(test: &str, trouble: impl AsyncFn(&TestHost, &str)) {
    alone(test, in_rounds(trouble));
}

async fn in_rounds(trouble: impl AsyncFn(&TestHost, &str)) {
    let host = TestHost::start().await;
    let healthy = Healthy::start(&host).await;
    let mut bound = resident_bytes() + FIRST_ROUND_BYTES_MAX;
    for number in 0..ROUNDS {
        let name = format!("bad-{number}");
        healthy.during(trouble(&host, &name)).await;
        let now = until_back_to(bound).await;
        let now = now.unwrap_or_else(|now| panic!("round {number}: {now} bytes, over {bound}"));
        if number == 0 {
            bound = now + FURTHER_ROUNDS_BYTES_MAX;
        }
        println!("round {number}: {} KiB resident", now >> 10);
    }
    healthy.finish().await;
    host.run_fixture("next", "echo", "filters = [\"next\"]").await;
    assert_eq!(host.ask("next", "still here").await, "still here");
    host.stop().await;
}

/// The guest comes, does what it does, and goes.
async fn round(host: &TestHost, case: &Case, name: &str) {
    host.put_manifest(name, &case.manifest());
    case.file.put(host, &format!("{name}.wasm"));
    match case.expected.end {
        End::Rejected(kind) => rejected(host, &case.expected, name, kind).await,
        _ => handled(host, case, name).await,
    }
    gone(host, name).await;
}

/// Takes the plugin away and waits until nothing of it is left.
pub(super) async fn gone(host: &TestHost, name: &str) {
    host.remove(name);
    host.until(&format!("{name} is gone"), || host.status(name).is_none()).await;
}

async fn rejected(host: &TestHost, expected: &Expected, name: &str, kind: &str) {
    let report = host.until_rejected(name).await;
    check(expected, &report, kind, "cause");
    host.until(&format!("{name} has been refused"), || host.status(name).is_some_and(|status| !status.busy)).await;
    let status = host.status(name).unwrap();
    assert_eq!(status.state, PluginState::Rejected);
    assert!(status.last_rejection.is_some_and(|rejection| rejection.kind == kind));
}

async fn handled(host: &TestHost, case: &Case, name: &str) {
    host.until_running(name).await;
    match case.expected.end {
        End::Faults(kind) => failed(host, case, name, kind, true, ATTEMPTS).await,
        End::Fails(kind) => failed(host, case, name, kind, false, if kind == "reject" { 1 } else { ATTEMPTS }).await,
        End::Told => {
            for event in case.events {
                let reply = host.ask("bad.event", *event).await;
                contains(&case.expected, &reply);
            }
            unfailing(host, case, name);
        }
        End::Acks | End::Rejected(_) => {
            for event in case.events {
                host.settle("bad.event", *event).await;
            }
            unfailing(host, case, name);
        }
    }
}

/// Every event ends as a dead letter, and every attempt is reported.
async fn failed(host: &TestHost, case: &Case, name: &str, kind: &str, is_fault: bool, attempts: usize) {
    for event in case.events {
        host.publish("bad.event", *event).await;
    }
    let by = format!("plugin/{name}");
    let of_it = |topic: &str| -> Vec<Value> {
        let all = host.told.json(topic);
        all.into_iter().filter(|data| data["subscription"] == by.as_str()).collect()
    };
    let events = case.events.len();
    host.until(&format!("{events} dead letters"), || of_it("plugbus.delivery.dead").len() == events).await;
    let reports = of_it("plugbus.delivery.failed");
    assert_eq!(reports.len(), events * attempts, "{reports:#?}");
    for report in &reports {
        check(&case.expected, report, kind, "reason");
        assert_eq!(report["is_fault"], is_fault, "{report:#}");
        assert_eq!(report["event"]["topic"], "bad.event", "{report:#}");
        let is_last = report["attempt"] == attempts;
        assert_eq!(report["next"] == "dead", is_last, "{report:#}");
    }
    let status = host.status(name).unwrap();
    assert_eq!(status.last_faults.len(), if is_fault { reports.len() } else { 0 });
    assert!(status.last_faults.iter().all(|fault| fault.kind == kind && fault.limit.as_deref() == case.expected.limit));
}

/// Every event was acked at the first attempt.
fn unfailing(host: &TestHost, case: &Case, name: &str) {
    let stats = host.stats(name);
    let events = u64::try_from(case.events.len()).unwrap();
    assert_eq!((stats.acked, stats.attempts, stats.faults, stats.dead), (events, events, 0, 0), "{stats:?}");
}

/// A report names kind and limit, and says what the case wants said.
fn check(expected: &Expected, report: &Value, kind: &str, text: &str) {
    assert_eq!(report["kind"], kind, "{report:#}");
    assert_eq!(report["limit"].as_str(), expected.limit, "{report:#}");
    contains(expected, report[text].as_str().unwrap());
    if let Some(stderr) = expected.stderr {
        assert!(report["stderr"].as_str().is_some_and(|said| said.contains(stderr)), "{report:#}");
    }
    if let Some(frame) = expected.frame {
        let frames = report["backtrace"].as_array().unwrap();
        assert!(frames.iter().any(|line| line.as_str().unwrap().contains(frame)), "{report:#}");
    }
}

fn contains(expected: &Expected, text: &str) {
    for part in expected.says {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
