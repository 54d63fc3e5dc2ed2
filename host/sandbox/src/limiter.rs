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

/// Whether growth will be had: what is over the maximum of the memory or table itself, wasmtime refuses. That maximum may be
/// the pool's, and equal to the plugin's limit, so the limit is looked at first. Pure.
fn is_counted(desired: usize, maximum: Option<usize>) -> bool {
    maximum.is_none_or(|maximum| desired <= maximum)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let Some(sum) = grown(self.memory_bytes, current, desired, self.memory_bytes_max) else {
            self.memory_denied = true;
            return Ok(false);
        };
        if is_counted(desired, maximum) {
            self.memory_bytes = sum;
        }
        Ok(true)
    }

    /// Allowed, but the system or the pool had no room. It goes on counting: wasmtime comes here too for growth that it never
    /// asked about, and a guest that provokes that must not get back what it has.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!("a guest's memory did not grow: {error:#}");
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let Some(sum) = grown(self.table_elements, current, desired, self.table_elements_max) else {
            self.table_denied = true;
            return Ok(false);
        };
        if is_counted(desired, maximum) {
            self.table_elements = sum;
        }
        Ok(true)
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
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, table_elements: 100, ..Limits::default() });
        assert!(limiter.memory_growing(10, 90, Some(50)).unwrap());
        assert_eq!((limiter.memory_bytes(), limiter.memory_denied), (0, false));
        assert!(limiter.table_growing(10, 90, Some(50)).unwrap());
        assert_eq!((limiter.table_elements, limiter.table_denied), (0, false));
    }

    #[test]
    fn the_limit_is_named_where_the_pools_maximum_is_the_same() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, table_elements: 100, ..Limits::default() });
        assert!(
            limiter.table_growing(0, 100, Some(100)).unwrap() && limiter.memory_growing(0, 100, Some(100)).unwrap()
        );
        assert!(!limiter.table_growing(100, 101, Some(100)).unwrap());
        assert!(!limiter.memory_growing(100, 101, Some(100)).unwrap());
        assert!(limiter.table_denied && limiter.memory_denied);
    }
}
