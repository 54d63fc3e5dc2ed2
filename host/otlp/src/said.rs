//! What is said in the log of a collector that does not take spans: once, then again after a while, and when it is well.

use std::time::{Duration, Instant};

/// How long to say nothing more.
const SILENCE: Duration = Duration::from_secs(600);

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// When trouble was told last.
    last: Option<Instant>,
    /// Whether the last that was told was trouble.
    ill: bool,
}

impl Said {
    /// There is trouble. Whether to say so.
    pub(crate) fn trouble(&mut self, now: Instant) -> bool {
        let silent = self.last.is_some_and(|last| now.saturating_duration_since(last) < SILENCE);
        if !silent {
            self.last = Some(now);
            self.ill = true;
        }
        !silent
    }

    /// All is well. Whether to say so.
    pub(crate) fn well(&mut self) -> bool {
        std::mem::take(&mut self.ill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_in_a_while_and_its_end_once() {
        let mut said = Said::default();
        let now = Instant::now();
        assert!(!said.well());
        assert!(said.trouble(now));
        assert!(!said.trouble(now + SILENCE / 2));
        assert!(said.well() && !said.well());
        // A collector that comes and goes does not fill the log.
        assert!(!said.trouble(now + SILENCE / 2) && !said.well());
        assert!(said.trouble(now + SILENCE));
        assert!(said.well());
    }
}
