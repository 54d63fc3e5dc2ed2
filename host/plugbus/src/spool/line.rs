//! One line of the spool. Pure.
//!
//! `CRC SENT TIME EVENT NUMBER`: the CRC-32C of everything behind it in 8 hexadecimal digits; `new` for an event that no daemon
//! has seen, `unsure` for one that was sent and not acknowledged in time; when, in milliseconds since the Unix epoch; the
//! event in the JSON format of CloudEvents 1.0; its place in the file, counted from 1, in 8 digits. The number stands at the end
//! so that a writer finds it without reading the file.

use serde_json::value::RawValue;

/// Digits of the checksum, and of the number.
const DIGITS: usize = 8;
/// Bytes from the space before the number to the end of the line.
pub(super) const TAIL_BYTES: usize = 1 + DIGITS + 1;

/// What is known of an event that is spooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// No daemon has seen it.
    New,
    /// It was sent, and may have been accepted.
    Unsure,
}

/// A line that checks out.
#[derive(Debug)]
pub struct SpooledLine<'a> {
    /// Whether a daemon may have it already.
    pub sent: Sent,
    /// When it was spooled, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The event in the JSON format of CloudEvents 1.0.
    pub event: &'a RawValue,
}

/// Why a line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It was written in part, or changed.
    #[error("the checksum does not fit: the line is torn or was changed")]
    Checksum,
    /// The checksum fits, and yet it is none.
    #[error("it is no line of a spool of this version")]
    Form,
}

/// Writes a line, newline included.
pub(super) fn seal(out: &mut Vec<u8>, event: &str, sent: Sent, time_ms: u64, number: u64) {
    let sent = match sent {
        Sent::New => "new",
        Sent::Unsure => "unsure",
    };
    let body = format!("{sent} {time_ms} {event} {number:0DIGITS$}");
    let crc = crc32c::crc32c(body.as_bytes());
    out.extend_from_slice(format!("{crc:0DIGITS$x} {body}\n").as_bytes());
}

/// Reads a line without its newline.
///
/// # Errors
/// [`LineError`].
pub fn parse_line(line: &[u8]) -> Result<SpooledLine<'_>, LineError> {
    let (crc, body) = line.split_at_checked(DIGITS).ok_or(LineError::Checksum)?;
    let crc = std::str::from_utf8(crc).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    let body = body.strip_prefix(b" ").ok_or(LineError::Checksum)?;
    if crc != Some(crc32c::crc32c(body)) {
        return Err(LineError::Checksum);
    }
    let body = std::str::from_utf8(body).map_err(|_| LineError::Form)?;
    let form = || {
        let (sent, rest) = body.split_once(' ')?;
        let (time_ms, rest) = rest.split_once(' ')?;
        let (event, _number) = rest.rsplit_once(' ')?;
        let sent = match sent {
            "new" => Sent::New,
            "unsure" => Sent::Unsure,
            _ => return None,
        };
        Some(SpooledLine { sent, time_ms: time_ms.parse().ok()?, event: serde_json::from_str(event).ok()? })
    };
    form().ok_or(LineError::Form)
}

/// The number in the last line, given the last bytes of the file; `None` where they end in no whole line.
pub(super) fn number_at_end(tail: &[u8]) -> Option<u64> {
    let digits = tail.strip_suffix(b"\n")?.strip_prefix(b" ")?;
    let is_number = digits.len() == DIGITS && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(number: u64) -> Vec<u8> {
        let mut line = Vec::new();
        seal(&mut line, r#"{"type":"a b"}"#, Sent::Unsure, 17, number);
        line
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let line = sealed(3);
        let read = parse_line(line.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((read.sent, read.time_ms, read.event.get()), (Sent::Unsure, 17, r#"{"type":"a b"}"#));
        assert_eq!(number_at_end(&line[line.len() - TAIL_BYTES..]), Some(3));
    }

    #[test]
    fn no_changed_or_missing_byte_goes_unnoticed() {
        let line = sealed(3);
        let line = line.strip_suffix(b"\n").unwrap();
        for at in 0..line.len() {
            let mut changed = line.to_vec();
            changed[at] ^= 1;
            assert!(parse_line(&changed).is_err(), "byte {at} changed");
            assert!(parse_line(&line[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_fits_its_checksum_and_is_no_line_is_refused() {
        for body in ["", "new", "new 1", "new 1 {}", "old 1 {} 00000001", "new x {} 00000001", "new 1 {]} 00000001"] {
            let line = format!("{:08x} {body}", crc32c::crc32c(body.as_bytes()));
            assert_eq!(parse_line(line.as_bytes()).unwrap_err(), LineError::Form, "{body}");
        }
    }

    #[test]
    fn a_torn_end_has_no_number() {
        for tail in [&b""[..], b"\n", b" 0000001\n", b"x00000001\n", b" 0000000x\n", b"0 00000001"] {
            assert_eq!(number_at_end(tail), None, "{tail:?}");
        }
    }
}
