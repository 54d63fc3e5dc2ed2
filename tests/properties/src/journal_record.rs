//! Records of the journal.

use plugbus::journal::codec::{decode, encode, read, unseal};

use crate::message;

/// A number that the records are read under.
const SEQ: u64 = 7;

/// What is accepted is what would be written for the event, byte for byte; a seal that was not made for these bytes is seen.
pub fn journal_record(bytes: &[u8]) {
    if let Err(error) = unseal(SEQ, bytes) {
        message::check(&error.to_string());
    }
    let record = match decode(bytes) {
        Ok(record) => record,
        Err(error) => return message::check(&error.to_string()),
    };
    let event = record.to_event(SEQ);
    let mut written = Vec::new();
    encode(&event, record.accepted_ns, &mut written).unwrap();
    assert_eq!(unseal(SEQ, &written), Ok(bytes));
    assert_eq!(read(SEQ, &written), Ok(record));
    assert!(read(SEQ + 1, &written).is_err(), "a record under another number");
}
