//! Random publishes, failures, faults, pauses and reloads against a reference model: every accepted delivery ends acked
//! or dead, exactly once, and in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugbus_bus::*;
use proptest::prelude::*;

use crate::support::*;

/// What the handler does with an event, attempt by attempt; acks when the script is over.
#[derive(Debug, Clone, Copy)]
enum Act {
    Ack,
    Retry,
    Reject,
    Panic,
}

#[derive(Debug, Clone)]
enum Op {
    Publish(Vec<Act>),
    Pause,
    Resume,
    Reload,
    Sleep(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![4 => Just(Act::Ack), 3 => Just(Act::Retry), 1 => Just(Act::Reject), 1 => Just(Act::Panic)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec(act(), 0..7).prop_map(Op::Publish),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
        1 => Just(Op::Reload),
        2 => (0..500u16).prop_map(Op::Sleep),
    ]
}

/// The model: how a script must end, and after how many attempts.
fn expected(script: &[Act]) -> (&'static str, u32) {
    for (act, attempt) in script.iter().chain(std::iter::repeat(&Act::Ack)).zip(1..) {
        match act {
            Act::Ack => return ("acked", attempt),
            Act::Reject => return ("dead", attempt),
            Act::Retry | Act::Panic if attempt == 5 => return ("dead", attempt),
            Act::Retry | Act::Panic => {}
        }
    }
    unreachable!("the chain ends with an ack")
}

type Log = Arc<Mutex<Vec<(u64, u32)>>>;

fn handler(log: &Log) -> Box<dyn Handler> {
    let log = log.clone();
    Box::new(Sync(move |delivery: &Delivery| {
        log.lock().unwrap().push((delivery.event.seq, delivery.attempt));
        let script: Vec<u8> = delivery.event.payload.parse().unwrap();
        match script.get(delivery.attempt as usize - 1) {
            None | Some(0) => Ok(Reply(None)),
            Some(1) => Err(Failure::retry("scripted").into()),
            Some(2) => Err(Failure::reject("scripted").into()),
            Some(_) => std::panic::panic_any("scripted"),
        }
    }))
}

async fn run(ops: Vec<Op>) {
    let bus = Bus::default();
    let log = Log::default();
    let sub = bus.subscribe("e").name("s").queue_events_max(10_000).handlers(vec![handler(&log)]).unwrap();
    let mut scripts = HashMap::new();
    for op in ops {
        match op {
            Op::Publish(script) => {
                let codes: Vec<u8> = script.iter().map(|act| *act as u8).collect();
                let receipt = bus.publish(draft("e").json(&codes).unwrap()).await.unwrap();
                scripts.insert(receipt.seq, script);
            }
            Op::Pause => sub.pause(),
            Op::Resume => sub.resume(),
            Op::Sleep(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
            Op::Reload => {
                let new = Replace { filters: sub.filters(), handlers: vec![handler(&log)], settings: None };
                assert_eq!(sub.replace(new, LONG).await.unwrap().cut_off, 0);
            }
        }
    }
    sub.resume();
    assert!(bus.wait_idle(Duration::from_secs(100_000)).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    let log = log.lock().unwrap();
    let mut acked = 0;
    for (seq, script) in &scripts {
        let (end, attempts) = expected(script);
        let seen: Vec<u32> = log.iter().filter(|(s, _)| s == seq).map(|(_, attempt)| *attempt).collect();
        assert_eq!(seen, (1..=attempts).collect::<Vec<_>>(), "event {seq}, {script:?}");
        let dead = letters.iter().filter(|letter| letter.event.seq == *seq).count();
        assert_eq!(dead, usize::from(end == "dead"), "event {seq}, {script:?}");
        acked += u64::from(end == "acked");
    }
    assert!(log.windows(2).all(|pair| pair[0].0 <= pair[1].0), "order, retries included: {log:?}");
    let stats = sub.stats();
    assert_eq!((stats.acked, stats.dead, stats.waiting, stats.in_flight), (acked, letters.len() as u64, 0, 0));
    assert_eq!(stats.matched, scripts.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_accepted_delivery_ends_once_and_in_order(ops in prop::collection::vec(op(), 1..40)) {
        // The panics are part of the test; their messages would drown the output.
        std::panic::set_hook(Box::new(|info| {
            if info.payload().downcast_ref::<&str>() != Some(&"scripted") {
                eprintln!("{info}");
            }
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(ops));
    }
}
