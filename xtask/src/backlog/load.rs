//! Publishes as fast as the daemon takes it: several connections, each with many events on their way.

use std::ops::RangeInclusive;
use std::thread;

use super::{BacklogError, request};
use crate::live::{Cli, LiveError};

/// Connections.
pub(super) const PUBLISHERS: u64 = 8;
/// Events of one of them that are on their way at one time: what is sent must fit where the daemon does not read it yet.
const WINDOW: usize = 128;

/// The source of a publisher's events.
pub(super) fn source(publisher: u64) -> String {
    format!("p{publisher}")
}

/// Publishes these numbers for every publisher, and waits until all of them are acknowledged.
pub(super) fn publish(cli: &Cli, numbers: &RangeInclusive<u64>) -> Result<(), BacklogError> {
    thread::scope(|scope| {
        let start = |publisher| scope.spawn(move || stream(cli, &source(publisher), numbers.clone()));
        let threads: Vec<_> = (0..PUBLISHERS).map(start).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(BacklogError::Refused("its thread panicked".to_owned())))
        })
    })
}

fn stream(cli: &Cli, source: &str, numbers: RangeInclusive<u64>) -> Result<(), BacklogError> {
    let failed = |error| LiveError::io("publish", error);
    let mut wire = cli.wire()?;
    let numbers: Vec<u64> = numbers.collect();
    for window in numbers.chunks(WINDOW) {
        let lines: String = window.iter().map(|number| format!("{}\n", request(source, *number))).collect();
        wire.send(&lines).map_err(failed)?;
        for _ in window {
            let answer = wire.receive().map_err(failed)?;
            if !answer.starts_with("{\"accepted\":") {
                return Err(BacklogError::Refused(answer));
            }
        }
    }
    Ok(())
}
