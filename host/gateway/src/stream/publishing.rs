//! Publishes of one peer that are under way: begun in order, answered in order, so that many share a commit.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use plugbus_bus::{PublishError, Receipt};

/// Publishes of one peer that are under way at one time; reading pauses then.
pub(crate) const PUBLISHING_MAX: usize = 64;

type Finish = Pin<Box<dyn Future<Output = Result<Receipt, PublishError>> + Send>>;

/// See the module. With each goes what its answer needs.
pub(crate) struct Publishing<T>(VecDeque<(T, Finish)>);

impl<T> Default for Publishing<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Publishing<T> {
    /// Notes one that has begun.
    pub(crate) fn push(&mut self, tag: T, begun: plugbus_bus::Publishing) {
        self.0.push_back((tag, Box::pin(begun.finish())));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= PUBLISHING_MAX
    }

    /// Waits for the oldest; for ever where there is none. Cancel-safe.
    pub(crate) async fn next(&mut self) -> (T, Result<Receipt, PublishError>) {
        poll_fn(|context| {
            let Some((_, finish)) = self.0.front_mut() else { return Poll::Pending };
            let finished = std::task::ready!(finish.as_mut().poll(context));
            match self.0.pop_front() {
                Some((tag, _)) => Poll::Ready((tag, finished)),
                None => Poll::Pending,
            }
        })
        .await
    }
}
