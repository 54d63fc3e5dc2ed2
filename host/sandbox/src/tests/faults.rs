//! Each limit is hit by a guest that goes over it.

use std::time::Duration;

use super::guest::{BLOCK, EXIT, SLEEP, STDERR, WRITE, data, reply};
use super::*;

#[tokio::test]
async fn a_trap_is_a_fault_with_a_backtrace_and_the_next_event_gets_a_new_instance() {
    let guest = Guest::handling("(call $deeper) (unreachable)").items("(func $deeper (unreachable))");
    let mut handler = start(&guest, spec()).await;
    let fault = fault(&mut handler).await;
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("unreachable"), "{fault:?}");
    let names: Vec<&str> = fault.backtrace.iter().map(|frame| frame.rsplit('!').next().unwrap()).collect();
    assert_eq!(names, ["deeper", "handle"], "{fault:?}");
    assert_eq!(fault_kind(&mut handler).await, FaultKind::Trap);
    let metrics = handler.template().metrics();
    assert_eq!((metrics.instances_created, metrics.calls), (2, 2));
    assert_eq!(metrics.faults.get("trap"), Some(&2));
}

#[tokio::test]
async fn a_trap_on_the_third_event_starts_the_count_anew() {
    let guest = Guest::handling(
        "(global.set $n (i32.add (global.get $n) (i32.const 1)))
         (if (i32.eq (global.get $n) (i32.const 3)) (then (unreachable))) (i32.const 64)",
    )
    .items("(global $n (mut i32) (i32.const 0))");
    let mut handler = start(&guest, spec()).await;
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.push(handle(&mut handler).await.is_ok());
    }
    assert_eq!(outcomes, [true, true, false, true, true, false]);
}

#[tokio::test]
async fn a_spinning_guest_runs_out_of_fuel() {
    let mut handler = start(&Guest::handling("(loop (br 0)) (unreachable)"), spec()).await;
    assert_eq!(fault_kind(&mut handler).await, FaultKind::Fuel { limit: 50_000_000 });
    assert_eq!(handler.template().metrics().fuel_last, 50_000_000);
}

#[tokio::test]
async fn a_spinning_guest_with_endless_fuel_hits_its_deadline_and_lets_others_run() {
    let mut spec = spec();
    spec.limits.fuel_per_event = u64::MAX;
    spec.limits.deadline = Duration::from_millis(600);
    let mut handler = start(&Guest::handling("(loop (br 0)) (unreachable)"), spec).await;
    // One thread: the counter below moves only if the guest yields.
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    let other = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let fault = fault(&mut handler).await;
    other.abort();
    assert_eq!(fault.kind, FaultKind::Deadline { limit: Duration::from_millis(600) });
    assert!(fault.message.contains("computing") && !fault.backtrace.is_empty(), "{fault:?}");
    assert!(count.load(std::sync::atomic::Ordering::Relaxed) >= 5);
}

#[tokio::test]
async fn a_guest_that_waits_for_the_host_hits_its_deadline_too() {
    let mut spec = spec();
    spec.limits.deadline = Duration::from_millis(50);
    let guest = Guest::handling("(call $block (call $sleep (i64.const 3600000000000))) (i32.const 64)");
    let mut handler = start(&guest.wasi(&[SLEEP, BLOCK]), spec).await;
    let fault = fault(&mut handler).await;
    assert_eq!(fault.kind, FaultKind::Deadline { limit: Duration::from_millis(50) });
    assert!(fault.message.contains("host call"), "{fault:?}");
}

const HOARD: &str =
    "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (memory.fill (i32.const 65536)
     (i32.const 7) (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536))) (unreachable)";

#[tokio::test]
async fn a_guest_that_hoards_memory_is_stopped_at_its_limit() {
    let mut handler = start(&Guest::handling(HOARD), spec()).await;
    assert_eq!(fault_kind(&mut handler).await, FaultKind::Memory { limit_bytes: 16 << 20 });
    let peak = handler.template().metrics().memory_bytes_peak;
    assert!((15 << 20..=16 << 20).contains(&peak), "{peak}");
}

