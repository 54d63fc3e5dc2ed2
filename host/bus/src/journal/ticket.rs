//! What a journal carries for the bus and hands back.

use super::OwnedSemaphorePermit;

/// The right to have one write on its way; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Some(permit) }
    }

    /// A permit of no bus, for tests of a journal.
    #[must_use]
    pub fn free() -> Self {
        Self { _permit: None }
    }
}

/// Who published an event, as the bus remembers it while the journal writes.
#[derive(Debug)]
pub struct Ticket {}

impl Ticket {
    /// A ticket of no bus, for tests of a journal.
    #[must_use]
    pub fn free() -> Self {
        Self {}
    }
}
