//! How late a page in a real Chromium sees an event: from the moment that the bus accepted it until the page has it, by server-sent
//! events, by WebSocket and by Socket.IO. Beside the page a client of the same way in a Node process. The daemon has a journal, so
//! what is seen is on the disk.
//!
//! Measured by `tests/clients/bench/browser.mjs`, whose clock is that of the daemon: all on one machine.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;

use crate::daemon::Daemon;
use crate::effort;
use crate::host::Place;
use crate::node::Node;
use crate::record::{Record, Records, per_mille};

/// Events by each way.
const EVENTS: usize = 1000;
/// Milliseconds between two.
const EVERY_MS: u32 = 10;

/// A line of the script: ages in milliseconds.
#[derive(Deserialize)]
struct Line {
    way: String,
    page: Vec<f64>,
    node: Vec<f64>,
}

pub(crate) fn browser(records: &mut Records) {
    let node = match Node::find().and_then(|node| Node::chromium().map(|()| node)) {
        Ok(node) => node,
        Err(reason) => return println!("browser: there is no browser to measure with: {reason}"),
    };
    let place = Place::new();
    let daemon = Daemon::start(&place, true);
    let (events, every) = (effort::times(EVENTS).to_string(), EVERY_MS.to_string());
    let mut script = node.script("browser.mjs", &[&daemon.url(), &events, &every]);
    let output = script.stderr(Stdio::inherit()).output().expect("node starts");
    assert!(output.status.success(), "browser.mjs: {}", output.status);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Line { way, page, node } = serde_json::from_str(line).expect("the script prints JSON");
        assert_eq!((page.len(), node.len()), (effort::times(EVENTS), effort::times(EVENTS)), "{way}");
        let [mut page, mut node] = [page, node].map(|ages| ages.into_iter().map(millis).collect::<Vec<_>>());
        for (part, per_thousand) in [("p50", 500), ("p99", 990)] {
            let [page, node] = [&mut page, &mut node].map(|ages| per_mille(ages, per_thousand).as_nanos() as f64);
            let name = format!("browser/accepted to a page in Chromium, {way}, {part}");
            records.add(&Record::new(name, page, "ns").beside("a Node client", node));
        }
    }
}

/// Clocks of two processes may differ by a hair.
fn millis(age: f64) -> Duration {
    Duration::from_secs_f64(age.max(0.0) / 1e3)
}
