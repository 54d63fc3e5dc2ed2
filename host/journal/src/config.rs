//! What an operator may choose about a journal, each with its default, unit and bound.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The settings of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// The folder it lives in; made, for its owner alone, where there is none. One journal, one process.
    pub dir: PathBuf,
    /// What a commit waits for. Default [`SyncMode::Group`].
    pub sync: SyncMode,
    /// Bytes of the database in use before the oldest events are retired. Default 1 GiB, at least 1 MiB. The file itself is
    /// as large as it ever had to be (what is retired is used again); beside it are up to some 32 MiB of write-ahead log.
    pub bytes_max: u64,
    /// Age at which events are retired, counted from acceptance. Default 7 days. Checked once a second, and never past the
    /// floor of a cursor.
    pub age_max: Duration,
    /// What happens when `bytes_max` is reached and a cursor holds the oldest events. Default [`OnFull::Refuse`].
    pub on_full: OnFull,
    /// Events remembered to recognise duplicates. Default 100,000, at most 10 million; each costs some 100 bytes of memory.
    /// 0 turns it off.
    pub dedupe_events_max: usize,
    /// How long an event is remembered for that. Default 10 minutes.
    pub dedupe_age: Duration,
    /// Writes that may be on their way at one time ([`Journal::capacity`](plugbus_bus::journal::Journal::capacity)).
    /// Default 4096, 1 to 1 million. Worst case in memory: this × the largest event.
    pub writes_max: usize,
    /// Writes that share one commit. Default 1024, at least 1.
    pub batch_writes_max: usize,
    /// Bytes of events that share one commit, approximately; one write is always taken. Default 8 MiB.
    pub batch_bytes_max: usize,
}

impl JournalConfig {
    /// The defaults, for a journal in this folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            sync: SyncMode::Group,
            bytes_max: 1 << 30,
            age_max: Duration::from_secs(7 * 24 * 60 * 60),
            on_full: OnFull::Refuse,
            dedupe_events_max: 100_000,
            dedupe_age: Duration::from_secs(600),
            writes_max: 4096,
            batch_writes_max: 1024,
            batch_bytes_max: 8 << 20,
        }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is outside of them.
    pub fn check(&self) -> Result<(), ConfigError> {
        let within = |setting, value: u64, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError { setting, value, min, max }) }
        };
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        within("bytes_max", self.bytes_max, 1 << 20, u64::MAX)?;
        within("dedupe_events_max", count(self.dedupe_events_max), 0, 10_000_000)?;
        within("writes_max", count(self.writes_max), 1, 1_000_000)?;
        within("batch_writes_max", count(self.batch_writes_max), 1, 1_000_000)?;
        within("batch_bytes_max", count(self.batch_bytes_max), 1, 1 << 30)
    }
}

/// A setting outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` is {value}; {min} to {max} are allowed")]
pub struct ConfigError {
    /// Which one.
    pub setting: &'static str,
    /// What it was set to.
    pub value: u64,
    /// Least that is allowed.
    pub min: u64,
    /// Most that is allowed.
    pub max: u64,
}

/// What a commit waits for, before publishers are told that their events are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SyncMode {
    /// Every write is synced to the disk by itself. Nothing that was acknowledged is lost when the machine dies.
    Always,
    /// Whatever queued during the last sync shares the next one. As safe as `Always`, and many times as fast.
    #[default]
    Group,
    /// The operating system syncs when it likes. Survives a killed process, not a dead machine.
    Os,
}

impl SyncMode {
    /// As written in a configuration: `always`, `group` or `os`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Group => "group",
            Self::Os => "os",
        }
    }
}

/// What happens when a journal is full and a cursor holds its oldest events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// Events from outside are refused until the cursor moves. What handlers did is still written.
    #[default]
    Refuse,
    /// The oldest events go, settled or not. What a cursor lost is counted ([`JournalStats`](crate::JournalStats)) and
    /// logged.
    DropOldest,
}

impl OnFull {
    /// As written in a configuration: `refuse` or `drop-oldest-and-report`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::DropOldest => "drop-oldest-and-report",
        }
    }
}

/// A word that is not one of those allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of {allowed}", word.escape_debug())]
pub struct UnknownWord {
    /// The word, cut to 40 characters.
    pub word: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl FromStr for SyncMode {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Always, Self::Group, Self::Os];
        all.into_iter().find(|mode| mode.as_str() == word).ok_or_else(|| unknown(word, "`always`, `group`, `os`"))
    }
}

impl FromStr for OnFull {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Refuse, Self::DropOldest];
        let found = all.into_iter().find(|policy| policy.as_str() == word);
        found.ok_or_else(|| unknown(word, "`refuse`, `drop-oldest-and-report`"))
    }
}

fn unknown(word: &str, allowed: &'static str) -> UnknownWord {
    UnknownWord { word: word.chars().take(40).collect(), allowed }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OnFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for mode in [SyncMode::Always, SyncMode::Group, SyncMode::Os] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        for policy in [OnFull::Refuse, OnFull::DropOldest] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        let error = "never".parse::<SyncMode>().unwrap_err();
        assert_eq!(error.to_string(), "`never` is not one of `always`, `group`, `os`");
    }

    #[test]
    fn settings_outside_their_bounds_are_named() {
        assert_eq!(JournalConfig::new("x").check(), Ok(()));
        let error = JournalConfig { writes_max: 0, ..JournalConfig::new("x") }.check().unwrap_err();
        assert_eq!(error.to_string(), "`writes_max` is 0; 1 to 1000000 are allowed");
        assert!(JournalConfig { bytes_max: 5, ..JournalConfig::new("x") }.check().is_err());
    }
}
