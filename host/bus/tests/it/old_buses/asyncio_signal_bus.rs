use std::time::Duration;

use plugbus_bus::*;
use serde::{Deserialize, Serialize};

use crate::support::*;

#[derive(Serialize, Deserialize)]
struct Celsius(f64);

#[derive(Serialize, Deserialize)]
struct Fahrenheit(f64);

impl TypedEvent for Celsius {
    const TOPIC: &'static str = "temperature.celsius";
}

impl TypedEvent for Fahrenheit {
    const TOPIC: &'static str = "temperature.fahrenheit";
}

#[tokio::test(start_paused = true)]
async fn publisher_subscriber_wiring() {
    let (bus, seen) = (Bus::default(), Seen::default());
    // What the first handler publishes is what the second is given.
    let _converts = bus
        .subscribe_typed::<Celsius>()
        .on(|delivery| async move {
            let Celsius(degrees) = delivery.event.payload.parse().map_err(Failure::reject)?;
            let draft = Draft::typed(&Fahrenheit(degrees * 1.8 + 32.0)).map_err(Failure::reject)?;
            delivery.publish(draft).map_err(Failure::reject)?;
            Ok::<(), Failure>(())
        })
        .unwrap();
    let recorded = seen.clone();
    let _shows = bus
        .subscribe_typed::<Fahrenheit>()
        .on_typed(move |Fahrenheit(degrees)| {
            let seen = recorded.clone();
            async move { seen.add(degrees.to_string()) }
        })
        .unwrap();
    bus.publish(Draft::typed(&Celsius(100.0)).unwrap()).await.unwrap();
    assert_eq!(seen.until(1).await, ["212"]);
}

#[tokio::test(start_paused = true)]
async fn error_handlers() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let _errors = bus
        .subscribe("plugbus.delivery.failed")
        .on(move |delivery| {
            let seen = recorded.clone();
            async move {
                let data: serde_json::Value = delivery.event.payload.parse().map_err(Failure::reject)?;
                seen.add(data["reason"].as_str().unwrap_or_default());
                Ok::<(), Failure>(())
            }
        })
        .unwrap();
    let policy = RetryPolicy { backoff_min: Duration::from_millis(10), ..RetryPolicy::default() };
    let _flaky = bus
        .subscribe("a")
        .retry(policy)
        .on(|delivery| async move {
            match delivery.attempt {
                1 => Err(Failure::retry("not yet")),
                _ => Err::<(), _>(Failure::reject("never")),
            }
        })
        .unwrap();
    bus.publish(draft("a")).await.unwrap();
    assert_eq!(seen.until(2).await, ["retry: not yet", "reject: never"]);
    let letters = bus.dead_letters().list(&DeadFilter::default());
    assert_eq!((letters.len(), letters[0].attempts.len()), (1, 2));
}
