//! Instances: how they begin, what they keep, when they are made anew.

use std::future::poll_fn;
use std::task::Poll;

use plugbus_bus::{Failure, HandlerError, Reply};

use super::guest::{ACK, BLOCK, SLEEP, data, reject, reply};
use super::*;
use crate::StartError;

/// Counts its events in a global and traps on anything but the number that is expected.
fn expects(count: u32) -> Guest {
    Guest::handling(format!(
        "(global.set $n (i32.add (global.get $n) (i32.const 1)))
         (if (i32.gt_u (global.get $n) (i32.const {count})) (then (unreachable))) (i32.const 64)"
    ))
    .items("(global $n (mut i32) (i32.const 0))")
}

#[tokio::test]
async fn an_empty_handler_acks_and_is_metered() {
    let mut handler = start(&Guest::default(), spec()).await;
    assert_eq!(handler.filters().iter().map(|f| f.as_str()).collect::<Vec<_>>(), ["hook.>"]);
    for _ in 0..3 {
        assert_eq!(handle(&mut handler).await, Ok(Reply(None)));
    }
    let metrics = handler.template().metrics();
    assert_eq!((metrics.calls, metrics.instances_created, metrics.recycles), (3, 1, 0));
    assert!(metrics.fuel_last > 0 && metrics.fuel_total > metrics.fuel_max && metrics.time_ns_total > 0, "{metrics:?}");
    assert!(metrics.memory_bytes_last == 65536 && metrics.faults.is_empty(), "{metrics:?}");
    assert_eq!(serde_json::to_value(&metrics).unwrap()["calls"], 3);
}

#[tokio::test]
async fn the_guest_gets_every_attribute_of_the_event() {
    // Answers with the text that lies where the field says.
    let echo = |pointer: u32| {
        Guest::handling(reply((0, 0), (0, 0)).replace(
            "(i32.store (i32.const 152) (i32.const 0)) (i32.store (i32.const 156) (i32.const 0))",
            &format!(
                "(i32.store (i32.const 152) (i32.load offset={pointer} (local.get $event)))
                 (i32.store (i32.const 156) (i32.load offset={} (local.get $event)))",
                pointer + 4
            ),
        ))
    };
    for (offset, expected) in
        [(0, "event-1"), (8, "test"), (16, "hook.raw"), (28, "session"), (48, "application/json"), (60, "{}")]
    {
        let Reply(payload) = handle(&mut start(&echo(offset), spec()).await).await.unwrap();
        assert_eq!(payload.unwrap().data, expected);
    }
    // Text where the data is UTF-8, bytes otherwise; the attempt and the time as numbers.
    let check = |code: &str| Guest::handling(format!("(if (i32.eqz {code}) (then (unreachable))) {ACK}"));
    let body = |case: u32| check(&format!("(i32.eq (i32.load8_u offset=56 (local.get $event)) (i32.const {case}))"));
    for (data, case) in [(&b"text"[..], 0), (&b"\xff\x00"[..], 1), (&b""[..], 0)] {
        let mut handler = start(&body(case), spec()).await;
        assert_eq!(handler.handle(&delivery(event(data))).await, Ok(Reply(None)), "{data:?}");
    }
    let numbers = check(
        "(i32.and (i32.eq (i32.load offset=76 (local.get $event)) (i32.const 1))
           (i64.eq (i64.load offset=40 (local.get $event)) (i64.const 1790000000000000000)))",
    );
    assert_eq!(handle(&mut start(&numbers, spec()).await).await, Ok(Reply(None)));
}

