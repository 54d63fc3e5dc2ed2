//! `plugbus emit` as a whole process, as a hook runs it: started, one event published and acknowledged, ended.
//!
//! Beside it `/bin/true`, which shows what the system takes for a process that does nothing; the two take turns.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plugbus_fixtures::built;

use crate::daemon::Daemon;
use crate::effort;
use crate::host::{Place, TOPIC};
use crate::record::{Record, Records, in_millis, percentile};

/// Processes of each kind.
const ROUNDS: usize = 500;
/// Of these, the first that do not count: files are read from the disk, caches are cold.
const WARM_UP: usize = 20;

pub(crate) fn emit(records: &mut Records) {
    for (journal, name) in [(true, "acknowledged once it is on the disk"), (false, "acknowledged in memory")] {
        let (mut emits, mut nothings) = rounds(journal);
        for per_cent in [50, 99] {
            let nothing = in_millis(percentile(&mut nothings, per_cent));
            let name = format!("emit/the whole process, {name}, p{per_cent}");
            records.add(&Record::millis(name, percentile(&mut emits, per_cent)).beside("/bin/true", nothing));
        }
    }
}

/// Durations of processes that publish, and of those that do nothing.
fn rounds(journal: bool) -> (Vec<Duration>, Vec<Duration>) {
    let place = Place::new();
    place.put("noop", &built::fixture_bytes("noop"), "");
    let daemon = Daemon::start(&place, journal);
    let (mut emits, mut nothings) = (Vec::new(), Vec::new());
    let warm_up = effort::times(WARM_UP);
    for round in 0..effort::times(ROUNDS) + warm_up {
        let nothing = time(Command::new("/bin/true").env_clear().stdin(Stdio::null()).stdout(Stdio::null()));
        let emit = time(&mut daemon.command(&["emit", TOPIC, r#"{"n":1}"#]));
        if round >= warm_up {
            nothings.push(nothing);
            emits.push(emit);
        }
    }
    (emits, nothings)
}

fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    let status = command.status().expect("the program starts");
    let took = began.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}
