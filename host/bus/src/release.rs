//! What handlers publish, and what a hold kept: released into the bus. Nobody could take it back, so what does not
//! fit or is malformed becomes a dead letter.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::accept::Publisher;
use crate::bus::Inner;
use crate::dead::DeadReason;
use crate::event::Draft;
use crate::journal::{Append, Stub};
use crate::name::Name;
use crate::placed::{Accepted, Prepared};
use crate::publish::PublishError;

impl Inner {
    /// Publishes one of the drafts that a handler staged. The worker waits where there is no room.
    pub(crate) async fn release(&self, by: &Name, draft: Draft) {
        self.release_one(by, with_source(draft, by)).await;
    }

    /// Publishes what a handler staged without waiting: for inline handlers, and for workers that are cut off.
    pub(crate) fn release_now(&self, by: &Name, staged: impl IntoIterator<Item = Draft>) {
        for draft in staged {
            self.release_one_now(by, with_source(draft, by));
        }
    }

    /// Publishes what a hold kept, waiting for room.
    pub(crate) async fn publish_kept(&self, draft: Draft) {
        self.release_one(&Name::generated("hold", 0), draft).await;
    }

    /// Publishes what a hold kept, without waiting.
    pub(crate) fn publish_kept_now(&self, draft: Draft) {
        self.release_one_now(&Name::generated("hold", 0), draft);
    }

    /// Makes ready what a handler of a durable subscription staged: it goes into the journal together with its ack.
    pub(crate) fn prepare_staged(&self, by: &Name, staged: Vec<Draft>) -> (Vec<Append>, Vec<Stub>) {
        let mut appends = Vec::with_capacity(staged.len());
        let mut stubs = Vec::with_capacity(staged.len());
        for draft in staged {
            let publisher = Publisher::Outbox { may_wait: true };
            match self.prepare(with_source(draft, by), publisher, None) {
                // Nobody waits for what is not placed in a queue.
                Ok(Prepared::Done(_)) => {}
                Ok(Prepared::Append(append, stub)) => {
                    appends.push(*append);
                    stubs.push(stub);
                }
                Err(error) => self.note_refusal(by, error),
            }
        }
        (appends, stubs)
    }

    async fn release_one(&self, by: &Name, draft: Draft) {
        let permit = self.write_permit().await;
        let accepted = self.accept(draft, Publisher::Outbox { may_wait: true }, None, permit);
        let finished = match accepted {
            Ok(accepted) => accepted.finish().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = finished {
            self.note_refusal(by, error);
        }
    }

    fn release_one_now(&self, by: &Name, draft: Draft) {
        let accepted = self.accept(draft, Publisher::Outbox { may_wait: false }, None, None);
        if let Err(error) = accepted.map(Accepted::receipt) {
            self.note_refusal(by, error);
        }
    }

    /// Nobody could take back what was refused: it is a dead letter.
    pub(crate) fn note_refusal(&self, by: &Name, error: PublishError) {
        self.counters.outbox_refused.fetch_add(1, Relaxed);
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let reason = format!("{error}{cause}");
        tracing::error!(subscription = %by, reason, "what a handler published was refused");
        let event = Arc::new(self.stamp(error.into_draft(), 0));
        self.bury(event, None, DeadReason::Refused { by: by.clone(), reason }, Vec::new());
    }
}

fn with_source(mut draft: Draft, by: &Name) -> Draft {
    draft.source.get_or_insert_with(|| by.as_str().into());
    draft
}
