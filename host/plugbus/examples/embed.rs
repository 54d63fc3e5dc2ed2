//! A host inside somebody's own program: a bus, a folder of plugins, native subscribers.
//!
//! `cargo run --example embed [PLUGINS_FOLDER]`. What is between `use` and the end of `run` is in the README, word for word.

use std::{error::Error, path::Path, time::Duration};

use plugbus::Host;
use plugbus::bus::{Event, Payload};

/// Starts a host, subscribes, publishes, asks, and stops in order.
pub async fn run(plugins: &Path, data: &Path) -> Result<(), Box<dyn Error>> {
    let host = Host::builder().plugins_dir(plugins).data_dir(data).no_socket().start().await?;
    let billing = host.bus().subscribe("order.*").name("billing").on(|delivery| async move {
        println!("billing: {} {:?}", delivery.event.topic, delivery.event.payload.data);
        Payload::text("billed") // the reply; `Failure::retry` and `Failure::reject` say no
    })?;
    let created = Event::draft("order.created")?.subject("order-1").json(&42)?;
    let settled = host.bus().publish_and_wait(created, Duration::from_secs(5)).await?;
    println!("settled by all: {}", settled.all_acked());
    let answer = host.bus().request(Event::draft("order.paid")?, Duration::from_secs(5)).await?;
    println!("answer: {:?}", answer.data);
    drop(billing); // unsubscribes
    let report = host.shutdown(Duration::from_secs(5)).await; // settles what is in flight
    println!("not settled: {}", report.unsettled.len());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let plugins = std::env::args().nth(1).unwrap_or_else(|| "./plugins.d".into());
    run(Path::new(&plugins), Path::new("./.plugbus")).await
}
