//! Positions in the journal as people write them.

use std::time::{SystemTime, UNIX_EPOCH};

use plugbus::socket::protocol::Position;

/// Reads a position: a number, a time, or an age.
pub(super) fn position(text: &str) -> Result<Position, String> {
    parse(text, SystemTime::now())
}

/// The same with the clock as an argument. Pure.
fn parse(text: &str, now: SystemTime) -> Result<Position, String> {
    if let Ok(seq) = text.replace('_', "").parse::<u64>() {
        return Ok(Position::Seq(seq));
    }
    let at = humantime::parse_rfc3339_weak(text)
        .ok()
        .or_else(|| humantime::parse_duration(text).ok().and_then(|age| now.checked_sub(age)))
        .ok_or("write the number of an event, a time such as 2026-01-31T12:00:00Z, or an age such as 10m")?;
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| "a time before 1970 has no events")?;
    Ok(Position::TimeNs(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_position_is_a_number_a_time_or_an_age() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (text, position) in [
            ("17", Position::Seq(17)),
            ("1_000", Position::Seq(1000)),
            ("1970-01-01T00:00:02Z", Position::TimeNs(2_000_000_000)),
            ("1970-01-02 00:00:00", Position::TimeNs(86_400_000_000_000)),
            ("10m", Position::TimeNs((1_000_000 - 600) * 1_000_000_000)),
        ] {
            assert_eq!(parse(text, now), Ok(position), "{text}");
        }
        for text in ["", "-1", "yesterday", "1969-01-01T00:00:00Z", "99999days"] {
            assert!(parse(text, now).is_err(), "{text}");
        }
    }
}
