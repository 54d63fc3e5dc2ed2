//! Printing: tables for people, JSON for programs. Text from outside never reaches the terminal with its control characters.

use std::io::{self, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Writes one line to stdout.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes to stdout as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Writes a value as one line of JSON.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    line(&serde_json::to_string(value)?)
}

/// Lays out rows under their headings, two spaces apart; nothing at all without rows. Pure.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let lines = std::iter::once(&heading).chain(rows).map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Lays out names and values, the values aligned; a value of several lines is indented. Pure.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let lines = fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
        let value = value.lines().collect::<Vec<_>>().join(&format!("\n{:width$}  ", ""));
        format!("{name:<width$}  {value}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A value as a cell: text as it is, lists with commas, nothing for nothing. Pure.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) => printable(&value.to_string()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text that is safe to show on a terminal: control characters but tab and newline are escaped. Pure.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
    if text.chars().all(plain) {
        return text.into();
    }
    text.chars().map(|c| if plain(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}

/// The same on one line, cut to so many characters. Pure.
pub(crate) fn brief(text: &str, chars_max: usize) -> String {
    let flat: String = text.chars().take(chars_max + 1).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let flat = printable(&flat);
    if flat.chars().count() <= chars_max {
        return flat;
    }
    format!("{}…", flat.chars().take(chars_max.saturating_sub(1)).collect::<String>())
}

/// A time in nanoseconds since the Unix epoch, as RFC 3339 with milliseconds, UTC. Pure.
pub(crate) fn time(time_ns: u64) -> String {
    let seconds = time_ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let millis = time_ns / 1_000_000 % 1000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant's `civil_from_days`, for days from the epoch on).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows =
            vec![vec!["a".into(), "running".into(), String::new()], vec!["größe".into(), "x".into(), "1".into()]];
        assert_eq!(table(&["NAME", "STATE", "N"], &rows), "NAME   STATE    N\na      running\ngröße  x        1");
    }

    #[test]
    fn fields_without_a_value_are_left_out_and_long_ones_indented() {
        let given = [("name", "a".to_owned()), ("none", String::new()), ("trace", "x\ny".to_owned())];
        assert_eq!(fields(&given), "name   a\ntrace  x\n       y");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\n");
        assert_eq!(brief("a\n\u{7}b", 10), "a \\u{7}b");
        assert_eq!(brief("abcdef", 4), "abc…");
        assert_eq!(cell(&json!(["a", 1, null])), "a, 1, ");
    }

    #[test]
    fn times_are_shown_as_rfc_3339() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(time(seconds * 1_000_000_000), expected);
        }
        assert_eq!(time(1_234_567_890_123_456_789), "2009-02-13T23:31:30.123Z");
    }
}
