//! What piles up for a plugin that is paused waits in the journal, and not in memory; resumed, it gets all of it, once each,
//! in order.

use std::fs;

use plugbus::bus::Event;

use crate::support::alone::{alone, this_test};
use crate::support::host::{Place, TestHost};
use crate::support::memory::resident_bytes;

const EVENTS: u64 = 20_000;
const SOURCES: u64 = 8;
const QUEUE_EVENTS: usize = 64;
/// Data of one event: all of it is some 40 MiB.
const BYTES: usize = 2048;
/// What the second half of the backlog may add to the memory in use.
const GROWTH_MAX: u64 = 8 << 20;

#[test]
fn a_backlog_costs_no_memory_and_is_handled_once_each_in_order() {
    alone(this_test!(a_backlog_costs_no_memory_and_is_handled_once_each_in_order), async {
        let place = Place::new();
        let files = place.beside("files");
        fs::create_dir(&files).unwrap();
        let host = place.start_durable().await;
        let manifest = format!(
            "filters = [\"backlog.>\"]\n[queue]\nevents_max = {QUEUE_EVENTS}\n[config]\nfolder = \"/data\"\n\
             [[grants.dirs]]\nhost = \"../files\"\nguest = \"/data\"\nmode = \"read-write\"\n"
        );
        host.run_fixture("slow", "unsteady", &manifest).await;
        host.loader().pause("slow").unwrap();

        let each = EVENTS / SOURCES;
        publish(&host, 1..=each / 2).await;
        let half = resident_bytes();
        publish(&host, each / 2 + 1..=each).await;
        let whole = resident_bytes();
        let grown = whole.saturating_sub(half);
        println!("with half of the backlog {half} bytes, with all of it {whole}");
        assert!(grown <= GROWTH_MAX, "{grown} bytes more for {} more events", EVENTS / 2);
        let stats = host.stats("slow");
        assert!(stats.waiting <= QUEUE_EVENTS, "{} wait in memory", stats.waiting);
        let durable = stats.durable.unwrap();
        assert!(durable.behind && durable.backlog >= EVENTS, "{durable:?}");

        host.loader().resume("slow").unwrap();
        let through = || {
            let stats = host.stats("slow");
            assert!(stats.waiting <= QUEUE_EVENTS, "{} wait in memory", stats.waiting);
            stats.durable.unwrap().backlog == 0
        };
        host.until("the backlog is handled", through).await;
        assert_eq!(host.stats("slow").acked, EVENTS);
        for source in 0..SOURCES {
            let found = fs::read_to_string(files.join(format!("s{source}.txt"))).unwrap();
            let expected: String = (1..=each).map(|number| format!("s{source} {number} 1;\n")).collect();
            assert!(found == expected, "source {source} was not handled once each, in order");
        }
        host.stop().await;
    });
}

/// Publishes these numbers for each source, all sources at a time.
async fn publish(host: &TestHost, numbers: std::ops::RangeInclusive<u64>) {
    let publish = |source: u64| {
        let (bus, numbers) = (host.bus().clone(), numbers.clone());
        tokio::spawn(async move {
            for number in numbers {
                let text = format!("{:BYTES$} {number}", "");
                let draft = Event::draft("backlog.x").unwrap().source(format!("s{source}")).text(text);
                bus.publish(draft).await.unwrap();
            }
        })
    };
    for publisher in (0..SOURCES).map(publish).collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
}
