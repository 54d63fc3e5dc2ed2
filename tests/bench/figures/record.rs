//! Figures that criterion does not take: one JSON object a line, in the file that `PLUGBUS_BENCH_RECORDS` names.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::Duration;

use serde::Serialize;

pub(crate) use crate::percentile::{per_mille, percentile};

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// `ms`, `KiB`, `events/s`, …: of both values.
    pub(crate) unit: &'static str,
    /// What it is set beside, if anything.
    pub(crate) beside: Option<String>,
    pub(crate) beside_value: Option<f64>,
}

/// Where they go.
pub(crate) struct Records {
    file: Option<File>,
}

impl Record {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, beside: None, beside_value: None }
    }

    pub(crate) fn millis(name: impl Into<String>, value: Duration) -> Self {
        Self::new(name, in_millis(value), "ms")
    }

    pub(crate) fn beside(self, what: impl Into<String>, value: f64) -> Self {
        Self { beside: Some(what.into()), beside_value: Some(value), ..self }
    }
}

impl Records {
    /// The file of the environment; without one the figures are only printed.
    pub(crate) fn open() -> Self {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Self { file: env::var_os("PLUGBUS_BENCH_RECORDS").map(|path| open(path).expect("the file of records opens")) }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        let line = serde_json::to_string(record).expect("a record has a JSON form");
        println!("{line}");
        if let Some(file) = &mut self.file {
            writeln!(file, "{line}").expect("the file of records takes a line");
        }
    }
}

pub(crate) fn in_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
