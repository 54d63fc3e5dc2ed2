//! Between the moment that an event is taken and the moment that its publisher has its receipt.

use std::future::{Future, poll_fn};
use std::task::Poll;

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

    /// What can be said now.
    pub(crate) fn receipt_so_far(&self) -> Receipt {
        match self {
            Self::Placed(placed) => placed.receipt.clone(),
            Self::Journaling(stub) => Receipt { disposition: Disposition::Journaling, ..Receipt::new(stub.id(), 0) },
        }
    }

    /// What can be said without waiting. Queues that had no room get a dead letter.
    pub(crate) fn receipt(self) -> Receipt {
        self.receipt_so_far()
    }
}

impl Placed {
    pub(crate) fn new(receipt: Receipt) -> Self {
        Self { receipt, waits: Vec::new() }
    }

    /// Waits where there was no room, everywhere at once: a slow subscription does not hold up the others.
    pub(crate) async fn finish(mut self) -> Receipt {
        let mut waits: Vec<_> = self.waits.into_iter().map(|waiting| Box::pin(waiting.wait())).collect();
        poll_fn(|context| {
            waits.retain_mut(|wait| match wait.as_mut().poll(context) {
                Poll::Ready(placed) => {
                    self.receipt.dead += usize::from(!placed);
                    false
                }
                Poll::Pending => true,
            });
            if waits.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.receipt
    }
}
