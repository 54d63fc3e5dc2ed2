//! Attempts as JSON, as `retries` and `dead` keep them.

use plugbus_bus::AttemptRecord;
use serde::Deserialize;

/// An [`AttemptRecord`] as it is read back.
#[derive(Debug, Deserialize)]
struct Stored {
    attempt: u32,
    kind: String,
    reason: String,
    #[serde(default)]
    stderr: Option<String>,
    #[serde(default)]
    backtrace: Vec<String>,
    time_ns: u64,
}

/// The attempts as JSON.
pub(crate) fn write(attempts: &[AttemptRecord]) -> String {
    // Texts and numbers only: there is nothing in them that JSON cannot say.
    serde_json::to_string(attempts).unwrap_or_else(|_| "[]".into())
}

/// The attempts of a JSON text.
pub(crate) fn read(json: &str) -> serde_json::Result<Vec<AttemptRecord>> {
    let stored: Vec<Stored> = serde_json::from_str(json)?;
    let attempts = stored.into_iter().map(|stored| AttemptRecord {
        attempt: stored.attempt,
        kind: AttemptRecord::recorded_kind(&stored.kind),
        reason: stored.reason,
        stderr: stored.stderr,
        backtrace: stored.backtrace,
        time_ns: stored.time_ns,
    });
    Ok(attempts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_read_as_they_were_written() {
        let attempts = vec![
            AttemptRecord {
                attempt: 1,
                kind: "trap",
                reason: "trap: \"x\"".into(),
                stderr: Some("line\n".into()),
                backtrace: vec!["a".into(), "b".into()],
                time_ns: u64::MAX,
            },
            AttemptRecord {
                attempt: 2,
                kind: "retry",
                reason: String::new(),
                stderr: None,
                backtrace: Vec::new(),
                time_ns: 0,
            },
        ];
        assert_eq!(read(&write(&attempts)).unwrap(), attempts);
        assert!(read("{").is_err());
    }
}
