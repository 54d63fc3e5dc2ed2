//! How much memory this process holds.

use std::time::{Duration, Instant};

/// How long memory may take to go back: instances end when their tasks do.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// Resident bytes that are the process's own: its heap, its stacks, its guests' memories. Pages of files, such as this
/// binary's own code, come and go as they like and are left out.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["RssAnon:", "RssShmem:"].iter().map(|key| kib(&status, key) << 10).sum()
}

fn kib(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits until the process holds no more than this again; what it held last.
pub(crate) async fn until_back_to(bytes_max: u64) -> Result<u64, u64> {
    let began = Instant::now();
    loop {
        let now = resident_bytes();
        if now <= bytes_max {
            return Ok(now);
        }
        if began.elapsed() > BACK_WITHIN {
            return Err(now);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
