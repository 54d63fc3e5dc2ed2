//! Waiting for what must come, with a bound.

use std::time::{Duration, Instant};

/// Longest wait for anything; met only by what never comes. Machines that run tests are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until the condition holds. `what` is for the message where it never does.
pub(crate) async fn until(what: &str, condition: impl FnMut() -> bool) {
    until_or(what, condition, String::new).await;
}

/// The same; `explain` adds to the message.
pub(crate) async fn until_or(what: &str, mut condition: impl FnMut() -> bool, explain: impl FnOnce() -> String) {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > PATIENCE {
            panic!("not within {PATIENCE:?}: {what}\n{}", explain());
        }
        tokio::time::sleep(LOOK).await;
    }
}
