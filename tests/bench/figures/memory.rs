//! Resident memory of a daemon with so many plugins, each of which has handled an event.
//!
//! The plugins are copies of `count-topics` with the same code, whose compiled form is in the cache: what the compiler
//! itself leaves behind in the process is another matter, and shown apart.

use std::fs;

use plugbus_fixtures::built;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::effort;
use crate::host::{Place, TOPIC};
use crate::record::{Record, Records};

const MANIFEST: &str = "publish = [\"stats.topics\"]\n[grants]\nkv = true\n";

pub(crate) fn memory(records: &mut Records) {
    let wasm = fs::read(built::plugin("count-topics")).expect("the plugin is read");
    let none = resident_kib(&Place::new(), 0);
    records.add(&Record::new("memory/a daemon without plugins", none / 1024.0, "MiB"));

    let (mut before, mut last) = ((0, 0.0), (0, 0.0));
    let counts = if effort::is_quick() { [1, 2, 4] } else { [1, 10, 100] };
    for count in counts {
        let place = place(&wasm, count);
        let compiling = resident_kib(&place, count);
        let cached = resident_kib(&place, count);
        if count == 1 {
            let name = "memory/with 1 plugin that was compiled in the process";
            records.add(&Record::new(name, compiling / 1024.0, "MiB").beside("without plugins", none / 1024.0));
        }
        let plural = if count == 1 { "" } else { "s" };
        let name = format!("memory/with {count} plugin{plural}");
        records.add(&Record::new(name, cached / 1024.0, "MiB").beside("without plugins", none / 1024.0));
        (before, last) = (last, (count, cached));
    }
    let further = (last.0 - before.0) as f64;
    let each = Record::new("memory/each further plugin", (last.1 - before.1) / further, "KiB");
    records.add(&each.beside("its file", wasm.len() as f64 / 1024.0));
}

fn place(wasm: &[u8], count: usize) -> Place {
    let place = Place::new();
    (0..count).for_each(|number| place.put(&format!("count-{number}"), wasm, MANIFEST));
    place
}

/// Starts a daemon, has every plugin handle an event, and looks.
fn resident_kib(place: &Place, count: usize) -> f64 {
    let daemon = Daemon::start(place, true);
    let plugins: Value = serde_json::from_str(&daemon.read(&["plugins", "list", "--json"])).expect("it prints JSON");
    let running = |plugin: &&Value| plugin.get("state").is_some_and(|state| state == "running");
    let found = plugins.as_array().map(|all| all.iter().filter(running).count());
    assert_eq!(found, Some(count), "{plugins}");
    daemon.read(&["emit", "--wait=30000", TOPIC, "{}"]);
    daemon.resident_kib()
}
