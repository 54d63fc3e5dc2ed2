//! Round after round: the daemon runs for a moment, ends in some way, and is started again, while events stream in.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::evidence::{self, Entry, Evidence};
use super::files::{self, Death};
use super::hazard::{self, Hazard};
use super::plugins::{AWAY, FILES, PLUGINS};
use super::publisher::{Published, Publishers};
use super::random::Random;
use crate::guests::Guests;
use crate::live::{Cli, Daemon, LiveError, Place};

/// Runs what is to be judged.
pub(super) struct Rounds<'a> {
    pub(super) cli: Cli,
    pub(super) place: &'a Place,
    pub(super) guests: &'a Guests,
    pub(super) random: Random,
    /// What the files held at the end of each life of a daemon.
    deaths: Vec<Death>,
    /// Log files, one a life.
    logs: Vec<String>,
    hazards: BTreeMap<Hazard, u32>,
    /// How long the last start took.
    start: Duration,
    is_away: bool,
    /// The large events.
    flooded: Published,
    /// What was read of the journal.
    journal: Vec<Entry>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(cli: Cli, place: &'a Place, guests: &'a Guests, seed: u64) -> Self {
        Self {
            cli,
            place,
            guests,
            random: Random::new(seed),
            deaths: Vec::new(),
            logs: Vec::new(),
            hazards: BTreeMap::new(),
            start: Duration::ZERO,
            is_away: false,
            flooded: Published::default(),
            journal: Vec::new(),
        }
    }

    /// All of it, to the end when everything has settled.
    pub(super) fn run(mut self, rounds: u32) -> Result<Evidence, LiveError> {
        for plugin in &PLUGINS {
            plugin.put(self.place, self.guests, 0)?;
        }
        // Every plugin is there before the first event: whatever is acknowledged is for all of them.
        let mut daemon = self.started()?;
        let publishers = Publishers::start(&self.cli, &mut self.random);
        for round in 1..=rounds {
            let hazard = Hazard::one(&mut self.random);
            *self.hazards.entry(hazard).or_default() += 1;
            self.put_back(round, hazard)?;
            self.is_away |= hazard == Hazard::Away;
            hazard.happen(&self.cli, self.place, daemon, &mut self.random, (round, &mut self.flooded))?;
            self.note_death()?;
            if hazard == Hazard::Start {
                let starting = self.spawned()?;
                thread::sleep(hazard::moment_of(self.start, &mut self.random));
                starting.kill()?;
                self.note_death()?;
            }
            daemon = self.started()?;
        }
        self.is_away = self.is_away && self.put_back_now(rounds).map(|()| false)?;
        let mut published = publishers.finish()?;
        published.extend((self.flooded.sent > 0).then(|| std::mem::take(&mut self.flooded)));
        let told = evidence::when_settled(&self.cli, std::mem::take(&mut self.journal))?;
        daemon.stop()?;
        self.note_death()?;
        let handled = files::read(&self.place.beside(FILES), &self.deaths)?;
        let complaints = evidence::complaints(self.place, &self.logs);
        Ok(Evidence { published, told, handled, complaints, hazards: self.hazards, lives: self.deaths.len() })
    }

    /// Where the log of the last daemon is.
    pub(super) fn log_of(lives: usize) -> String {
        format!("daemon-{lives}.log")
    }

    /// The plugin that was taken out comes back at some time, before a flood in any case: the journal keeps all for it.
    fn put_back(&mut self, round: u32, hazard: Hazard) -> Result<(), LiveError> {
        if self.is_away && (self.random.once_in(2) || hazard == Hazard::Flood) {
            self.put_back_now(round)?;
            self.is_away = false;
        }
        Ok(())
    }

    fn put_back_now(&self, build: u32) -> Result<(), LiveError> {
        let mut away = PLUGINS.iter().filter(|plugin| plugin.name == AWAY);
        away.try_for_each(|plugin| plugin.put(self.place, self.guests, build))
    }

    fn spawned(&mut self) -> Result<Daemon, LiveError> {
        let log = Self::log_of(self.logs.len());
        self.logs.push(log.clone());
        let arguments = hazard::arguments(&mut self.random);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Daemon::spawn(&self.cli, &arguments, &log)
    }

    fn started(&mut self) -> Result<Daemon, LiveError> {
        let begun = Instant::now();
        let mut daemon = self.spawned()?;
        daemon.wait_ready()?;
        self.start = begun.elapsed();
        evidence::read_on(&self.cli, &mut self.journal)?;
        Ok(daemon)
    }

    fn note_death(&mut self) -> Result<(), LiveError> {
        self.deaths.push(files::at_death(&self.place.beside(FILES))?);
        Ok(())
    }
}
