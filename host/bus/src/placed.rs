//! Between the moment that an event is taken and the moment that its publisher has its receipt.

use crate::journal::{Append, Stub};
use crate::publish::{Disposition, PublishError, Receipt};
use crate::slot::WaitingPublisher;

/// An event that the bus has taken.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// It is in the queues.
    Placed(Placed),
    /// The journal has it in hand; it is in the queues once it is committed.
    Journaling(Stub),
}

/// An event that is in the queues, but for those it waits for.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) receipt: Receipt,
    pub(crate) waits: Vec<WaitingPublisher>,
}

/// An event that has passed everything but the journal.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The journal need not know it: stopped by an inline handler, muted, held back, or too far from its origin.
    Done(Placed),
    /// To be appended.
    Append(Box<Append>, Stub),
}

impl Accepted {
    /// Waits for the journal.
    pub(crate) async fn placed(self) -> Result<Placed, PublishError> {
        match self {
            Self::Placed(placed) => Ok(placed),
            Self::Journaling(stub) => stub.placed().await,
        }
    }

    /// Waits for the journal, and where there was no room.
    pub(crate) async fn finish(self) -> Result<Receipt, PublishError> {
        Ok(self.placed().await?.finish().await)
    }

    /// What can be said without waiting. Queues that had no room get a dead letter.
    pub(crate) fn receipt(self) -> Receipt {
        match self {
            Self::Placed(placed) => placed.receipt,
            Self::Journaling(stub) => Receipt { disposition: Disposition::Journaling, ..Receipt::new(stub.id(), 0) },
        }
    }
}

impl Placed {
    pub(crate) fn new(receipt: Receipt) -> Self {
        Self { receipt, waits: Vec::new() }
    }

    /// Waits where there was no room.
    pub(crate) async fn finish(mut self) -> Receipt {
        for waiting in self.waits {
            if !waiting.wait().await {
                self.receipt.dead += 1;
            }
        }
        self.receipt
    }
}
