//! Dead letters as the owner of a bus sees them: list, show, replay, drop.

use crate::accept::Publisher;
use crate::bus::Inner;
use crate::dead::{DeadFilter, DeadLetter, DeadStats};
use crate::event::Draft;
use crate::handle::Bus;
use crate::inline::{self, Called};
use crate::journal::Write;
use crate::name::Name;
use crate::publish::PublishError;
use crate::slot::{Kind, Offer};

/// The dead letters of a bus. See [`Bus::dead_letters`].
#[derive(Debug, Clone, Copy)]
pub struct DeadLetterBox<'a> {
    inner: &'a Inner,
}

/// Why a dead letter was not delivered again. The letter is still there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// No letter of that number.
    #[error("no dead letter {0}")]
    Unknown(u64),
    /// Its subscription has ended.
    #[error("subscription `{0}` is gone: load the plugin or subscribe under that name first")]
    NoSubscription(Name),
    /// Its queue had no room.
    #[error("the queue of `{0}` has no room")]
    Full(Name),
    /// It belonged to no subscription and could not be published again.
    #[error("not published again")]
    Publish(#[from] PublishError),
}

impl Bus {
    /// The dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetterBox<'_> {
        DeadLetterBox { inner: &self.inner }
    }
}

impl DeadLetterBox<'_> {
    /// The letters that match, oldest first.
    #[must_use]
    pub fn list(&self, filter: &DeadFilter) -> Vec<DeadLetter> {
        self.inner.dead.list(filter)
    }

    /// One letter.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<DeadLetter> {
        self.inner.dead.get(id)
    }

    /// Drops a letter for good and returns it.
    #[must_use = "none means that there was no such letter"]
    pub fn remove(&self, id: u64) -> Option<DeadLetter> {
        let letter = self.inner.dead.remove(id)?;
        self.forget(id);
        Some(letter)
    }

    /// How many there are and were.
    #[must_use]
    pub fn stats(&self) -> DeadStats {
        self.inner.dead.stats()
    }

    /// Delivers a letter's event again, to its own subscription only, as a first attempt. The letter is removed; should the
    /// delivery fail again, there will be a new one. A letter without a subscription (too many hops, refused) is published again.
    /// Waits for room where the subscription's policy says so; where it says to drop the new event, the letter stays.
    ///
    /// # Errors
    /// [`ReplayError`]; the letter stays.
    pub async fn replay(&self, id: u64) -> Result<(), ReplayError> {
        let letter = self.inner.dead.remove(id).ok_or(ReplayError::Unknown(id))?;
        let replayed = match &letter.subscription {
            Some(name) => self.redeliver(name, &letter).await,
            None => self.republish(&letter).await,
        };
        if replayed.is_err() {
            self.inner.dead.put_back(letter);
        }
        replayed
    }

    /// Lets the journal forget a letter.
    fn forget(&self, id: u64) {
        if let Some(durable) = &self.inner.durable {
            durable.submit(Write::DeadGone(vec![id]), None);
        }
    }

    async fn redeliver(&self, name: &Name, letter: &DeadLetter) -> Result<(), ReplayError> {
        let slot = self.inner.slots().into_iter().find(|slot| slot.name == *name);
        let slot = slot.ok_or_else(|| ReplayError::NoSubscription(name.clone()))?;
        if let Kind::Inline { .. } = slot.kind {
            return match inline::call(&slot, &letter.event, None, self.inner) {
                Called::NotTaken => Err(ReplayError::NoSubscription(name.clone())),
                Called::Went | Called::Stopped | Called::Dead => {
                    self.forget(letter.id);
                    Ok(())
                }
            };
        }
        if let Kind::Watch { .. } = slot.kind {
            return Err(ReplayError::NoSubscription(name.clone()));
        }
        if slot.is_full_for(letter.event.size_bytes()) {
            return Err(ReplayError::Full(name.clone()));
        }
        // The journal keeps the letter until the delivery has ended: a crash until then loses nothing.
        let kept = self.inner.durable.is_some().then_some(letter.id);
        match slot.offer_again(&letter.event, kept, true) {
            Offer::Queued => Ok(()),
            Offer::Dead | Offer::Dropped => {
                self.forget(letter.id);
                Ok(())
            }
            Offer::WaitForRoom(waiting) => {
                waiting.wait().await;
                Ok(())
            }
            Offer::NotTaken => Err(ReplayError::NoSubscription(name.clone())),
        }
    }

    async fn republish(&self, letter: &DeadLetter) -> Result<(), ReplayError> {
        let draft = Draft { hops: 0, ..Draft::from(&*letter.event) };
        let permit = self.inner.write_permit().await;
        let accepted = self.inner.accept(draft, Publisher::Waiting, None, permit)?;
        accepted.finish().await?;
        self.forget(letter.id);
        Ok(())
    }
}
