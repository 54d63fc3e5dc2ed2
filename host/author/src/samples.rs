//! Sample events: `events/*.json` of a project, each one CloudEvents 1.0 event in its JSON format.
//!
//! A sample whose file's name begins with `bad` is one that the plugin must not ack; every other one it must.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plugbus::bus::Draft;
use plugbus::socket::parse_event;
use serde::Serialize;
use serde_json::value::RawValue;

/// The folder of samples in a project.
const FOLDER: &str = "events";
/// Most samples of one project.
const SAMPLES_MAX: usize = 200;
/// Most bytes of one sample.
const BYTES_MAX: u64 = 4 << 20;

/// One sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its file.
    pub path: PathBuf,
    /// The event.
    pub event: Draft,
    /// What must become of it.
    pub expected: Expected,
}

/// What must become of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// The plugin acks it.
    Acked,
    /// The plugin rejects it, or asks for a retry; not even here may it fault.
    Refused,
}

/// Why samples cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// There are none.
    #[error("{} has no samples: put one event as CloudEvents JSON into {FOLDER}/good.json", dir.display())]
    None {
        /// The project.
        dir: PathBuf,
    },
    /// There are too many.
    #[error("{} has {count} samples; at most {SAMPLES_MAX} are read", dir.display())]
    Many {
        /// Their folder.
        dir: PathBuf,
        /// How many.
        count: usize,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no event.
    #[error("{}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Expected {
    /// What a file's name says. Pure.
    fn of(path: &Path) -> Self {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem.starts_with("bad") { Self::Refused } else { Self::Acked }
    }

    /// Whether an outcome, named as in a report, is what was expected. Pure.
    #[must_use]
    pub fn is_met_by(self, outcome: &str) -> bool {
        match self {
            Self::Acked => outcome == "acked",
            Self::Refused => matches!(outcome, "reject" | "retry"),
        }
    }
}

/// Reads the samples of a project, in the order of their names.
///
/// # Errors
/// [`SampleError`] with the file and what is wrong with it.
pub fn read(dir: &Path) -> Result<Vec<Sample>, SampleError> {
    let folder = dir.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SampleError::None { dir: dir.to_owned() }),
        Err(source) => return Err(SampleError::Read { path: folder, source }),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| SampleError::Read { path: folder.clone(), source })?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    match paths.len() {
        0 => Err(SampleError::None { dir: dir.to_owned() }),
        count if count > SAMPLES_MAX => Err(SampleError::Many { dir: folder, count }),
        _ => paths.into_iter().map(sample).collect(),
    }
}

fn sample(path: PathBuf) -> Result<Sample, SampleError> {
    let wrong = |problem: String| SampleError::Wrong { path: path.clone(), problem };
    let read = fs::metadata(&path).and_then(|file| match file.len() {
        bytes if bytes > BYTES_MAX => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has {bytes} bytes; at most {BYTES_MAX} are read"),
        )),
        _ => fs::read(&path),
    });
    let bytes = read.map_err(|source| SampleError::Read { path: path.clone(), source })?;
    let json: Box<RawValue> = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("not JSON: {error}")))?;
    let event = parse_event(&json).map_err(|error| wrong(error.message))?;
    Ok(Sample { expected: Expected::of(&path), event, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_what_must_become_of_it() {
        for (name, expected) in
            [("good.json", Expected::Acked), ("1.json", Expected::Acked), ("bad-json.json", Expected::Refused)]
        {
            assert_eq!(Expected::of(Path::new(name)), expected, "{name}");
        }
        for outcome in ["trap", "fuel", "deadline"] {
            assert!(!Expected::Acked.is_met_by(outcome) && !Expected::Refused.is_met_by(outcome));
        }
        assert!(Expected::Refused.is_met_by("reject") && !Expected::Refused.is_met_by("acked"));
    }

    #[test]
    fn samples_come_in_order_and_what_is_wrong_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path()), Err(SampleError::None { .. })));
        let folder = dir.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("b.json"), r#"{"type":"t.b","data":1}"#).unwrap();
        fs::write(folder.join("a.json"), r#"{"type":"t.a"}"#).unwrap();
        fs::write(folder.join("notes.txt"), "not read").unwrap();
        let topics: Vec<String> = read(dir.path()).unwrap().iter().map(|s| s.event.topic.to_string()).collect();
        assert_eq!(topics, ["t.a", "t.b"]);
        fs::write(folder.join("c.json"), "{").unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("c.json") && error.contains("not JSON"), "{error}");
    }
}
