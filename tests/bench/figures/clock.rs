//! The clock of the figures that stay on one thread: the CPU time of that thread.
//!
//! On an idle machine it is the wall clock, since none of these figures ever waits. On a busy one it leaves out what other
//! programs took in between, so that the ratios are the same.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of the thread that measures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadTime;

/// Anything that measures durations.
pub(crate) trait Clock: Measurement<Value = Duration> {
    /// How long the work takes.
    fn time(&self, work: impl FnOnce()) -> Duration {
        let began = self.start();
        work();
        self.end(began)
    }
}

impl<T: Measurement<Value = Duration>> Clock for T {}

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(now.tv_sec).expect("CPU time is not negative");
        Duration::new(seconds, u32::try_from(now.tv_nsec).expect("these are less than a second"))
    }

    fn end(&self, began: Duration) -> Duration {
        self.start().saturating_sub(began)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        // A constant lives long enough to be borrowed from.
        const WALL: &WallTime = &WallTime;
        WALL.formatter()
    }
}
