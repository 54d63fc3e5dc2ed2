//! Bounds on the memories and tables of one instance, summed over all of them.
//!
//! What is refused is remembered until the call ends: a guest that traps after a refusal trapped because of it, as a rule,
//! and its fault says so. A guest that copes with the refusal goes on.

use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// Counts what one instance has.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: u64,
    table_elements_max: u64,
    core_instances: usize,
    tables: usize,
    memories: usize,
    memory_bytes: u64,
    table_elements: u64,
    /// Whether a memory was refused in this call.
    pub(crate) memory_denied: bool,
    /// Whether a table was refused in this call.
    pub(crate) table_denied: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            memory_bytes_max: limits.memory_bytes,
            table_elements_max: limits.table_elements,
            core_instances: count(limits.core_instances),
            tables: count(limits.tables),
            memories: count(limits.memories),
            memory_bytes: 0,
            table_elements: 0,
            memory_denied: false,
            table_denied: false,
        }
    }

    /// Bytes of all linear memories.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Forgets what was refused: a new call begins.
    pub(crate) fn begin(&mut self) {
        self.memory_denied = false;
        self.table_denied = false;
    }
}

/// The sum after growth, if it is within the limit. Pure.
fn grown(sum: u64, current: usize, desired: usize, limit: u64) -> Option<u64> {
    let more = u64::try_from(desired.saturating_sub(current)).ok()?;
    sum.checked_add(more).filter(|sum| *sum <= limit)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own maximum: wasmtime refuses it, and it must not be counted.
            return Ok(true);
        }
        match grown(self.memory_bytes, current, desired, self.memory_bytes_max) {
            Some(sum) => {
                self.memory_bytes = sum;
                Ok(true)
            }
            None => {
                self.memory_denied = true;
                Ok(false)
            }
        }
    }

    /// Allowed, but the system or the pool had no room. It goes on counting: wasmtime comes here too for growth that it never
    /// asked about, and a guest that provokes that must not get back what it has.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!("a guest's memory did not grow: {error:#}");
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(true);
        }
        match grown(self.table_elements, current, desired, self.table_elements_max) {
            Some(sum) => {
                self.table_elements = sum;
                Ok(true)
            }
            None => {
                self.table_denied = true;
                Ok(false)
            }
        }
    }

    fn instances(&self) -> usize {
        self.core_instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_over_all_memories_is_what_counts() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, table_elements: 10, ..Limits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 100);
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
        assert!(limiter.memory_denied);
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.table_growing(10, 11, None).unwrap());
        limiter.begin();
        assert!(!limiter.memory_denied && !limiter.table_denied);
    }

    #[test]
    fn a_growth_that_failed_gives_nothing_back() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        limiter.memory_grow_failed(wasmtime::format_err!("beyond the type's own limits")).unwrap();
        assert_eq!(limiter.memory_bytes(), 60);
        assert!(!limiter.memory_growing(60, 120, None).unwrap());
    }

    #[test]
    fn what_a_memorys_own_maximum_refuses_is_not_counted() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert!(limiter.memory_growing(10, 90, Some(50)).unwrap());
        assert_eq!((limiter.memory_bytes(), limiter.memory_denied), (0, false));
    }
}
