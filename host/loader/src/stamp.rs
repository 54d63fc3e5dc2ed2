//! What tells one state of a file from another without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Device, inode, size and both times of a file: whoever writes to it or puts another in its place changes one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: FileId,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

/// Which file or folder it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl Stamp {
    /// The stamp of a file, from its metadata (symbolic links followed).
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            file: FileId::of(metadata),
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Bytes in the file.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size
    }
}

impl FileId {
    /// The identity of a file or folder, from its metadata.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

#[cfg(test)]
impl Stamp {
    /// A stamp that stands for the `n`th state of some file.
    pub(crate) fn nth(n: u64) -> Self {
        Self { file: FileId { device: 1, inode: n }, size: n, modified_ns: i128::from(n), changed_ns: i128::from(n) }
    }
}