#[tokio::test]
async fn replies_and_failures_come_through() {
    let guest = Guest::handling(reply((2048, 10), (1040, 6))).items(data(2048, "text/plain"));
    let Reply(payload) = handle(&mut start(&guest, spec()).await).await.unwrap();
    assert_eq!(payload, Some(Payload::new("text/plain", "hook.>")));
    let Reply(payload) = handle(&mut start(&Guest::handling(reply((0, 0), (1040, 6))), spec()).await).await.unwrap();
    assert_eq!(&*payload.unwrap().content_type, "application/octet-stream");

    let mut handler = start(&Guest::handling(reject(1040, 6)), spec()).await;
    let rejected = Err(HandlerError::Failure(Failure::Reject("hook.>".into())));
    assert_eq!(handle(&mut handler).await, rejected);
    assert_eq!(handle(&mut handler).await, rejected);
    let metrics = handler.template().metrics();
    assert_eq!((metrics.failures, metrics.instances_created), (2, 1));

    // err(retry { reason, after-ms: some(1500) })
    let retry = Guest::handling(
        "(i32.store8 (i32.const 128) (i32.const 1)) (i32.store8 (i32.const 136) (i32.const 0))
         (i32.store (i32.const 144) (i32.const 1040)) (i32.store (i32.const 148) (i32.const 4))
         (i32.store8 (i32.const 152) (i32.const 1)) (i64.store (i32.const 160) (i64.const 1500)) (i32.const 128)",
    );
    let after = std::time::Duration::from_millis(1500);
    let expected = HandlerError::Failure(Failure::Retry { reason: "hook".into(), after: Some(after) });
    assert_eq!(handle(&mut start(&retry, spec()).await).await, Err(expected));
}

#[tokio::test]
async fn huge_reasons_are_cut_with_a_note() {
    let mut handler = start(&Guest { pages: 2, ..Guest::handling(reject(65536, 60000)) }, spec()).await;
    let Err(HandlerError::Failure(Failure::Reject(reason))) = handle(&mut handler).await else { panic!() };
    assert!(reason.len() < 4200 && reason.ends_with("(cut: 60000 bytes in all)"), "{}", reason.len());
    assert_eq!(handler.template().metrics().reasons_cut, 1);
}

#[tokio::test]
async fn an_init_that_refuses_traps_or_registers_nonsense_does_not_start() {
    let start = async |guest: Guest| template(&guest, spec()).await.start().await.map(drop).unwrap_err();
    let refuses = Guest::starting(
        "(i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 1040))
         (i32.store (i32.const 8) (i32.const 4)) (i32.const 0)",
    );
    assert_eq!(start(refuses).await, StartError::Init("hook".into()));
    let StartError::Fault(fault) = start(Guest::starting("(unreachable)")).await else { panic!() };
    assert_eq!(fault.kind, FaultKind::Trap);
    let StartError::Fault(fault) = start(Guest::starting("(loop (br 0)) (unreachable)")).await else { panic!() };
    assert_eq!(fault.kind, FaultKind::Fuel { limit: spec().limits.fuel_init });

    let wrong = Guest::default().items(data(1040, "a..b c"));
    let error = start(wrong).await;
    assert!(matches!(&error, StartError::Filter { filter, position: 1, .. } if filter == "a..b c"), "{error:?}");
    let many = super::guest::INIT_OK.replace("(i32.const 8) (i32.const 1)", "(i32.const 8) (i32.const 65)");
    let many = many.replace("(i32.const 1024)", "(i32.const 2048)");
    assert_eq!(start(Guest::starting(many)).await, StartError::FilterCount { count: 65 });
    let none = super::guest::INIT_OK.replace("(i32.const 8) (i32.const 1)", "(i32.const 8) (i32.const 0)");
    assert!(super::start(&Guest::starting(none), spec()).await.filters().is_empty());
}

#[tokio::test]
async fn an_init_that_takes_too_long_does_not_start() {
    let mut spec = spec();
    spec.limits.fuel_init = u64::MAX;
    spec.limits.deadline_init = std::time::Duration::from_millis(50);
    let spins = Guest::starting("(loop (br 0)) (unreachable)");
    let Err(StartError::Fault(fault)) = template(&spins, spec.clone()).await.start().await.map(drop) else { panic!() };
    assert_eq!(fault.kind, FaultKind::Deadline { limit: spec.limits.deadline_init });
}

#[tokio::test]
async fn a_component_that_needs_more_memory_than_allowed_does_not_start() {
    let guest = Guest { pages: 1000, ..Guest::default() };
    let Err(StartError::Fault(fault)) = template(&guest, spec()).await.start().await.map(drop) else { panic!() };
    assert_eq!(fault.kind, FaultKind::Memory { limit_bytes: 16 << 20 });
}

