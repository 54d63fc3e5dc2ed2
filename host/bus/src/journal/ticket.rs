//! What a journal carries for the bus and hands back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::event::Event;
use crate::placed::Placed;
use crate::publish::{PublishError, Receipt};
use crate::settlement::Waiter;

/// The right to have one write on its way; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Some(permit) }
    }

    /// A permit out of no bound: for the few small writes of the bus that cannot wait (a dead letter, cursors that move on),
    /// and for tests of a journal.
    #[must_use]
    pub fn free() -> Self {
        Self { _permit: None }
    }
}

/// Who published an event, as the bus remembers it while the journal writes. Made by the bus; opaque to the journal.
#[derive(Debug)]
pub struct Ticket {
    /// What is known of the receipt so far: inline handlers have had the event already.
    pub(crate) receipt: Option<Receipt>,
    /// Who waits for outcomes.
    pub(crate) waiter: Option<Arc<Waiter>>,
    /// Whether the publisher can wait for room.
    pub(crate) may_wait: bool,
    /// When the publisher came, where somebody traces.
    pub(crate) begun_ns: u64,
    reply: Option<oneshot::Sender<Result<Placed, PublishError>>>,
}

/// The publisher's half of a ticket.
#[derive(Debug)]
pub(crate) struct Stub {
    reply: oneshot::Receiver<Result<Placed, PublishError>>,
    /// To give the event back should the journal vanish.
    event: Event,
}

impl Ticket {
    /// A ticket and its stub.
    pub(crate) fn new(
        event: &Event,
        receipt: Receipt,
        waiter: Option<Arc<Waiter>>,
        may_wait: bool,
        begun_ns: u64,
    ) -> (Self, Stub) {
        let (sender, reply) = oneshot::channel();
        let ticket = Self { receipt: Some(receipt), waiter, may_wait, begun_ns, reply: Some(sender) };
        (ticket, Stub { reply, event: event.clone() })
    }

    /// A ticket of no bus, for tests of a journal.
    #[must_use]
    pub fn free() -> Self {
        Self { receipt: None, waiter: None, may_wait: false, begun_ns: 0, reply: None }
    }

    /// Tells the publisher. Hands the answer back where nobody waits for it.
    pub(crate) fn answer(self, answer: Result<Placed, PublishError>) -> Result<(), Result<Placed, PublishError>> {
        match self.reply {
            Some(reply) => reply.send(answer),
            None => Err(answer),
        }
    }
}

impl Stub {
    /// What became of the event.
    pub(crate) async fn placed(self) -> Result<Placed, PublishError> {
        match self.reply.await {
            Ok(answer) => answer,
            Err(_) => Err(PublishError::Closed(Box::new((&self.event).into()))),
        }
    }

    /// What a publisher is told who does not wait.
    pub(crate) fn id(&self) -> Arc<str> {
        self.event.id.clone()
    }
}
