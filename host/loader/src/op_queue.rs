//! One slow operation that is asked for many times: it runs at most once more, and for all the reasons there were.
//!
//! After rust-analyzer's `op_queue`. Nothing queues up: requests that come while the operation runs, or before it has
//! begun, are merged into one.

/// Requests for an operation, merged into at most one that waits.
#[derive(Debug)]
pub(crate) struct OpQueue<T> {
    waiting: Option<T>,
    in_progress: bool,
}

/// What can take in another request of its kind.
pub(crate) trait Merge {
    /// Takes in a later request.
    fn merge(&mut self, later: Self);
}

impl<T: Merge> OpQueue<T> {
    pub(crate) fn new() -> Self {
        Self { waiting: None, in_progress: false }
    }

    /// Asks for the operation.
    pub(crate) fn request(&mut self, request: T) {
        match &mut self.waiting {
            Some(waiting) => waiting.merge(request),
            None => self.waiting = Some(request),
        }
    }

    /// Whether the operation has been asked for and is not running.
    pub(crate) fn is_due(&self) -> bool {
        self.waiting.is_some() && !self.in_progress
    }

    /// Begins the operation, if it is due, with all that was asked for.
    pub(crate) fn begin(&mut self) -> Option<T> {
        if self.in_progress {
            return None;
        }
        let request = self.waiting.take()?;
        self.in_progress = true;
        Some(request)
    }

    /// The operation has ended.
    pub(crate) fn end(&mut self) {
        self.in_progress = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Merge for Vec<u32> {
        fn merge(&mut self, later: Self) {
            self.extend(later);
        }
    }

    #[test]
    fn ten_requests_are_one_more_operation_with_all_their_reasons() {
        let mut queue = OpQueue::new();
        assert_eq!(queue.begin(), None);
        queue.request(vec![0]);
        assert_eq!(queue.begin(), Some(vec![0]));
        for n in 1..=10 {
            queue.request(vec![n]);
            assert!(!queue.is_due());
            assert_eq!(queue.begin(), None, "one at a time");
        }
        queue.end();
        assert!(queue.is_due());
        assert_eq!(queue.begin(), Some((1..=10).collect()));
        queue.end();
        assert_eq!(queue.begin(), None);
    }
}
