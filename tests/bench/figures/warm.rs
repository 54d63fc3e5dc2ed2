//! How long a daemon takes from its start until plugins of every language serve, when it has compiled them before: the guests of the
//! conformance suite, the one in Python with 20 MB among them, and the one that StarlingMonkey runs where it is there.
//!
//! Beside it a daemon without plugins, and the first start, which compiles everything.

use std::time::{Duration, Instant};

use plugbus_fixtures::built;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::effort;
use crate::host::Place;
use crate::languages::{LANGUAGES, MANIFEST};
use crate::record::{Record, Records, in_millis, percentile};

/// Starts of each kind.
const ROUNDS: usize = 15;
/// The aim: everything serves within this.
const AIM: Duration = Duration::from_secs(1);

pub(crate) fn warm(records: &mut Records) {
    let place = Place::new();
    let mut plugins = Vec::new();
    for (name, tools) in LANGUAGES {
        match built::skipped(tools) {
            Some(reason) => println!("warm: there is no guest of {name}: {reason}"),
            None => plugins.push((name, built::conformance_bytes(name))),
        }
    }
    match built::starling_bytes() {
        Ok(wasm) => plugins.push(("starling", wasm)),
        Err(reason) => println!("warm: there is no component on StarlingMonkey: {reason}"),
    }
    let bytes: usize = plugins.iter().map(|(_, wasm)| wasm.len()).sum();
    for (name, wasm) in &plugins {
        place.put(name, wasm, MANIFEST);
    }
    let what = format!("{} plugins of {:.0} MB", plugins.len(), bytes as f64 / 1e6);

    let (cold, _) = start(&place, plugins.len());
    let nothing = Place::new();
    let (mut ready, mut handled, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort::times(ROUNDS) {
        let times = start(&place, plugins.len());
        ready.push(times.0);
        handled.push(times.1);
        without.push(Daemon::start(&nothing, true).ready_after());
    }
    let without = in_millis(percentile(&mut without, 50));
    let add = |records: &mut Records, name: &str, value| {
        let record = Record::millis(format!("warm/{name}"), value);
        records.add(&record.beside("a daemon without plugins", without));
    };
    let usual = percentile(&mut ready, 50);
    add(records, &format!("from exec until {what} serve, code cached, p50"), usual);
    let longest = percentile(&mut ready, 100);
    add(records, &format!("from exec until {what} serve, code cached, the longest"), longest);
    add(records, "from exec until all have handled an event, p50", percentile(&mut handled, 50));
    let cold = Record::millis("warm/the first start, which compiles all of them", cold);
    records.add(&cold.beside("code cached", in_millis(usual)));
    println!("warm: the aim is {} ms", in_millis(AIM));
}

/// Starts a daemon, sees that all plugins run and handle an event, and stops it. How long each took from its start on.
fn start(place: &Place, count: usize) -> (Duration, Duration) {
    let began = Instant::now();
    let daemon = Daemon::start(place, true);
    let ready = daemon.ready_after();
    daemon.read(&["emit", "--wait=60000", "c.count", r#"{"n":1}"#]);
    let handled = began.elapsed();
    let plugins: Value = serde_json::from_str(&daemon.read(&["plugins", "list", "--json"])).expect("it prints JSON");
    let running = |plugin: &&Value| plugin.get("state").is_some_and(|state| state == "running");
    let found = plugins.as_array().map(|all| all.iter().filter(running).count());
    assert_eq!(found, Some(count), "{plugins}");
    daemon.stop();
    (ready, handled)
}
