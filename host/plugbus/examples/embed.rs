//! A host inside somebody's own program: a bus, a folder of plugins, native subscribers.
//!
//! `cargo run --example embed [PLUGINS_FOLDER]`

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use plugbus::Host;
use plugbus::bus::{Event, Payload};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let plugins = std::env::args().nth(1).unwrap_or_else(|| "./plugins.d".into());
    run(Path::new(&plugins), Path::new("./.plugbus")).await
}

/// Starts a host, subscribes, publishes, waits, and stops in order.
pub async fn run(plugins: &Path, data: &Path) -> Result<(), Box<dyn Error>> {
    let host = Host::builder().plugins_dir(plugins).data_dir(data).no_socket().start().await?;

    // A native subscriber beside the plugins: every order, one at a time, with an answer.
    let orders = host.bus().subscribe("order.*").name("billing").on(|delivery| async move {
        println!("{} #{}: {:?}", delivery.event.topic, delivery.event.seq, delivery.event.payload.data);
        Payload::text("billed")
    })?;

    // Publish, and wait until every subscriber is done with it.
    let draft = Event::draft("order.created")?.subject("order-1").json(&serde_json::json!({ "total": 42 }))?;
    let settled = host.bus().publish_and_wait(draft, Duration::from_secs(5)).await?;
    for (subscriber, settlement) in &settled.results {
        println!("{subscriber}: {}", settlement.name());
    }

    // Or ask, and take the first answer.
    let answer = host.bus().request(Event::draft("order.paid")?.text("order-1"), Duration::from_secs(5)).await?;
    println!("answer: {:?}", answer.data);

    // Dropping the guard unsubscribes; shutdown settles what is in flight and reports what it could not.
    drop(orders);
    let report = host.shutdown(Duration::from_secs(5)).await;
    println!("unsettled: {}", report.unsettled.len());
    Ok(())
}
