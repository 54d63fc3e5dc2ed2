//! The steps of the plugins that work: start, stream, swap, settle, ask.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::super::build::{Built, FEATURE};
use super::super::facts::{COUNT, GOOD, LOG, NORMALIZE, RELAY, count};
use super::super::feed::{Feed, PACE};
use super::super::watch::Watch;
use super::super::webhook::{OUT_OF_ORDER_EVERY, Webhook};
use super::super::{DemoError, LOG as DAEMON_LOG};
use super::Story;
use crate::live::{Cli, Daemon, LiveError, Place, json};
use crate::screen::{Screen, brief};

/// Hooks that are sent before a plugin is swapped, and that are kept back until the changed one is there.
const BEFORE_SWAP: usize = 100;
const AFTER_SWAP: usize = 110;

impl<'a> Story<'a> {
    /// A daemon on a folder of good plugins.
    pub(super) fn begin(built: &'a Built, place: &'a Place) -> Result<Self, DemoError> {
        let mut screen = Screen::new();
        screen.step("A daemon starts on a folder of four plugins");
        let webhook = Webhook::start()?;
        let origin = webhook.origin();
        for name in GOOD {
            place.put(name, Some(&built.manifest(name, &origin)?), &built.component(name)?)?;
        }
        let cli = Cli::new(&built.program, place.path());
        let daemon = Daemon::start(&cli, &["--loader-unload-grace-ms", "500"], DAEMON_LOG)?;
        screen.say(&format!(
            "$ plugbus run     (process {}, in {})\n\
             Each plugin is a WebAssembly component in a sandbox of its own. It can touch what its manifest \
             grants and nothing else:",
            daemon.pid(),
            place.path().display()
        ));
        screen.say(&format!(
            "{NORMALIZE}  turns hook.raw into hook.<type>.<tool>, its only topics\n\
             {COUNT}     counts events per topic; may publish stats.topics\n\
             {LOG}        appends every event to a file; sees one folder\n\
             {RELAY}    posts hook.> to {origin}, its only address"
        ));
        let watch = Watch::start(&cli)?;
        let story = Self { screen, built, place, cli, daemon, watch, webhook };
        story.until("a watcher", || Ok(json::number(&story.cli.json(&["stats"])?, "/socket/watchers")? == 1))?;
        Ok(story)
    }

    /// Events begin to flow.
    pub(super) fn stream(&mut self) -> Result<Feed<'a>, DemoError> {
        let mut feed = Feed::start(&self.cli, &self.built.hooks)?;
        self.screen.step("Events stream in: recorded hooks of a coding agent");
        self.screen.say(&format!(
            "$ plugbus emit hook.raw --lines < tests/data/hooks.jsonl\n\
             {} lines, one each {PACE:?}. The webhook answers every {OUT_OF_ORDER_EVERY}th request with 500, so that the \
             relay has something to retry.",
            feed.lines()
        ));
        feed.send_to(BEFORE_SWAP)?;
        Ok(feed)
    }

    /// A plugin is swapped in the middle of the stream.
    pub(super) fn swap(&mut self, feed: &mut Feed<'_>) -> Result<(), DemoError> {
        self.screen.step("A plugin is swapped while they flow");
        self.screen.say(&format!(
            "{NORMALIZE}.wasm is replaced in the folder; nothing is restarted. The new file is a changed build: with the \
             cargo feature `{FEATURE}` it names itself in each event that it publishes, so one can see later which build \
             handled what."
        ));
        let (before, at) = (feed.sent(), now_ns());
        self.place.put(NORMALIZE, None, &self.built.changed)?;
        let what = format!("the changed build of {NORMALIZE}");
        let reloaded =
            feed.send_until(&self.watch, AFTER_SWAP, &what, |seen| seen.about("plugbus.plugin.reloaded", NORMALIZE))?;
        let sha = |pointer| json::text(&reloaded.data, pointer).map(|sha| brief(&sha, 8));
        self.screen.say(&format!(
            "generation {} took over from {}, {} ms after the file was there (sha256 {} to {}); meanwhile {} more hooks \
             went in.",
            json::number(&reloaded.data, "/generation")?,
            json::number(&reloaded.data, "/from_generation")?,
            reloaded.time_ns.saturating_sub(at) / 1_000_000,
            sha("/from_sha256")?,
            sha("/sha256")?,
            feed.sent() - before
        ));
        Ok(())
    }

    /// Waits until the good plugins have nothing left to do. False if that does not come: then the verdict says what is
    /// missing.
    pub(super) fn settle(&self) -> Result<bool, DemoError> {
        let at_rest = || {
            let plugins = self.counted()?.plugins;
            let mut good = plugins.iter().filter(|plugin| GOOD.contains(&plugin.name.as_str()));
            let is_through = self.watch.look(|seen| count(seen.raw()) == count(seen.normalized()));
            Ok(is_through && good.all(|plugin| plugin.waiting + plugin.in_flight == 0))
        };
        match self.until("the good plugins to be through", at_rest) {
            Err(DemoError::Live(LiveError::Slow { .. })) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// A request, which a plugin answers.
    pub(super) fn ask(&mut self) -> Result<BTreeMap<String, u64>, DemoError> {
        self.screen.step("A plugin is asked a question");
        let command = ["emit", "stats.topics.get", "--request"];
        let answer = self.cli.run(&command)?;
        let answer: Value = serde_json::from_str(&answer)
            .map_err(|source| LiveError::NotJson { what: format!("`plugbus {}`", command.join(" ")), source })?;
        let topics = json::numbers(&answer, "/topics")?;
        let most = topics.iter().max_by_key(|(_, count)| **count);
        let (topic, most) = most.map(|(topic, count)| (topic.as_str(), *count)).unwrap_or_default();
        self.screen.say(&format!(
            "$ plugbus {}\n{COUNT} answers: {} events on {} topics, {most} of them on {topic}.",
            command.join(" "),
            json::number(&answer, "/total")?,
            topics.len()
        ));
        Ok(topics)
    }
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
