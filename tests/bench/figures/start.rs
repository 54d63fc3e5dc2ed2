//! How long a start takes with a full journal, in which everything is checked: 1 GiB of events of 256 bytes. Beside it
//! reading the same bytes once. The file is in the system's memory, as it is when a daemon is restarted; they take turns.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use plugbus::journal::{DiskJournal, JournalConfig, SyncMode};

use crate::disk::{OnDisk, database, folder};
use crate::effort;
use crate::host::two_threads;
use crate::record::{Record, Records, in_millis, percentile};

const GIB: u64 = 1 << 30;
/// The least room that a journal is given.
const BYTES_MIN: u64 = 256 << 20;
/// Events between two looks at how large the journal is.
const STEP: u64 = 20_000;
const TURNS: usize = 3;

pub(crate) fn start(records: &mut Records) {
    let (folder, bytes) = (folder(), effort::times_u64(GIB));
    let config =
        JournalConfig { sync: SyncMode::Os, bytes_max: 2 * bytes.max(BYTES_MIN), ..JournalConfig::new(folder.path()) };
    let events = fill(&config, bytes);
    let (mut opens, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        reads.push(read(&database(folder.path()), bytes));
        let began = Instant::now();
        let journal = DiskJournal::open(config.clone()).expect("the journal opens");
        opens.push(began.elapsed());
        assert_eq!(journal.stats().last, events);
    }
    let (size, events) = (bytes as f64 / GIB as f64, events as f64 / 1e6);
    let name = format!("start/a journal of {size:.2} GiB, {events:.1} million events, all checked");
    let read = in_millis(percentile(&mut reads, 50));
    records.add(&Record::millis(name, percentile(&mut opens, 50)).beside("reading the file once", read));
}

/// Makes the journal; how many events are in it.
fn fill(config: &JournalConfig, bytes: u64) -> u64 {
    two_threads().block_on(async {
        let on_disk = OnDisk::open(config.clone());
        while on_disk.stats().bytes < bytes {
            on_disk.fill(STEP).await;
        }
        let events = on_disk.stats().last;
        on_disk.close().await;
        events
    })
}

fn read(path: &Path, least: u64) -> Duration {
    let began = Instant::now();
    let mut file = File::open(path).expect("the file opens");
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer).expect("the file is read");
        if count == 0 {
            break;
        }
        bytes += count as u64;
    }
    assert!(bytes >= least, "the file has {bytes} bytes");
    began.elapsed()
}
