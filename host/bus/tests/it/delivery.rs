use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn one_failing_handler_harms_no_other_and_no_publisher() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _bad = bus.subscribe(">").name("bad").handlers(vec![Box::new(Sync(|_: &Delivery| panic!("boom")))]).unwrap();
    let _good = bus.subscribe(">").name("good").handlers(vec![recorder(&seen, "")]).unwrap();
    for number in 0..10 {
        assert_eq!(bus.publish(draft(&format!("n{number}"))).await.unwrap().matched, 2);
    }
    assert_eq!(seen.until(10).await.len(), 10);
    assert!(bus.wait_idle(LONG).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!(letters.len(), 10);
    let DeadReason::Exhausted { attempts: 5, last: HandlerError::Fault(fault) } = &letters[0].reason else {
        panic!("{:?}", letters[0].reason)
    };
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Panic, "boom"));
    assert_eq!(letters[0].attempts.iter().map(|a| a.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_their_backoff_and_keep_the_order() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let begun = tokio::time::Instant::now();
    let _sub = bus
        .subscribe(">")
        .retry(RetryPolicy { jitter: 0.0, ..RetryPolicy::default() })
        .handlers(vec![Box::new(Sync(move |d: &Delivery| {
            recorded.add(format!("{}#{}@{}", d.event.topic, d.attempt, begun.elapsed().as_millis()));
            if d.event.topic.as_str() == "a" && d.attempt < 3 {
                Err(Failure::retry("x").into())
            } else {
                Ok(Reply(None))
            }
        }))])
        .unwrap();
    bus.publish(draft("a")).await.unwrap();
    bus.publish(draft("b")).await.unwrap();
    assert_eq!(seen.until(4).await, ["a#1@0", "a#2@100", "a#3@300", "b#1@300"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_choose_the_delay_within_the_bound() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let begun = tokio::time::Instant::now();
    let _sub = bus
        .subscribe(">")
        .retry(RetryPolicy { retry_after_max: Duration::from_secs(20), ..RetryPolicy::default() })
        .handlers(vec![Box::new(Sync(move |d: &Delivery| {
            recorded.add(begun.elapsed().as_secs().to_string());
            match d.attempt {
                1 => Err(Failure::retry_after("x", Duration::from_secs(7)).into()),
                2 => Err(Failure::retry_after("x", Duration::from_secs(3600)).into()),
                _ => Ok(Reply(None)),
            }
        }))])
        .unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert_eq!(seen.until(3).await, ["0", "7", "27"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_publishes_nothing_and_a_retry_does_not_double() {
    let bus = Bus::default();
    let mut out = bus.subscribe("out.*").stream().unwrap();
    let _sub = bus
        .subscribe("in")
        .name("relay")
        .on(|delivery| async move {
            for name in ["out.a", "out.b"] {
                delivery.outbox.publish("relay", &delivery.event, draft(name)).unwrap();
            }
            if delivery.attempt < 3 { Err(Failure::retry("again")) } else { Ok(()) }
        })
        .unwrap();
    bus.publish(draft("in").extension("traceparent", "00-1").subject("s")).await.unwrap();
    let (a, b) = (out.next().await.unwrap(), out.next().await.unwrap());
    assert_eq!((a.topic.as_str(), b.topic.as_str(), a.hops, &*a.source), ("out.a", "out.b", 1, "relay"));
    assert_eq!((a.extension("traceparent"), a.subject.as_deref()), (Some("00-1"), Some("s")));
    assert!(tokio::time::timeout(LONG, out.next()).await.is_err(), "nothing doubled");
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_published_and_the_bus_refuses_is_a_dead_letter() {
    let limits = EventLimits { data_bytes_max: 3, ..EventLimits::default() };
    let bus = Bus::builder().event_limits(limits).strict_topics(true).build();
    for topic in ["in", "out", "held"] {
        bus.declare(&Topic::parse(topic).unwrap(), "");
    }
    let _hold = bus.hold(Filter::parse("held").unwrap(), HoldMode::All, 0);
    let drafts = || [draft("undeclared"), draft("out").text("four"), draft("plugbus.x"), draft("held")];
    let publish = move |delivery: &Delivery| {
        for draft in drafts() {
            delivery.outbox.publish("p", &delivery.event, draft).unwrap();
        }
    };
    let inline = publish;
    let _queued = bus.subscribe("in").name("queued").handlers(vec![Box::new(Sync(move |delivery: &Delivery| {
        publish(delivery);
        Ok(Reply(None))
    }))]);
    let _inline = bus.subscribe("in").name("inline").inline(move |delivery: &Delivery| inline(delivery));
    bus.publish(draft("in")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    let topics: Vec<&str> = letters.iter().map(|letter| letter.event.topic.as_str()).collect();
    assert_eq!(topics, ["undeclared", "out", "plugbus.x", "held"].repeat(2));
    let reasons: Vec<String> = letters.iter().map(|letter| letter.reason.to_string()).collect();
    for (reason, words) in reasons.iter().zip(["not declared", "4 bytes", "host's own", "full"]) {
        assert!(reason.contains("`inline`") && reason.contains(words), "{reason}");
    }
    assert_eq!((bus.stats().outbox_refused, letters[0].reason.name()), (8, "refused"));
}

#[tokio::test(start_paused = true)]
async fn an_outbox_takes_nothing_once_its_attempt_is_over() {
    let bus = Bus::default();
    let late = Arc::new(std::sync::Mutex::new(None));
    let kept = late.clone();
    let keep = move |delivery: Arc<Delivery>| {
        let kept = kept.clone();
        async move {
            let fails = delivery.event.topic.as_str() == "fails";
            *kept.lock().unwrap() = Some(delivery);
            if fails { Err(Failure::reject("no")) } else { Ok(()) }
        }
    };
    let _sub = bus.subscribe(">").on(keep).unwrap();
    for topic in ["acks", "fails"] {
        bus.publish(draft(topic)).await.unwrap();
        assert!(bus.wait_idle(LONG).await);
        let delivery = late.lock().unwrap().take().unwrap();
        let refused = delivery.outbox.publish("late", &delivery.event, draft("out")).unwrap_err();
        assert!(refused.to_string().contains("is over"), "{refused}");
        assert_eq!(refused.draft.topic.as_str(), "out");
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_that_publish_to_each_other_end_in_a_dead_letter() {
    let bus = Bus::default();
    let relay = |to: &'static str| {
        move |delivery: Arc<Delivery>| async move {
            delivery.outbox.publish("r", &delivery.event, draft(to)).unwrap();
        }
    };
    let _ping = bus.subscribe("ping").on(relay("pong")).unwrap();
    let _pong = bus.subscribe("pong").on(relay("ping")).unwrap();
    bus.publish(draft("ping")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, DeadReason::TooManyHops { hops: 17, max: 16 });
    assert_eq!(bus.stats().accepted, 18);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_tried_for_ever_keeps_its_first_and_its_latest_attempts_only() {
    let bus = Bus::default();
    let attempts = std::num::NonZeroU32::new(1000).unwrap();
    let retry = RetryPolicy { attempts, backoff_max: Duration::from_millis(1), ..RetryPolicy::default() };
    let fails = |delivery: &Delivery| Err(Failure::retry(delivery.attempt).into());
    let _sub = bus.subscribe("a").retry(retry).handlers(vec![Box::new(Sync(fails))]).unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let letter = &bus.dead_letters().list(&DeadFilter::default())[0];
    assert!(matches!(letter.reason, DeadReason::Exhausted { attempts: 1000, .. }));
    let kept: Vec<u32> = letter.attempts.iter().map(|record| record.attempt).collect();
    assert_eq!((kept.len(), kept[0], kept[1], kept[31]), (32, 1, 970, 1000));
}

#[tokio::test(start_paused = true)]
async fn an_alarm_about_failures_that_fails_itself_ends() {
    for report in ["plugbus.delivery.dead", "plugbus.delivery.failed"] {
        let (bus, seen) = (Bus::default(), Seen::default());
        let recorded = seen.clone();
        let alarm = move |delivery: &Delivery| {
            // More than enough to see that it does not end.
            if recorded.all().len() < 200 {
                recorded.add("alarm");
                delivery.outbox.publish("alarm", &delivery.event, draft("alarm")).unwrap();
            }
            Ok(Reply(None))
        };
        let _alarm = bus.subscribe(report).handlers(vec![Box::new(Sync(alarm))]).unwrap();
        let _fails = bus.subscribe(["alarm", "a"]).on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
        bus.publish(draft("a")).await.unwrap();
        assert!(bus.wait_idle(LONG).await);
        let alarms = seen.all().len();
        assert!((5..20).contains(&alarms), "{report}: {alarms}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_too_many_hops_is_told_of() {
    let bus = Bus::default();
    let mut dead = bus.subscribe("plugbus.delivery.dead").stream().unwrap();
    let again = |delivery: Arc<Delivery>| async move {
        delivery.outbox.publish("r", &delivery.event, draft("a")).unwrap();
    };
    let _again = bus.subscribe("a").on(again).unwrap();
    bus.publish(draft("a")).await.unwrap();
    let told: serde_json::Value = dead.next().await.unwrap().payload.parse().unwrap();
    assert_eq!(told["kind"], "too-many-hops");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_hits_its_timeout() {
    let bus = Bus::default();
    let _sub = bus
        .subscribe("a")
        .timeout(Duration::from_secs(2))
        .retry(RetryPolicy::never())
        .on(|_| std::future::pending::<()>())
        .unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert!(bus.wait_idle(LONG).await);
    let letter = &bus.dead_letters().list(&DeadFilter::default())[0];
    let DeadReason::Exhausted { last: HandlerError::Fault(fault), .. } = &letter.reason else { panic!() };
    assert_eq!(fault.kind, FaultKind::Deadline { limit: Duration::from_secs(2) });
}

#[tokio::test(start_paused = true)]
async fn keyed_events_keep_their_order_at_any_concurrency() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let at_once = Arc::new(AtomicU32::new(0));
    let most = Arc::new(AtomicU32::new(0));
    let (running, peak) = (at_once.clone(), most.clone());
    let _sub = bus
        .subscribe(">")
        .concurrency(4)
        .ordering_key(OrderingKey::Subject)
        .on(move |delivery| {
            let (seen, running, peak) = (recorded.clone(), running.clone(), peak.clone());
            async move {
                peak.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                // Earlier events of a key take longer than later ones.
                let number: u64 = delivery.event.payload.parse().unwrap();
                tokio::time::sleep(Duration::from_millis(100 - number)).await;
                running.fetch_sub(1, Relaxed);
                seen.add(format!("{}{number}", delivery.event.subject.as_deref().unwrap()));
            }
        })
        .unwrap();
    for number in 0..20u64 {
        for key in ["a", "b", "c"] {
            bus.publish(draft("t").subject(key).json(&number).unwrap()).await.unwrap();
        }
    }
    let all = seen.until(60).await;
    for key in ["a", "b", "c"] {
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(key)).cloned().collect();
        assert_eq!(own, (0..20).map(|number| format!("{key}{number}")).collect::<Vec<_>>());
    }
    assert_eq!(most.load(Relaxed), 3, "as many at once as there are keys");
}

#[tokio::test(start_paused = true)]
async fn keyed_events_keep_their_order_through_retries() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let handle = move |delivery: Arc<Delivery>| {
        let seen = recorded.clone();
        async move {
            let number: u32 = delivery.event.payload.parse().unwrap();
            tokio::time::sleep(Duration::from_millis(u64::from(number % 3))).await;
            if number % 4 == 1 && delivery.attempt < 3 {
                return Err(Failure::retry("again"));
            }
            seen.add(format!("{}{number}", delivery.event.subject.as_deref().unwrap()));
            Ok(())
        }
    };
    let _sub = bus.subscribe(">").concurrency(4).ordering_key(OrderingKey::Subject).on(handle).unwrap();
    for number in 0..20u32 {
        for key in ["a", "b", "c", "d", "e", "f"] {
            bus.publish(draft("t").subject(key).json(&number).unwrap()).await.unwrap();
        }
    }
    let all = seen.until(120).await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(key)).cloned().collect();
        assert_eq!(own, (0..20).map(|number| format!("{key}{number}")).collect::<Vec<_>>());
    }
}

#[test]
fn a_bounded_subscription_gets_exactly_as_many_from_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (bus, queued, inline) = (Bus::default(), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let guard = runtime.enter();
    let count = queued.clone();
    let _queued = bus.subscribe(">").max_events(100).concurrency(3).on(move |_| {
        let count = count.clone();
        async move {
            count.fetch_add(1, Relaxed);
        }
    });
    drop(guard);
    let count = inline.clone();
    let _inline = bus.subscribe(">").max_events(100).inline(move |_: &Delivery| {
        count.fetch_add(1, Relaxed);
    });
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let bus = bus.clone();
            std::thread::spawn(move || (0..200).map(|_| bus.try_publish(draft("a")).unwrap().matched).sum::<usize>())
        })
        .collect();
    let matched: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(runtime.block_on(bus.wait_idle(LONG)));
    assert_eq!((matched, queued.load(Relaxed), inline.load(Relaxed)), (200, 100, 100));
    let ended = async {
        while !bus.subscriptions().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    runtime.block_on(async { tokio::time::timeout(LONG, ended).await }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_key_concurrency_runs_as_many_at_once() {
    let bus = Bus::default();
    let gate = Arc::new(tokio::sync::Barrier::new(4));
    let _sub = bus
        .subscribe(">")
        .concurrency(4)
        .on(move |_| {
            let gate = gate.clone();
            async move {
                gate.wait().await;
            }
        })
        .unwrap();
    for _ in 0..8 {
        bus.publish(draft("a")).await.unwrap();
    }
    assert!(bus.wait_idle(LONG).await, "the barrier opens only when four are in flight");
}

#[tokio::test(start_paused = true)]
async fn sources_are_filtered() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").from_source("hook/*").stream().unwrap();
    assert_eq!(bus.publish(draft("a").source("other")).await.unwrap().matched, 0);
    assert_eq!(bus.publish(draft("b").source("hook/x")).await.unwrap().matched, 1);
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "b");
}

#[tokio::test(start_paused = true)]
async fn once_and_max_events_end_the_subscription_after_exactly_as_many() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _once = bus.subscribe(">").once().handlers(vec![recorder(&seen, "o:")]).unwrap();
    let _three = bus.subscribe(">").max_events(3).handlers(vec![recorder(&seen, "t:")]).unwrap();
    for number in 0..5 {
        bus.publish(draft(&format!("n{number}"))).await.unwrap();
    }
    assert!(bus.wait_idle(LONG).await);
    let mut all = seen.all();
    all.sort();
    assert_eq!(all, ["o:n0", "t:n0", "t:n1", "t:n2"]);
    assert!(bus.subscriptions().is_empty(), "both have ended");
    assert!(bus.dead_letters().list(&DeadFilter::default()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bounded_subscription_ends_too_when_its_last_event_never_got_in() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let (permits, recorded) = (go.clone(), seen.clone());
    let three = bus.subscribe("a").max_events(3).queue_events_max(1).when_full(WhenFull::Wait { max: LONG });
    let three = three.on(move |_| {
        let (go, seen) = (permits.clone(), recorded.clone());
        async move {
            go.acquire().await.unwrap().forget();
            seen.add("handled");
        }
    });
    let three = three.unwrap();
    bus.publish(draft("a")).await.unwrap();
    while three.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    bus.publish(draft("a")).await.unwrap();
    let mut third = Box::pin(bus.publish(draft("a")));
    assert!(std::future::poll_fn(|context| std::task::Poll::Ready(third.as_mut().poll(context))).await.is_pending());
    go.add_permits(2);
    seen.until(2).await;
    while three.stats().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    drop(third);
    assert!(three.is_ended() && bus.subscriptions().is_empty());
    assert_eq!(bus.dead_letters().list(&DeadFilter::default())[0].reason, DeadReason::PublisherGone);
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_a_bound_ends_after_its_last_event() {
    let bus = Bus::default();
    let mut stream = bus.subscribe(">").max_events(2).stream().unwrap();
    for topic in ["a", "b", "c"] {
        bus.publish(draft(topic)).await.unwrap();
    }
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "a");
    assert_eq!(stream.next().await.unwrap().topic.as_str(), "b");
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn failures_and_dead_letters_are_told_and_reports_do_not_loop() {
    let bus = Bus::default();
    let mut host = bus.subscribe("plugbus.delivery.*").stream().unwrap();
    // A watcher that fails on the reports themselves.
    let _bad_watcher = bus
        .subscribe("plugbus.>")
        .retry(RetryPolicy::never())
        .on(|_| async { Err::<(), _>(Failure::reject("bad watcher")) })
        .unwrap();
    let _bad = bus.subscribe("a").name("bad").on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
    bus.publish(draft("a").id("e1")).await.unwrap();
    let failed = host.next().await.unwrap();
    let dead = host.next().await.unwrap();
    assert_eq!((failed.topic.as_str(), dead.topic.as_str()), ("plugbus.delivery.failed", "plugbus.delivery.dead"));
    let data: serde_json::Value = failed.payload.parse().unwrap();
    assert_eq!((data["kind"].as_str(), data["subscription"].as_str()), (Some("reject"), Some("bad")));
    assert_eq!((data["event"]["id"].as_str(), data["next"].as_str()), (Some("e1"), Some("dead")));
    assert!(tokio::time::timeout(LONG, host.next()).await.is_err(), "nothing about the watcher's own failures");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_told_of_a_dead_letter_finds_it() {
    let bus = Bus::default();
    let _sub = bus.subscribe("a").on(|_| async { Err::<(), _>(Failure::reject("no")) }).unwrap();
    for number in 1..=500 {
        let settled = bus.publish_and_wait(draft("a"), LONG).await.unwrap();
        assert_eq!(settled.results[0].1.name(), "dead");
        assert_eq!(bus.dead_letters().stats().total, number);
    }
}
