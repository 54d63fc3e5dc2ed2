//! Lines that are no request, and how the host says so.

use serde::{Deserialize, Serialize};

use super::{OPERATIONS, Request};

/// Most characters in a message about what a client sent.
const MESSAGE_CHARS_MAX: usize = 600;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLine {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what, where, and how to mend it.
    pub message: String,
    /// The line of the connection, counted from 1; absent where no line is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The byte in the line, counted from 1, for broken JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Whether the host closes the connection now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closing: bool,
}

impl ErrorLine {
    /// An error without a place.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), line: None, column: None, closing: false }
    }

    /// An error about what a client sent, in words that may repeat some of it: cut, and with control characters escaped.
    pub(crate) fn about_input(code: ErrorCode, message: &str) -> Self {
        let mut text = String::new();
        for character in message.chars().take(MESSAGE_CHARS_MAX) {
            match character.is_control() {
                true => text.extend(character.escape_debug()),
                false => text.push(character),
            }
        }
        Self::new(code, text)
    }

    /// The same, closing the connection.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }
}

/// The kinds of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The line is not JSON.
    BadJson,
    /// The operation is not known to this host.
    UnknownOperation,
    /// The operation's arguments are wrong.
    BadRequest,
    /// The event is not acceptable.
    InvalidEvent,
    /// A subscription's queue is full and its policy is to refuse: publish again later.
    Full,
    /// The host is stopping.
    Stopping,
    /// Nobody replied in time.
    NoReply,
    /// No plugin or dead letter of that name.
    NotFound,
    /// The host tried and failed.
    Failed,
    /// The line is too long.
    LineTooLong,
    /// The peer took too long to send a line, or sent nothing for too long.
    TimedOut,
    /// More connections than the host takes.
    TooManyConnections,
    /// A kind of a newer host.
    #[serde(other)]
    Other,
}

/// Reads one line of a client. Never panics, whatever the bytes.
///
/// # Errors
/// The error line to answer with, without the line's number.
pub fn parse_request(line: &[u8]) -> Result<Request, ErrorLine> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    serde_json::from_slice(line).map_err(|error| explain(&error, line))
}

/// Says what is wrong with a line. Pure.
fn explain(error: &serde_json::Error, line: &[u8]) -> ErrorLine {
    use serde_json::error::Category;
    // serde_json's own " at line 1 column 7" goes: the line it counts is not the connection's.
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let column = u64::try_from(error.column()).ok().filter(|column| *column > 0);
    if line.is_empty() {
        let message = "an empty line is no request; a request is one JSON object on one line, such as {\"ping\":{}}";
        return ErrorLine { column: Some(1), ..ErrorLine::new(ErrorCode::BadJson, message) };
    }
    let (code, message) = match error.classify() {
        Category::Data if text.starts_with("unknown variant") => {
            let name = text.split('`').nth(1).unwrap_or_default();
            let name: String = name.chars().take(40).collect();
            let known = OPERATIONS.join(", ");
            (ErrorCode::UnknownOperation, format!("unknown operation `{name}`; this host knows {known}"))
        }
        Category::Data => {
            (ErrorCode::BadRequest, format!("not a request: {text}; a request looks like {{\"ping\":{{}}}}"))
        }
        Category::Syntax | Category::Eof | Category::Io => (ErrorCode::BadJson, format!("not JSON: {text}")),
    };
    ErrorLine { column, ..ErrorLine::about_input(code, &message) }
}
