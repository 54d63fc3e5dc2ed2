//! The embedded durable log of plugbus.

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
