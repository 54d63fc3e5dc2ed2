//! Publishes of one peer that are under way: begun in order, answered in order, so that many share a commit.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use plugbus_bus::{PublishError, Receipt};
use serde_json::value::RawValue;

/// Publishes of one peer that are under way at one time; reading pauses then.
pub(super) const PUBLISHING_MAX: usize = 64;

type Finish = Pin<Box<dyn Future<Output = Result<Receipt, PublishError>> + Send>>;

/// See the module.
#[derive(Default)]
pub(super) struct Publishing(VecDeque<(Option<Box<RawValue>>, Finish)>);

impl Publishing {
    /// Notes one that has begun.
    pub(super) fn push(&mut self, id: Option<Box<RawValue>>, begun: plugbus_bus::Publishing) {
        self.0.push_back((id, Box::pin(begun.finish())));
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= PUBLISHING_MAX
    }

    /// Waits for the oldest; for ever where there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> (Option<Box<RawValue>>, Result<Receipt, PublishError>) {
        let finished = poll_fn(|context| match self.0.front_mut() {
            Some((_, finish)) => finish.as_mut().poll(context),
            None => std::task::Poll::Pending,
        })
        .await;
        let id = self.0.pop_front().and_then(|(id, _)| id);
        (id, finished)
    }
}
