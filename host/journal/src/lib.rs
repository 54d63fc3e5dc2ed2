//! The embedded durable log of plugbus: events, cursors, retries, dead letters and key-value stores in one SQLite database.
//!
//! [`DiskJournal`] implements [`plugbus_bus::journal::Journal`], the seam by which a bus stands on a log:
//!
//! ```
//! use plugbus_bus::journal::Journal;
//! use plugbus_journal::{DiskJournal, JournalConfig};
//!
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path();
//! let journal = DiskJournal::open(JournalConfig::new(folder))?;
//! assert_eq!(journal.span(), (1, 0)); // empty
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! One thread owns the connection that writes. It takes whatever queued during the last commit, up to a bound, makes one
//! transaction of it, and tells the bus what became of each event: many publishers share one sync, and no timer makes
//! anybody wait. A second thread reads, over a connection of its own. What bounds each, who waits and what happens when it
//! is full or fails is said in their modules, `writer` and `reader`.
//!
//! # What is promised
//!
//! | | `always`, `group` | `os` |
//! | --- | --- | --- |
//! | the process is killed | what was acknowledged is there | the same |
//! | the machine dies | what was acknowledged is there | the newest part may be gone, in order, from the end |
//! | the disk is full | events are refused; what was settled is held and written once there is room | the same |
//! | a sync fails | as for a full disk; the files are opened anew and looked at before the next try | the same |
//! | a cursor does not move | its events stay; at `bytes_max` events are refused, or the oldest go and are counted | the same |
//!
//! Each [`Write`](plugbus_bus::journal::Write) is carried out whole or not at all. An event that was refused may still be
//! there after a crash in that very moment; who repeats it under the same id gets the number it has.
//!
//! # When it is opened
//!
//! Everything is checked: the write-ahead log frame by frame, the structure of the database by SQLite's own means, every
//! row by a checksum of its own, that no number is missing. The beginning of a transaction that a crash left behind is cut
//! off, with a line in the log. Anything else that does not check out is [`OpenError::Damaged`], with the file and the place
//! in it; [`verify`] then shows all of it, and [`repair`] makes a sound journal out of what is left, and keeps the damaged
//! files. SQLite itself would take a damaged log for one that ends there, and go on without the rest.
//!
//! # Bounds
//!
//! On disk: [`JournalConfig::bytes_max`] for the database, and up to some 32 MiB of write-ahead log beside it. In memory:
//! [`JournalConfig::writes_max`] writes with their events, the window in which duplicates are recognised, some 18 MiB of
//! page cache. What plugins may store in all is for the host to bound: a settlement is never refused.

pub mod codec;

mod apply;
mod check;
mod clock;
mod config;
mod error;
mod files;
mod history;
mod inspect;
mod journal;
mod ledger;
mod load;
mod lock;
mod open;
mod pages;
mod reader;
mod repair;
mod retention;
mod rows;
mod schema;
mod seen;
mod shared;
mod stats;
mod trouble;
mod verify;
mod wal;
mod writer;

pub use config::{ConfigError, JournalConfig, OnFull, SyncMode, UnknownWord};
pub use error::{Damage, OpenError};
pub use journal::DiskJournal;
pub use repair::{LOST_TOPIC, Losses, Repair, repair};
pub use stats::{CommitTimes, JournalStats};
pub use verify::{DAMAGES_MAX, Report, verify};
