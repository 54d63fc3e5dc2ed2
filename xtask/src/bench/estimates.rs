//! What criterion leaves behind, as figures.
//!
//! For each function of a group it writes `<…>/new/benchmark.json` (what it was) and `estimates.json` (what it took). A
//! function whose name begins with [`BESIDE`] is no figure: the others of its group with the same parameter stand beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use thiserror::Error;

use super::figure::Figure;

/// How the name of a function begins that only stands beside others.
const BESIDE: &str = "beside ";
/// Deepest folder that is looked into: group, function, parameter, `new`.
const DEPTH_MAX: usize = 5;

/// Why the estimates are not there.
#[derive(Debug, Error)]
pub(crate) enum EstimatesError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not JSON")]
    NotJson { path: PathBuf, source: serde_json::Error },
    #[error("{path} has no `{key}`")]
    Missing { path: PathBuf, key: &'static str },
}

/// One function that criterion has measured.
#[derive(Debug, Clone, PartialEq)]
struct Estimate {
    /// When it was written.
    written: SystemTime,
    group: String,
    function: String,
    parameter: Option<String>,
    /// Nanoseconds for one iteration.
    median_ns: f64,
}

/// The figures that criterion has taken since a moment, in the order in which it took them.
pub(crate) fn collect(folder: &Path, since: SystemTime) -> Result<Vec<Figure>, EstimatesError> {
    let mut estimates = Vec::new();
    find(folder, since, DEPTH_MAX, &mut estimates)?;
    estimates.sort_by_key(|estimate| estimate.written);
    Ok(pair(&estimates))
}

/// Sets each figure beside what belongs there. Pure.
fn pair(estimates: &[Estimate]) -> Vec<Figure> {
    let beside = |figure: &Estimate| {
        let same = |other: &&Estimate| other.group == figure.group && other.parameter == figure.parameter;
        estimates.iter().filter(same).find_map(|other| Some((other.function.strip_prefix(BESIDE)?, other.median_ns)))
    };
    let figure = |estimate: &Estimate| {
        let parameter = estimate.parameter.as_ref().map(|parameter| format!("/{parameter}")).unwrap_or_default();
        let beside = beside(estimate);
        Figure {
            name: format!("{}/{}{parameter}", estimate.group, estimate.function),
            value: estimate.median_ns,
            unit: "ns".into(),
            beside: beside.map(|(name, _)| name.to_owned()),
            beside_value: beside.map(|(_, median_ns)| median_ns),
        }
    };
    estimates.iter().filter(|estimate| !estimate.function.starts_with(BESIDE)).map(figure).collect()
}

fn find(folder: &Path, since: SystemTime, depth: usize, found: &mut Vec<Estimate>) -> Result<(), EstimatesError> {
    // Where only other figures were taken, criterion has made no folder.
    if depth == 0 || !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        if !path.ends_with("new") || !estimates.exists() {
            find(&path, since, depth - 1, found)?;
            continue;
        }
        let written = fs::metadata(&estimates)
            .and_then(|metadata| metadata.modified())
            .map_err(|source| unreadable(&estimates, source))?;
        if written >= since {
            found.push(read(&path, written)?);
        }
    }
    Ok(())
}

fn read(folder: &Path, written: SystemTime) -> Result<Estimate, EstimatesError> {
    let (about, about_path) = json(folder.join("benchmark.json"))?;
    let (estimates, estimates_path) = json(folder.join("estimates.json"))?;
    let text = |key: &'static str| about.get(key).and_then(Value::as_str).map(str::to_owned);
    let missing = |key: &'static str| EstimatesError::Missing { path: about_path.clone(), key };
    let median = estimates.pointer("/median/point_estimate").and_then(Value::as_f64);
    Ok(Estimate {
        written,
        group: text("group_id").ok_or_else(|| missing("group_id"))?,
        function: text("function_id").ok_or_else(|| missing("function_id"))?,
        parameter: text("value_str"),
        median_ns: median.ok_or(EstimatesError::Missing { path: estimates_path, key: "median" })?,
    })
}

fn json(path: PathBuf) -> Result<(Value, PathBuf), EstimatesError> {
    let text = fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
    let value = serde_json::from_str(&text).map_err(|source| EstimatesError::NotJson { path: path.clone(), source })?;
    Ok((value, path))
}

fn unreadable(path: &Path, source: io::Error) -> EstimatesError {
    EstimatesError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(folder: &Path, place: &str, about: &Value, median: f64) {
        let new = folder.join(place).join("new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), about.to_string()).unwrap();
        let estimates = json!({"median": {"point_estimate": median}, "slope": null});
        fs::write(new.join("estimates.json"), estimates.to_string()).unwrap();
    }

    #[test]
    fn functions_stand_beside_the_one_of_their_group_and_parameter() {
        let folder = tempfile::tempdir().unwrap();
        let about = |function: &str, value: Option<&str>| json!({"group_id": "fan-out", "function_id": function, "value_str": value});
        write(folder.path(), "fan-out/publish/10", &about("publish", Some("10")), 300.0);
        write(folder.path(), "fan-out/beside channel/10", &about("beside channel", Some("10")), 200.0);
        write(folder.path(), "fan-out/publish/1", &about("publish", Some("1")), 30.0);
        write(folder.path(), "fan-out/alone", &about("alone", None), 7.0);

        let mut figures = collect(folder.path(), SystemTime::UNIX_EPOCH).unwrap();
        figures.sort_by(|a, b| a.name.cmp(&b.name));
        let rows: Vec<_> = figures.iter().map(|f| (f.name.as_str(), f.beside.as_deref(), f.ratio())).collect();
        let expected = [
            ("fan-out/alone", None, None),
            ("fan-out/publish/1", None, None),
            ("fan-out/publish/10", Some("channel"), Some(1.5)),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn what_an_earlier_run_left_is_not_collected() {
        let folder = tempfile::tempdir().unwrap();
        let about = json!({"group_id": "g", "function_id": "f", "value_str": null});
        write(folder.path(), "g/f", &about, 1.0);
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(collect(folder.path(), later).unwrap(), []);
        assert_eq!(collect(&folder.path().join("none"), later).unwrap(), []);
    }

    #[test]
    fn a_missing_key_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "g/f", &json!({"group_id": "g"}), 1.0);
        let error = collect(folder.path(), SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().ends_with("benchmark.json has no `function_id`"), "{error}");
    }
}
