//! Lines of the spool, in which hooks leave events for a daemon.

use plugbus::socket::parse_event;
use plugbus::spool::parse_line;

use crate::message;

/// A line checks out or is refused in a few words; the event of one that does is one line, or refused like a client's.
pub fn spool_line(bytes: &[u8]) {
    match parse_line(bytes) {
        Err(error) => message::check(&error.to_string()),
        Ok(line) => {
            assert!(line.event.get().len() < bytes.len());
            if let Err(error) = parse_event(line.event) {
                message::check(&error.message);
            }
        }
    }
}
