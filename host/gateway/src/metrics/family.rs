//! A metric and its samples.

use std::borrow::Cow;

use plugbus_bus::HistogramSnapshot;

/// Label names and values of one sample.
pub type Labels = Vec<(&'static str, String)>;

/// One metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, without `_total`.
    pub name: Cow<'static, str>,
    /// One sentence.
    pub help: Cow<'static, str>,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its values.
    pub samples: Vec<Sample>,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many were how large.
    Histogram,
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Whose.
    pub labels: Labels,
    /// The value.
    pub number: Number,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    /// A count.
    Whole(u64),
    /// A measure.
    Real(f64),
    /// How many were how large.
    Steps {
        /// Each edge, with the number of values up to it and over the edge before.
        steps: Vec<(f64, u64)>,
        /// All values.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

impl Family {
    /// A metric.
    #[must_use]
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        kind: Kind,
        samples: Vec<Sample>,
    ) -> Self {
        Self { name: name.into(), help: help.into(), kind, samples }
    }

    /// A gauge.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Self {
        Self::new(name, help, Kind::Gauge, samples)
    }
}

impl Sample {
    /// A value.
    #[must_use]
    pub fn new(labels: Labels, number: Number) -> Self {
        Self { labels, number }
    }
}

/// Nanoseconds in a second.
pub(super) const SECOND_NS: f64 = 1e9;

impl Number {
    /// A histogram of nanoseconds, in seconds.
    #[must_use]
    pub fn seconds(read: &HistogramSnapshot) -> Self {
        Self::scaled(read, SECOND_NS)
    }

    /// A histogram in its own unit.
    #[must_use]
    pub fn steps(read: &HistogramSnapshot) -> Self {
        Self::scaled(read, 1.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float to whoever reads it")]
    fn scaled(read: &HistogramSnapshot, unit: f64) -> Self {
        let steps = read.steps.iter().map(|(edge, count)| (*edge as f64 / unit, *count)).collect();
        Self::Steps { steps, count: read.count, sum: read.sum as f64 / unit }
    }
}
