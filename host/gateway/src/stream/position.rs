//! A place in the past as a request names it: a number, a time, or how long ago.

use std::time::{SystemTime, UNIX_EPOCH};

use plugbus_bus::EventLog;

use crate::problem::{Problem, chain};

/// A place in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// The event of this number.
    Seq(u64),
    /// The first event accepted then or later, in nanoseconds since the Unix epoch.
    TimeNs(u64),
}

impl Position {
    /// Reads one. Pure but for the clock that is handed in.
    pub(crate) fn parse(text: &str, now: SystemTime) -> Result<Self, Problem> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        let time = match humantime::parse_duration(text) {
            Ok(ago) => now.checked_sub(ago),
            Err(_) => humantime::parse_rfc3339_weak(text).ok(),
        };
        let since = time.map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default());
        match since.map(|since| u64::try_from(since.as_nanos())) {
            Some(Ok(time_ns)) => Ok(Self::TimeNs(time_ns)),
            _ => {
                let text: String = text.chars().take(80).collect();
                Err(Problem::bad_request(format!(
                    "`{}` is no place in the past; give a number (`17`), a time (`2026-11-24T09:30:00Z`) or how long ago \
                     (`1h`)",
                    text.escape_debug()
                )))
            }
        }
    }

    /// The number that it means.
    pub(crate) async fn seq(self, log: &EventLog) -> Result<u64, Problem> {
        match self {
            Self::Seq(seq) => Ok(seq),
            Self::TimeNs(time_ns) => log.seq_at(time_ns).await.map_err(|error| Problem::unavailable(chain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_place_is_a_number_a_time_or_how_long_ago() {
        let now = UNIX_EPOCH + Duration::from_secs(7200);
        let parse = |text| Position::parse(text, now);
        assert_eq!(parse("17").unwrap(), Position::Seq(17));
        assert_eq!(parse("1h").unwrap(), Position::TimeNs(3_600_000_000_000));
        assert_eq!(parse("9h").unwrap(), Position::TimeNs(0), "before the beginning is the beginning");
        assert_eq!(parse("1970-01-01T00:00:01Z").unwrap(), Position::TimeNs(1_000_000_000));
        for wrong in ["", "-1", "1x", "yesterday", "99999999999999999999"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
