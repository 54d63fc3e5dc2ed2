//! Times as the daemon writes them. Pure.

/// Nanoseconds since the Unix epoch of a time in UTC: `2026-01-31T12:00:00.123456789Z`, the fraction with any number of
/// digits or none. `None` for anything else.
pub(super) fn unix_ns(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (year, month, day) = three(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let (hour, minute, second) = three(time, ':')?;
    if fraction.len() > 9 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = ((days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn three(text: &str, separator: char) -> Option<(u64, u64, u64)> {
    let mut parts = text.split(separator).map(|part| part.parse::<u32>().ok().map(u64::from));
    let three = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(three)
}

/// Days since 1970-01-01. Years are counted from 1 March, so that the leap day is the last of its year.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let since_year_0 = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    since_year_0.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000_000),
            ("2009-02-13T23:31:30.123456789Z", 1_234_567_890_123_456_789),
            ("2026-12-31T23:59:59.5Z", 1_798_761_599_500_000_000),
        ] {
            assert_eq!(unix_ns(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "Z",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-13-01T00:00:00Z",
            "2026-01-31T1:2Z",
            "1900-01-01T00:00:00Z",
        ] {
            assert_eq!(unix_ns(text), None, "{text}");
        }
    }
}
