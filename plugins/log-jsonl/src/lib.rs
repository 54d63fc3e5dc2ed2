//! Appends events to a file in a granted folder: one CloudEvent a line, rotated by size.

mod journal;

use std::path::{Path, PathBuf};

use plugbus_sdk::prelude::*;

use journal::{Journal, Rotation};

/// The plugin.
pub struct LogJsonl {
    journal: Journal,
}

/// The manifest's `[config]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder, as the plugin sees it: `guest` of the grant.
    #[serde(default = "log_dir")]
    dir: PathBuf,
    /// The file's name.
    #[serde(default = "events_jsonl")]
    file: String,
    /// A file that would grow over so many bytes is put aside, and a new one begun.
    #[serde(default = "ten_mebibytes")]
    rotate_bytes: u64,
    /// How many files put aside are kept.
    #[serde(default = "five")]
    keep_files: u32,
    /// Whether each line must be on the disk, not only with the operating system, before its event is acked.
    #[serde(default)]
    sync: bool,
}

/// Bounds on the configuration.
const ROTATE_BYTES_MIN: u64 = 1024;
const KEEP_FILES_MAX: u32 = 1000;

fn log_dir() -> PathBuf {
    PathBuf::from("/log")
}

fn events_jsonl() -> String {
    "events.jsonl".to_owned()
}

fn ten_mebibytes() -> u64 {
    10 << 20
}

fn five() -> u32 {
    5
}

impl Config {
    fn check(&self) -> Result<(), String> {
        let mut parts = Path::new(&self.file).components();
        let is_plain = matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None));
        if !is_plain || self.file.contains('/') {
            return Err(format!("key `file`: `{}` is not a plain file name", self.file.escape_debug()));
        }
        if self.rotate_bytes < ROTATE_BYTES_MIN {
            return Err(format!("key `rotate_bytes`: {} is less than {ROTATE_BYTES_MIN}", self.rotate_bytes));
        }
        if self.keep_files > KEEP_FILES_MAX {
            return Err(format!("key `keep_files`: {} is more than {KEEP_FILES_MAX}", self.keep_files));
        }
        let is_dir = std::fs::metadata(&self.dir).is_ok_and(|found| found.is_dir());
        if !is_dir {
            let dir = self.dir.display();
            return Err(format!(
                "key `dir`: `{dir}` is not a folder this plugin sees; grant it in the manifest: \
                 [[grants.dirs]] host = \"…\", guest = \"{dir}\", mode = \"read-write\""
            ));
        }
        Ok(())
    }
}

impl Plugin for LogJsonl {
    /// Everything but the host's own events.
    const FILTERS: &[&str] = &[">"];
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check().map_err(|problem| Failure::reject(format!("config: {problem}")))?;
        let rotation = Rotation { bytes: config.rotate_bytes, keep_files: config.keep_files };
        Ok(Self { journal: Journal::new(config.dir.join(config.file), rotation, config.sync) })
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        let mut line = event.to_cloudevent();
        line.push('\n');
        // A failed write is retried: the surroundings may get well (room on the disk), and the event is worth it.
        self.journal.append(&line)?;
        Ok(Reply::none())
    }
}

plugbus_sdk::export!(LogJsonl);

#[cfg(test)]
mod tests;
