//! The ways in which the daemon ends.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::plugins::{AWAY, PLUGINS};
use super::publisher::{self, Published};
use super::random::Random;
use crate::live::{Cli, Daemon, LiveError, Place};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hazard {
    /// Killed under load.
    Load,
    /// Killed under load, and once more in the middle of the next start.
    Start,
    /// Killed while plugins are swapped.
    Swap,
    /// Killed while a plugin's backlog grows in the journal.
    Pause,
    /// Killed while large events come in: while the journal's write-ahead log is written back, with luck.
    Flood,
    /// Killed after a plugin was taken out of the folder; it is put back later.
    Away,
    /// Killed while it stops.
    Drain,
    /// Stopped in order.
    Stop,
}

impl Hazard {
    /// All of them.
    pub(super) const ALL: [Self; 8] =
        [Self::Load, Self::Start, Self::Swap, Self::Pause, Self::Flood, Self::Away, Self::Drain, Self::Stop];

    /// In a few words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Load => "killed under load",
            Self::Start => "killed while it starts",
            Self::Swap => "killed while plugins are swapped",
            Self::Pause => "killed with a plugin paused",
            Self::Flood => "killed in a flood of large events",
            Self::Away => "killed with a plugin gone",
            Self::Drain => "killed while it stops",
            Self::Stop => "stopped in order",
        }
    }

    pub(super) fn one(random: &mut Random) -> Self {
        random.one_of(Self::Load, &Self::ALL)
    }

    /// Lets the daemon run for a moment, and end. What of the plugins folder is changed stays so; `build` numbers the changes.
    /// What was published by the way is added to what was before.
    pub(super) fn happen(
        self,
        cli: &Cli,
        place: &Place,
        daemon: Daemon,
        random: &mut Random,
        (build, flooded): (u32, &mut Published),
    ) -> Result<(), LiveError> {
        thread::sleep(random.time(20, 400));
        match self {
            Self::Load | Self::Start => daemon.kill(),
            Self::Swap => {
                for plugin in PLUGINS.iter().filter(|plugin| plugin.name != AWAY) {
                    if random.once_in(2) {
                        place.put_manifest(plugin.name, &plugin.manifest(build))?;
                    }
                }
                thread::sleep(random.time(0, 250));
                daemon.kill()
            }
            Self::Pause => {
                let name = random.one_of("log", &["relay", "unsteady", "keyed"]);
                cli.wire()?.ask(&json!({ "pause": { "name": name } }), "done")?;
                thread::sleep(random.time(50, 400));
                daemon.kill()
            }
            Self::Flood => {
                let flood = publisher::flood(cli, std::mem::take(flooded));
                thread::sleep(random.time(100, 900));
                daemon.kill()?;
                // It ends with the daemon.
                *flooded = flood.join().unwrap_or_default();
                Ok(())
            }
            Self::Away => {
                place.remove(AWAY)?;
                thread::sleep(random.time(50, 500));
                daemon.kill()
            }
            Self::Drain => {
                daemon.terminate()?;
                thread::sleep(random.time(0, 60));
                daemon.kill()
            }
            Self::Stop => daemon.stop(),
        }
    }
}

/// Bytes of the journal: it is read on in each life, so that no more than one life and its floods must fit, and less than all.
const JOURNAL_BYTES: &str = "33554432";

/// How a daemon is started this time: what an acknowledgement waits for, and how many writes may be on their way.
pub(super) fn arguments(random: &mut Random) -> Vec<String> {
    let sync = random.one_of("group", &["group", "os", "always"]);
    let writes = random.one_of("4096", &["64", "4"]);
    let times = [
        ("--loader-settle-ms", "10"),
        ("--loader-rescan-ms", "200"),
        ("--loader-unload-grace-ms", "100"),
        ("--shutdown-grace-ms", "3000"),
        ("--journal-bytes-max", JOURNAL_BYTES),
        ("--journal-sync", sync),
        ("--journal-writes-max", writes),
    ];
    times.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]).collect()
}

/// A moment of a start that takes so long, from before its first step to when it is over.
pub(super) fn moment_of(start: Duration, random: &mut Random) -> Duration {
    start.mul_f64(f64::from(u32::try_from(random.between(0, 1000)).unwrap_or_default()) / 1000.0)
}
