//! The figures of plugbus: `figures --bench [--quick] [NAME…]`, as `cargo xtask bench` runs it. With `--quick` as little is measured as
//! shows that each figure can be taken.
//!
//! What takes micro- or milliseconds inside one process is measured by criterion, which keeps its estimates. A criterion
//! group is a figure; a function of it whose name begins with [`BESIDE`] is what the others of the same parameter are set
//! beside. What criterion does not fit (a reload, whole processes, resident memory, a disk) is a [`Record`] written to a file.
//!
//! Each figure stands beside something of the same run on the same machine: only the ratio travels to another machine.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a figure that cannot be taken must end the run, like a failed test"
)]

mod acknowledged;
mod bare;
mod browser;
mod bus;
mod catch_up;
mod clock;
mod daemon;
mod delivery;
mod disk;
mod dropin;
mod effort;
mod emit;
mod fanout;
mod hook;
mod host;
mod http;
mod languages;
mod latency;
mod memory;
mod nats;
mod node;
mod packet;
mod percentile;
mod python;
mod raw;
mod record;
mod reload;
mod sandbox;
mod socketio;
mod start;
mod warm;

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use criterion::Criterion;
use criterion::measurement::WallTime;

use crate::clock::ThreadTime;
use crate::record::Records;

/// How the name of a criterion function begins that only stands beside others.
const BESIDE: &str = "beside ";

/// Criterion's own least number of samples.
const SAMPLES_MIN: usize = 10;

/// How a figure is taken.
enum Take {
    /// By criterion, in CPU time of this thread.
    Thread(fn(&mut Criterion<ThreadTime>)),
    /// By criterion, by the wall clock.
    Wall(fn(&mut Criterion<WallTime>)),
    /// By itself; it writes records.
    Recorded(fn(&mut Records)),
}

/// Every figure by its name, in the order in which they are taken and shown.
const FIGURES: &[(&str, Take)] = &[
    ("inline", Take::Thread(bus::inline)),
    ("fan-out", Take::Thread(bus::fan_out)),
    ("routing", Take::Thread(bus::routing)),
    ("queue", Take::Thread(bus::queue)),
    ("call", Take::Thread(sandbox::call)),
    ("awaited", Take::Wall(sandbox::awaited)),
    ("fresh", Take::Thread(sandbox::fresh)),
    ("normalize", Take::Thread(sandbox::normalize)),
    ("instances", Take::Wall(sandbox::instances)),
    ("reload", Take::Recorded(reload::reload)),
    ("emit", Take::Recorded(emit::emit)),
    ("hook", Take::Recorded(hook::hook)),
    ("memory", Take::Recorded(memory::memory)),
    ("acknowledged", Take::Recorded(acknowledged::acknowledged)),
    ("catch-up", Take::Recorded(catch_up::catch_up)),
    ("latency", Take::Recorded(latency::latency)),
    ("start", Take::Recorded(start::start)),
    ("http", Take::Recorded(http::http)),
    ("fanout", Take::Recorded(fanout::fanout)),
    ("browser", Take::Recorded(browser::browser)),
    ("languages", Take::Recorded(languages::languages)),
    ("warm", Take::Recorded(warm::warm)),
    ("dropin", Take::Recorded(dropin::dropin)),
];

fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|argument| argument.starts_with('-'));
    if !flags.iter().any(|flag| flag == "--bench") {
        // `cargo test --benches` comes by here: a figure taken without optimisation would only mislead.
        println!("figures are taken with `cargo xtask bench`");
        return ExitCode::SUCCESS;
    }
    let known = |name: &&String| FIGURES.iter().any(|(figure, _)| figure == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no figure `{unknown}`; there are: {}", all.join(", "));
        return ExitCode::from(2);
    }
    if flags.iter().any(|flag| flag == "--quick") {
        effort::be_quick();
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let (mut thread, mut wall) = (criterion().with_measurement(ThreadTime), criterion());
    let mut records = Records::open();
    for (name, take) in FIGURES.iter().filter(|(name, _)| wanted(name)) {
        let began = Instant::now();
        match take {
            Take::Thread(take) => take(&mut thread),
            Take::Wall(take) => take(&mut wall),
            Take::Recorded(take) => take(&mut records),
        }
        println!("{name}: taken in {:.1} s", began.elapsed().as_secs_f64());
    }
    ExitCode::SUCCESS
}

/// Long enough for a steady median, short enough that all figures are taken within a few minutes.
fn criterion() -> Criterion<WallTime> {
    let criterion = Criterion::default().without_plots().sample_size(effort::times(60).max(SAMPLES_MIN));
    let (warm_up, measurement) = (Duration::from_secs(1), Duration::from_secs(4));
    criterion.warm_up_time(effort::lasting(warm_up)).measurement_time(effort::lasting(measurement))
}