#[tokio::test]
async fn exceptions_count_as_memory() {
    let throws = Guest::handling(
        "(loop $again (block $caught (try_table (catch $e $caught) (throw $e))) (br $again)) (unreachable)",
    )
    .items("(tag $e)");
    let mut spec = spec();
    spec.limits.fuel_per_event = 5_000_000_000;
    // It is about memory: a slow machine must not turn it into a matter of time.
    spec.limits.deadline = Duration::from_secs(120);
    let mut handler = start(&throws, spec).await;
    let fault = fault(&mut handler).await;
    assert_eq!(fault.kind, FaultKind::Memory { limit_bytes: 16 << 20 }, "{fault:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_goes_back_after_faults() {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let mut handler = start(&Guest::handling(HOARD), spec()).await;
    let before = resident();
    for _ in 0..100 {
        fault(&mut handler).await;
    }
    let grown = resident().saturating_sub(before);
    // 100 hoards of 16 MiB; other tests run in this process, so the bound is generous.
    assert!(grown < 400 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn a_guest_that_recurses_without_end_overflows_its_own_stack_only() {
    let guest = Guest::handling("(call $again) (unreachable)").items("(func $again (call $again) (call $again))");
    let mut handler = start(&guest, spec()).await;
    let fault = fault(&mut handler).await;
    assert_eq!(fault.kind, FaultKind::Stack { limit_bytes: 512 << 10 });
    assert_eq!(fault.backtrace.len(), 64);
}

#[tokio::test]
async fn tables_are_bounded() {
    let mut spec = spec();
    spec.limits.table_elements = 5000;
    let guest = Guest::handling(
        "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable)",
    )
    .items("(table $t 1 funcref)");
    let mut handler = start(&guest, spec).await;
    assert_eq!(fault_kind(&mut handler).await, FaultKind::Table { limit: 5000 });
}

#[tokio::test]
async fn what_a_guest_passes_in_one_host_call_is_bounded() {
    let mut spec = spec();
    spec.limits.hostcall_bytes = 1 << 20;
    let guest = Guest::handling(
        "(drop (memory.grow (i32.const 32)))
         (call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2000000)) (i32.const 64)",
    );
    let mut handler = start(&guest, spec).await;
    assert_eq!(fault_kind(&mut handler).await, FaultKind::HostCall { limit_bytes: 1 << 20 });
}

#[tokio::test]
async fn the_bound_on_a_host_call_is_for_each_call() {
    let mut spec = spec();
    spec.limits.hostcall_bytes = 100_000;
    let guest = Guest {
        pages: 2,
        ..Guest::handling(
            "(global.set $n (i32.const 0))
             (loop (call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const 60000))
               (global.set $n (i32.add (global.get $n) (i32.const 1))) (br_if 0 (i32.lt_u (global.get $n) (i32.const 20))))
             (i32.const 64)",
        )
    };
    let mut handler = start(&guest.items("(global $n (mut i32) (i32.const 0))"), spec).await;
    for _ in 0..3 {
        handle(&mut handler).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_lies_about_its_place_or_its_encoding_breaks_the_contract() {
    for code in ["(i32.const -16)".to_owned(), reply((0, 0), (0x7fff_0000, 8))] {
        let mut handler = start(&Guest::handling(code), spec()).await;
        let fault = fault(&mut handler).await;
        assert!(matches!(fault.kind, FaultKind::Contract | FaultKind::Trap), "{fault:?}");
    }
    let not_utf8 = Guest::handling(reply((0, 0), (2048, 2))).items(r#"(data (i32.const 2048) "\ff\fe")"#);
    let mut handler = start(&not_utf8, spec()).await;
    let fault = fault(&mut handler).await;
    assert!(fault.kind == FaultKind::Contract && fault.message.contains("utf"), "{fault:?}");
}

#[tokio::test]
async fn replies_over_the_limit_or_malformed_break_the_contract() {
    let mut tight = spec();
    tight.limits.reply_bytes = 4;
    let mut handler = start(&Guest::handling(reply((0, 0), (1040, 5))), tight).await;
    let too_large = fault(&mut handler).await;
    assert!(too_large.kind == FaultKind::Contract && too_large.message.contains("5 bytes"), "{too_large:?}");
    assert_eq!(handler.template().metrics().faults.get("contract"), Some(&1));

    let guest = Guest::handling(reply((2048, 3), (1040, 5))).items(data(2048, "a\\0ab").replace("\\\\", "\\"));
    let malformed = fault(&mut start(&guest, spec()).await).await;
    assert!(malformed.kind == FaultKind::Contract && malformed.message.contains("content type"), "{malformed:?}");
}

#[tokio::test]
async fn exit_is_a_fault() {
    let guest = Guest::handling("(call $exit (i32.const 1)) (i32.const 64)").wasi(&[EXIT]);
    let fault = fault(&mut start(&guest, spec()).await).await;
    assert!(fault.kind == FaultKind::Trap && fault.message.contains("exit(1)"), "{fault:?}");
}

#[tokio::test]
async fn what_the_guest_wrote_to_stderr_is_in_the_fault_even_over_the_log_budget() {
    let lines = Arc::new(Lines::default());
    let mut spec = spec();
    spec.log = lines.clone();
    spec.limits.log_bytes = 10;
    let guest =
        Guest::handling("(call $write (call $stderr) (i32.const 2048) (i32.const 27) (i32.const 512)) (unreachable)")
            .items(data(2048, "panicked at 'no such thing'"))
            .wasi(&[STDERR, WRITE]);
    let mut handler = start(&guest, spec).await;
    let fault = fault(&mut handler).await;
    assert_eq!(fault.stderr.as_deref(), Some("panicked at 'no such thing'"));
    assert_eq!(
        lines.messages(),
        ["warn stderr: panicked a", "warn host: 17 bytes of log cut: over log_bytes (10) in one call"]
    );
    assert_eq!(handler.template().metrics().log_bytes_cut, 17);
}

#[tokio::test]
async fn the_numbers_of_core_instances_tables_and_memories_are_bounded() {
    let usual = spec().limits;
    let tight = [
        (crate::Limits { core_instances: 1, ..usual.clone() }, "instance"),
        (crate::Limits { tables: 0, ..usual.clone() }, "table"),
        (crate::Limits { memories: 0, ..usual }, "memory"),
    ];
    for (limits, expected) in tight {
        let spec = PluginSpec { limits, ..spec() };
        let guest = Guest::default().items("(table 1 funcref)");
        let Err(crate::StartError::Fault(fault)) = template(&guest, spec).await.start().await.map(drop) else {
            panic!()
        };
        assert!(fault.kind == FaultKind::Contract && fault.message.contains(expected), "{fault:?}");
    }
}

#[tokio::test]
async fn the_hosts_resources_that_a_guest_holds_are_bounded() {
    let hosts = Guest::handling("(loop (drop (call $sleep (i64.const 1))) (br 0)) (unreachable)").wasi(&[SLEEP, BLOCK]);
    let make = super::guest::Wasi {
        component: "(type $own (resource (rep i32))) (core func $make (canon resource.new $own))",
        name: "make",
        ty: "(param i32) (result i32)",
    };
    let own = Guest::handling("(loop (drop (call $make (i32.const 1))) (br 0)) (unreachable)").wasi(&[make]);
    for guest in [hosts, own] {
        let mut handler = start(&guest, spec()).await;
        let fault = fault(&mut handler).await;
        assert_eq!(fault.kind, FaultKind::Handles { limit: 1024 }, "{fault:?}");
        assert!(handler.template().metrics().fuel_last < 1_000_000);
    }
}

#[tokio::test]
async fn random_bytes_in_one_call_are_bounded() {
    let random = super::guest::Wasi {
        component: r#"
          (import "wasi:random/random@0.2.0" (instance $random-i
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
          (core func $random (canon lower (func $random-i "get-random-bytes") (memory $mem) (realloc $realloc)))"#,
        name: "random",
        ty: "(param i64 i32)",
    };
    let ask = |bytes: u64| {
        Guest::handling(format!("(call $random (i64.const {bytes}) (i32.const 512)) (i32.const 64)"))
            .wasi(std::slice::from_ref(&random))
    };
    assert!(handle(&mut start(&ask(1 << 16), spec()).await).await.is_ok());
    assert!(handle(&mut start(&ask(1 << 30), spec()).await).await.is_err());
}

/// Debug sections of a hostile kind: so many units with nothing in them.
fn debug_units(count: usize) -> String {
    let unit = "\\08\\00\\00\\00\\04\\00\\00\\00\\00\\00\\04\\00";
    format!(r#"(@custom ".debug_info" "{}") (@custom ".debug_abbrev" "\00")"#, unit.repeat(count))
}

#[tokio::test]
async fn debug_information_does_not_hold_up_a_thread() {
    let recurses = "(func $again (call $again) (call $again))";
    let guest = Guest::handling("(call $again) (unreachable)").items(format!("{recurses} {}", debug_units(500_000)));
    let mut handler = start(&guest, spec()).await;
    let begun = std::time::Instant::now();
    let fault = fault(&mut handler).await;
    assert_eq!(fault.backtrace.len(), 64);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// A C++ function whose parameters each have the one before twice: 400 bytes of name for a terabyte of text.
fn explosive_name() -> String {
    let digit = |n: u32| char::from_digit(n, 36).unwrap().to_ascii_uppercase();
    let parameters: String = (0..35).map(|n| format!("S_IS{0}_S{0}_E", digit(n))).collect::<Vec<_>>().concat();
    format!("_Z1fSt4pairIiiE{parameters}")
}

#[tokio::test]
async fn names_that_grow_when_they_are_read_are_cut() {
    let guest = Guest::handling("(call $named) (unreachable)")
        .items(format!(r#"(func $named (@name "{}") (unreachable))"#, explosive_name()));
    let mut handler = start(&guest, spec()).await;
    let begun = std::time::Instant::now();
    let fault = fault(&mut handler).await;
    assert!(fault.backtrace.iter().all(|frame| frame.len() < 1200), "{fault:?}");
    assert!(fault.backtrace[0].contains("_Z1fSt4pair"), "{fault:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