#[tokio::test]
async fn init_gets_the_config() {
    let guest = Guest::starting(
        "(i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (local.get $config_ptr))
         (i32.store (i32.const 8) (local.get $config_len)) (i32.const 0)",
    );
    let mut spec = spec();
    spec.config_json = r#"{"url":"http://x"}"#.into();
    let error = template(&guest, spec).await.start().await.map(drop).unwrap_err();
    assert_eq!(error, StartError::Init(r#"{"url":"http://x"}"#.into()));
}

#[tokio::test]
async fn an_instance_that_cannot_be_made_anew_is_a_fault_of_the_delivery_that_needs_it() {
    let mut spec = spec();
    let folder = tempfile::tempdir().unwrap();
    let (host, guest) = (folder.path().to_path_buf(), "/data".to_owned());
    spec.grants.dirs = vec![crate::DirGrant { host: host.clone(), guest, mode: crate::DirMode::ReadOnly }];
    let mut handler = start(&expects(0), spec).await;
    assert_eq!(fault_kind(&mut handler).await, FaultKind::Trap);
    drop(folder);
    let lost = fault(&mut handler).await;
    assert!(lost.kind == FaultKind::Contract && lost.message.contains("granted folder"), "{lost:?}");
    std::fs::create_dir(&host).unwrap();
    assert_eq!(fault_kind(&mut handler).await, FaultKind::Trap);
    std::fs::remove_dir(&host).unwrap();

    let refused = StartError::Init("no".into()).into_fault();
    assert!(refused.kind == FaultKind::Contract && refused.message.contains("init: no"), "{refused:?}");
}

#[tokio::test]
async fn state_lives_from_event_to_event_unless_the_plugin_is_fresh() {
    let mut handler = start(&expects(1), spec()).await;
    assert!(handle(&mut handler).await.is_ok());
    assert!(handle(&mut handler).await.is_err());
    let mut fresh = spec();
    fresh.fresh = true;
    let mut handler = start(&expects(1), fresh).await;
    for _ in 0..4 {
        assert!(handle(&mut handler).await.is_ok());
    }
    let metrics = handler.template().metrics();
    assert_eq!((metrics.instances_created, metrics.recycles), (4, 0));
}

#[tokio::test]
async fn two_instances_of_a_template_share_nothing_but_counters() {
    let template = template(&expects(2), spec()).await;
    let (mut one, mut two) = (template.start().await.unwrap(), template.start().await.unwrap());
    for _ in 0..2 {
        assert!(handle(&mut one).await.is_ok());
    }
    assert!(handle(&mut one).await.is_err());
    for _ in 0..2 {
        assert!(handle(&mut two).await.is_ok());
    }
    assert_eq!(template.metrics().calls, 5);
}

#[tokio::test]
async fn an_instance_near_its_memory_limit_is_made_anew_before_the_next_event() {
    // 16 MiB are allowed; each event takes 4 MiB more and keeps them.
    let guest = Guest::handling("(drop (memory.grow (i32.const 64))) (i32.const 64)");
    let mut handler = start(&guest, spec()).await;
    for _ in 0..7 {
        assert!(handle(&mut handler).await.is_ok());
    }
    let metrics = handler.template().metrics();
    assert_eq!((metrics.recycles, metrics.instances_created), (2, 3), "{metrics:?}");
}

#[tokio::test]
async fn fuel_is_filled_up_for_each_event() {
    // Each event takes well over half of what one may.
    let guest = Guest::handling(
        "(global.set $n (i32.const 0))
         (loop (global.set $n (i32.add (global.get $n) (i32.const 1)))
           (br_if 0 (i32.lt_u (global.get $n) (i32.const 5000000)))) (i32.const 64)",
    )
    .items("(global $n (mut i32) (i32.const 0))");
    let mut handler = start(&guest, spec()).await;
    for _ in 0..4 {
        assert_eq!(handle(&mut handler).await, Ok(Reply(None)));
    }
    let metrics = handler.template().metrics();
    assert!(metrics.fuel_max > 25_000_000 && metrics.fuel_total > 100_000_000, "{metrics:?}");
    assert_eq!(metrics.instances_created, 1);
}

#[tokio::test]
async fn init_has_a_deadline_of_its_own() {
    let start = async |init: &str| {
        let mut spec = spec();
        spec.limits.fuel_init = u64::MAX;
        spec.limits.deadline_init = std::time::Duration::from_millis(50);
        let guest = Guest::starting(init).wasi(&[SLEEP, BLOCK]);
        let error = template(&guest, spec).await.start().await.map(drop).unwrap_err();
        let StartError::Fault(fault) = error else { panic!("{error:?}") };
        fault.kind
    };
    let expected = FaultKind::Deadline { limit: std::time::Duration::from_millis(50) };
    assert_eq!(start("(loop (br 0)) (unreachable)").await, expected);
    assert_eq!(start("(call $block (call $sleep (i64.const 3600000000000))) (unreachable)").await, expected);
}

#[tokio::test]
async fn places_in_the_pool_come_back_after_faults_and_dropped_calls() {
    let sandbox = Sandbox::new(SandboxConfig { instances_max: 2, ..SandboxConfig::default() }).unwrap();
    if !sandbox.is_pooling() {
        return; // No address space for a pool here: nothing to test.
    }
    // Traps, or waits for the host, by turns.
    let guest = Guest::handling(
        "(if (i32.eq (i32.load offset=76 (local.get $event)) (i32.const 1)) (then (unreachable)))
         (call $block (call $sleep (i64.const 3600000000000))) (i32.const 64)",
    )
    .wasi(&[SLEEP, BLOCK]);
    let link = sandbox.compile(guest.binary()).await.unwrap().link(spec()).unwrap();
    let (mut one, _two) = (link.start().await.unwrap(), link.start().await.unwrap());
    for attempt in 0..10 {
        let first = delivery(event("{}"));
        let (event, subscription) = (first.event.clone(), first.subscription.clone());
        let outbox = Outbox::new(OutboxLimits::default());
        let state = plugbus_bus::State::detached(plugbus_bus::StateLimits::default());
        let notes = plugbus_bus::Notes::default();
        let delivery = Arc::new(Delivery { event, attempt: attempt % 2 + 1, subscription, outbox, state, notes });
        if delivery.attempt == 1 {
            let fault = one.handle(&delivery).await.unwrap_err().fault().cloned().unwrap();
            assert_eq!(fault.kind, FaultKind::Trap, "{fault:?}");
        } else {
            let wait = std::time::Duration::from_millis(20);
            assert!(tokio::time::timeout(wait, one.handle(&delivery)).await.is_err());
        }
    }
    let metrics = link.metrics();
    assert_eq!((metrics.cancelled, metrics.faults.get("trap")), (5, Some(&5)));
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_instance_with_it() {
    let guest = Guest::handling(
        "(if (i32.eq (i32.load offset=76 (local.get $event)) (i32.const 1))
           (then (call $block (call $sleep (i64.const 3600000000000))))) (i32.const 64)",
    )
    .wasi(&[SLEEP, BLOCK]);
    let mut handler = start(&guest, spec()).await;
    let first = delivery(event("{}"));
    let mut call = handler.handle(&first);
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(()),
        Poll::Ready(outcome) => panic!("{outcome:?}"),
    })
    .await;
    drop(call);
    let again = Arc::new(Delivery {
        event: first.event.clone(),
        attempt: 2,
        subscription: first.subscription.clone(),
        outbox: Outbox::new(OutboxLimits::default()),
        state: plugbus_bus::State::detached(plugbus_bus::StateLimits::default()),
        notes: plugbus_bus::Notes::default(),
    });
    assert_eq!(handler.handle(&again).await, Ok(Reply(None)));
    let metrics = handler.template().metrics();
    assert_eq!((metrics.cancelled, metrics.calls, metrics.instances_created), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulting_plugin_does_not_disturb_its_neighbour() {
    let sandbox = sandbox();
    let link = async |guest: Guest| {
        sandbox.compile(guest.binary()).await.unwrap().link(spec()).unwrap().start().await.unwrap()
    };
    let mut spinning = link(Guest::handling("(loop (br 0)) (unreachable)")).await;
    let mut healthy = link(Guest::default()).await;
    let bad = tokio::spawn(async move {
        for _ in 0..5 {
            assert!(handle(&mut spinning).await.is_err());
        }
    });
    for _ in 0..2000 {
        assert_eq!(handle(&mut healthy).await, Ok(Reply(None)));
    }
    bad.await.unwrap();
}
