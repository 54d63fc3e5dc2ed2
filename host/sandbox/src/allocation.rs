//! How memory for instances is allocated: decided from the address space that the process may use.
//!
//! A pool reserves address space for the largest instance, times their number, once, and then gives slots out: that
//! halves the time to instantiate. Reserved is not used: resident memory is what guests touch, and a slot's pages go back
//! to the system when its instance goes.

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::Pooling;

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From a pool.
    Pool,
    /// On demand, 4 GiB of address space for each memory, so that bounds checks cost nothing.
    OnDemand,
    /// On demand, with small reservations that move when they grow: for a process with little address space.
    Compact,
}

/// Address space of one linear memory with its guard.
const MEMORY_SLOT_BYTES: u64 = (4 << 30) + (64 << 20);
/// Memories in the pool per component instance: nearly every component has exactly one.
const MEMORIES: u32 = 2;
/// Tables in the pool per component instance.
const TABLES: u32 = 8;
/// Core instances in the pool per component instance: they, not components, are what the pool counts. Rust components have
/// 3 to 5, Python ones about 30.
const CORE_INSTANCES: u32 = 16;
/// Most memories and tables that one module may define: the defaults of [`Limits`](crate::Limits), which are per instance.
const MODULE_MEMORIES_MAX: u32 = 8;
const MODULE_TABLES_MAX: u32 = 64;
/// Elements of one table in the pool.
const TABLE_ELEMENTS: usize = 200_000;

/// Decides. `address_space` is the limit in bytes, if there is one. Pure.
pub(crate) fn decide(pooling: Pooling, instances: u32, address_space: Option<u64>) -> Allocation {
    let pool_bytes = u64::from(instances).saturating_mul(u64::from(MEMORIES)).saturating_mul(MEMORY_SLOT_BYTES);
    // The rest of the process needs room too: stacks, heap, code.
    let fits = |bytes: u64| address_space.is_none_or(|limit| bytes <= limit / 2);
    if !fits(8 * MEMORY_SLOT_BYTES) {
        Allocation::Compact
    } else if pooling == Pooling::Auto && pool_bytes <= ADDRESS_SPACE_BYTES / 2 && fits(pool_bytes) {
        Allocation::Pool
    } else {
        Allocation::OnDemand
    }
}

/// What a process has on the usual 64-bit machines: 47 bits.
const ADDRESS_SPACE_BYTES: u64 = 1 << 47;

/// Writes the decision into the engine's settings.
pub(crate) fn apply(allocation: Allocation, instances: u32, settings: &mut Config) {
    match allocation {
        Allocation::OnDemand => {}
        Allocation::Compact => {
            settings.memory_reservation(0).memory_guard_size(64 << 10).memory_reservation_for_growth(1 << 20);
        }
        Allocation::Pool => {
            let mut pool = PoolingAllocationConfig::default();
            let (memories, tables) = (instances.saturating_mul(MEMORIES), instances.saturating_mul(TABLES));
            pool.total_component_instances(instances)
                .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
                .total_memories(memories)
                .total_tables(tables)
                .max_memories_per_module(MODULE_MEMORIES_MAX.min(memories))
                .max_tables_per_module(MODULE_TABLES_MAX.min(tables))
                .total_stacks(instances.saturating_mul(2))
                .max_memory_size(1 << 32)
                .table_elements(TABLE_ELEMENTS)
                .max_core_instance_size(4 << 20)
                .max_component_instance_size(4 << 20);
            settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
    }
}

/// The limit on the process's address space (`ulimit -v`), where the system tells and sets one.
pub(crate) fn address_space_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    parse_limits(&limits)
}

fn parse_limits(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_used_only_where_it_fits_twice_into_the_address_space() {
        let gib = 1u64 << 30;
        let table = [
            (Pooling::Auto, 256, None, Allocation::Pool),
            (Pooling::Off, 256, None, Allocation::OnDemand),
            (Pooling::Auto, 256, Some(8192 * gib), Allocation::Pool),
            (Pooling::Auto, 256, Some(1024 * gib), Allocation::OnDemand),
            (Pooling::Auto, 4, Some(1024 * gib), Allocation::Pool),
            (Pooling::Auto, 256, Some(8 * gib), Allocation::Compact),
            (Pooling::Off, 1, Some(8 * gib), Allocation::Compact),
            (Pooling::Auto, u32::MAX, None, Allocation::OnDemand),
        ];
        for (pooling, instances, limit, expected) in table {
            assert_eq!(decide(pooling, instances, limit), expected, "{pooling:?} {instances} {limit:?}");
        }
    }

    #[test]
    fn the_limit_is_read_from_the_systems_table() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max address space         1048576              unlimited            bytes     \n";
        assert_eq!(parse_limits(table), Some(1_048_576));
        assert_eq!(parse_limits("Max address space         unlimited            unlimited            bytes"), None);
        assert_eq!(parse_limits(""), None);
    }

    #[test]
    fn every_decision_makes_an_engine() {
        for allocation in [Allocation::Pool, Allocation::OnDemand, Allocation::Compact] {
            let mut settings = Config::new();
            apply(allocation, 4, &mut settings);
            wasmtime::Engine::new(&settings).unwrap();
        }
    }
}
