//! How much memory a process holds, as Linux tells it.

use std::path::PathBuf;

use crate::live::LiveError;
use crate::live::place::read_text;

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Its own: heap, stacks, memories of guests. Pages of files come and go as the system likes and are left out.
    pub(super) resident: u64,
    /// The most that it ever held, those included.
    pub(super) most: u64,
}

impl Memory {
    /// Of a process that runs.
    pub(super) fn of(process: u32) -> Result<Self, LiveError> {
        let path = PathBuf::from(format!("/proc/{process}/status"));
        Self::parse(&read_text(&path)?).ok_or(LiveError::Missing("memory in /proc"))
    }

    fn parse(status: &str) -> Option<Self> {
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
        };
        Some(Self { resident: bytes("RssAnon")? + bytes("RssShmem")?, most: bytes("VmHWM")? })
    }
}

/// For people.
pub(super) fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let status = "Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t 200 kB\nRssAnon:\t 100 kB\nRssShmem:\t 1 kB\n";
        assert_eq!(Memory::parse(status), Some(Memory { resident: 101 << 10, most: 300 << 10 }));
        assert_eq!(Memory::parse("VmHWM: 1 kB\n"), None);
        assert_eq!(mib((12 << 20) + (1 << 19)), "12.5 MiB");
    }
}
