//! What happens in the demo, step by step.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::build::{Built, FEATURE};
use super::daemon::{Cli, Daemon};
use super::facts::{self, COUNT, Facts, GOOD, LOG, NORMALIZE, Plugin, RELAY, Rejection, SPINS, TEXT, TRAPS, count};
use super::feed::{Feed, PACE};
use super::place::{Place, read_text};
use super::screen::{Screen, brief};
use super::watch::{Seen, Watch};
use super::webhook::{OUT_OF_ORDER_EVERY, Webhook};
use super::{DemoError, LIMIT, POLL, json};

/// Hooks that are sent before a plugin is swapped, and that are kept back until the changed one is there.
const BEFORE_SWAP: usize = 100;
const AFTER_SWAP: usize = 110;
/// Hooks that are kept back until the bad plugins are there: enough of them for both to be suspended.
const FOR_BAD: usize = 60;
/// What is dropped in as a plugin and is none.
const NO_COMPONENT: &[u8] = b"I was copied into this folder by mistake.\n";

/// Everything that runs. What is dropped is killed.
pub(super) struct Story<'a> {
    screen: Screen,
    built: &'a Built,
    place: &'a Place,
    cli: Cli,
    daemon: Daemon,
    watch: Watch,
    webhook: Webhook,
}

/// Lets it happen.
pub(super) fn tell(built: &Built, place: &Place) -> Result<Facts, DemoError> {
    let mut story = Story::begin(built, place)?;
    let mut feed = story.stream()?;
    story.swap(&mut feed)?;
    story.drop_in_bad_ones(&mut feed)?;
    let lines = u64::try_from(feed.lines()).unwrap_or(u64::MAX);
    let accepted = story.stream_the_rest(feed)?;
    let counted = story.ask()?;
    let (plugins, rejections, reloads) = story.take_out_bad_ones()?;
    let dead = facts::dead_letters(&story.cli.json(&["dead", "list"])?)?;
    let (seen, is_settled, posts) = story.stop()?;
    let logged = logged(place)?;
    Ok(Facts { lines, accepted, seen, plugins, reloads, rejections, dead, logged, posts, counted, is_settled })
}

impl<'a> Story<'a> {
    /// Step 1: a daemon on a folder of good plugins.
    fn begin(built: &'a Built, place: &'a Place) -> Result<Self, DemoError> {
        let mut screen = Screen::new();
        screen.step("A daemon on a folder of four plugins");
        let webhook = Webhook::start()?;
        let origin = webhook.origin();
        for name in GOOD {
            place.put(name, Some(&built.manifest(name, &origin)?), &built.component(name)?)?;
        }
        let cli = Cli::new(&built.program, place.path());
        let daemon = Daemon::start(&cli)?;
        screen.say(&format!(
            "$ plugbus run                       (process {}, in {})\n\
             Each plugin is a WebAssembly component in a sandbox of its own; it can touch what its\n\
             manifest grants and nothing else.\n\
             {NORMALIZE}  turns each hook.raw into hook.<type>.<tool>; may publish hook.>\n\
             {COUNT}     counts events per topic; may publish stats.topics\n\
             {LOG}        appends every event to a file; sees one folder\n\
             {RELAY}    posts hook.> to {origin}; reaches nothing else",
            daemon.pid(),
            place.path().display()
        ));
        let watch = Watch::start(&cli)?;
        let story = Self { screen, built, place, cli, daemon, watch, webhook };
        story.until("a watcher", || Ok(json::number(&story.cli.json(&["stats"])?, "/socket/watchers")? == 1))?;
        Ok(story)
    }

    /// Step 2: events flow.
    fn stream(&mut self) -> Result<Feed<'a>, DemoError> {
        let mut feed = Feed::start(&self.cli, &self.built.hooks)?;
        self.screen.step("Recorded hooks of an AI agent stream in");
        self.screen.say(&format!(
            "$ plugbus emit hook.raw --lines < tests/data/hooks.jsonl       ({} lines, one each {PACE:?})\n\
             One hook goes through all four plugins. The webhook answers every {OUT_OF_ORDER_EVERY}th request with 500, so\n\
             that the relay has something to retry.",
            feed.lines()
        ));
        feed.send_to(BEFORE_SWAP)?;
        Ok(feed)
    }

    /// Step 3: a plugin is swapped in the middle of the stream.
    fn swap(&mut self, feed: &mut Feed<'_>) -> Result<(), DemoError> {
        self.screen.step("A plugin is swapped while events flow");
        self.screen.say(&format!(
            "{NORMALIZE}.wasm is replaced by a changed build, as a deploy would do it. Its cargo feature\n\
             `{FEATURE}` makes each event that it publishes name it: so everyone can see which build handled what."
        ));
        let (before, at) = (feed.sent(), now_ns());
        self.place.put(NORMALIZE, None, &self.built.changed)?;
        let what = format!("the changed build of {NORMALIZE}");
        let reloaded =
            feed.send_until(&self.watch, AFTER_SWAP, &what, |seen| seen.about("plugbus.plugin.reloaded", NORMALIZE))?;
        let sha = |pointer| json::text(&reloaded.data, pointer).map(|sha| brief(&sha, 8));
        self.screen.say(&format!(
            "generation {} took over from {} {} ms after the file was there (sha256 {} → {});\n\
             {} hooks were sent in the meantime",
            json::number(&reloaded.data, "/generation")?,
            json::number(&reloaded.data, "/from_generation")?,
            reloaded.time_ns.saturating_sub(at) / 1_000_000,
            sha("/from_sha256")?,
            sha("/sha256")?,
            feed.sent() - before
        ));
        Ok(())
    }

    /// Step 4: three files that a folder of plugins should not have in it.
    fn drop_in_bad_ones(&mut self, feed: &mut Feed<'_>) -> Result<(), DemoError> {
        self.screen.step("Three bad files are dropped in");
        self.screen.say(&format!("{TRAPS}.wasm panics on each event, {SPINS}.wasm never returns, {TEXT}.wasm is text"));
        for name in [TRAPS, SPINS] {
            self.place.put(name, Some(&self.built.manifest(name, "")?), &self.built.component(name)?)?;
        }
        self.place.put(TEXT, None, NO_COMPONENT)?;
        let watch = &self.watch;
        let refused = |seen: &Seen| seen.about("plugbus.plugin.rejected", TEXT);
        let refused = feed.send_until(watch, FOR_BAD, &format!("the refusal of {TEXT}"), refused)?;
        self.screen.say(&format!("{TEXT}: refused: {}", brief(&json::text(&refused.data, "/cause")?, 400)));
        for name in [TRAPS, SPINS] {
            let loaded = |seen: &Seen| seen.about("plugbus.plugin.loaded", name);
            feed.send_until(watch, FOR_BAD, &format!("the start of {name}"), loaded)?;
        }
        self.screen
            .say(&format!("{TRAPS}, {SPINS}: loaded, for that is all one can see of a file; they get events now"));
        Ok(())
    }

    /// Step 5: the rest of the stream, with the bad plugins at work.
    fn stream_the_rest(&mut self, feed: Feed<'_>) -> Result<Vec<String>, DemoError> {
        self.screen.step("The stream goes on, and the bad plugins show what they are");
        let accepted = feed.finish()?;
        for name in [TRAPS, SPINS] {
            let failed = self.watch.wait(&format!("a fault of {name}"), |seen| first_fault(seen, name))?;
            let limit = json::optional(&failed, "/limit").map(|limit| format!(" (limit: {limit})"));
            let said = json::optional(&failed, "/stderr").unwrap_or_default();
            self.screen.say(&format!(
                "{name}: {}{}: {}",
                json::text(&failed, "/kind")?,
                limit.unwrap_or_default(),
                brief(&json::text(&failed, "/reason")?, 200)
            ));
            said.lines().take(2).for_each(|line| self.screen.say(&format!("  {}", brief(line, 90))));
        }
        for name in [TRAPS, SPINS] {
            let suspended = self
                .watch
                .wait(&format!("the suspension of {name}"), |seen| seen.about("plugbus.plugin.suspended", name))?;
            self.screen.say(&format!(
                "{name}: suspended for {} ms, then tried with one event, then suspended for longer; its events wait",
                json::number(&suspended.data, "/suspend_ms")?
            ));
        }
        self.settle()?;
        self.screen.say(&format!(
            "{} hooks were accepted; the four good plugins are through with all of theirs",
            accepted.len()
        ));
        Ok(accepted)
    }

    /// Step 6: a request, which a plugin answers.
    fn ask(&mut self) -> Result<BTreeMap<String, u64>, DemoError> {
        self.screen.step("A plugin is asked a question");
        let command = ["emit", "stats.topics.get", "--request"];
        let answer = self.cli.run(&command)?;
        let answer: Value = serde_json::from_str(&answer)
            .map_err(|source| DemoError::NotJson { command: format!("plugbus {}", command.join(" ")), source })?;
        let topics = json::numbers(&answer, "/topics")?;
        let most = topics.iter().max_by_key(|(_, count)| **count);
        let (topic, most) = most.map(|(topic, count)| (topic.as_str(), *count)).unwrap_or_default();
        self.screen.say(&format!(
            "$ plugbus {}\n{COUNT} has counted {} events on {} topics; most, {most}, on {topic}",
            command.join(" "),
            json::number(&answer, "/total")?,
            topics.len()
        ));
        Ok(topics)
    }

    /// Step 7: an operator cleans up. What the daemon counts of the plugins just before, and how many it has swapped.
    fn take_out_bad_ones(&mut self) -> Result<(Vec<Plugin>, Vec<Rejection>, u64), DemoError> {
        self.screen.step("The bad files are taken out");
        for name in [TRAPS, SPINS] {
            self.cli.run(&["plugins", "pause", name])?;
        }
        let is_bad = |plugin: &&Plugin| !GOOD.contains(&plugin.name.as_str());
        self.until("the bad plugins to rest", || {
            Ok(self.plugins()?.0.iter().filter(is_bad).all(|plugin| plugin.in_flight == 0))
        })?;
        let (plugins, rejections) = self.plugins()?;
        let reloads = json::number(&self.cli.json(&["stats"])?, "/plugins/reloaded")?;
        for name in [TRAPS, SPINS, TEXT] {
            self.place.remove(name)?;
        }
        self.until("the bad plugins to be unloaded", || {
            let (running, refused) = self.plugins()?;
            Ok(refused.is_empty() && !running.iter().any(|plugin| is_bad(&plugin)))
        })?;
        let waiting: u64 = plugins.iter().filter(is_bad).map(|plugin| plugin.waiting).sum();
        self.screen
            .say(&format!("unloaded; the {waiting} events that still waited for them are dead letters now, not lost"));
        Ok((plugins, rejections, reloads))
    }

    /// Step 8: the end, in order.
    fn stop(mut self) -> Result<(Seen, bool, super::webhook::Posts), DemoError> {
        self.screen.step("The daemon is stopped");
        let is_settled = self.daemon.stop()?;
        let seen = self.watch.finish()?;
        let said = if is_settled { "everything was settled" } else { "something was left unsettled" };
        self.screen.say(&format!("SIGTERM; its last words: {said}"));
        Ok((seen, is_settled, self.webhook.posts()))
    }

    fn plugins(&self) -> Result<(Vec<Plugin>, Vec<Rejection>), DemoError> {
        facts::plugins(&self.cli.json(&["plugins", "list"])?)
    }

    /// Waits until the good plugins have nothing left to do. If that never comes, the verdict says what is missing.
    fn settle(&self) -> Result<(), DemoError> {
        let at_rest = || {
            let (plugins, _) = self.plugins()?;
            let good = plugins.iter().filter(|plugin| GOOD.contains(&plugin.name.as_str()));
            let raw_and_normalized = self.watch.look(|seen| (count(seen.raw()), count(seen.normalized())));
            Ok(good.map(|plugin| plugin.waiting + plugin.in_flight).sum::<u64>() == 0
                && raw_and_normalized.0 == raw_and_normalized.1)
        };
        match self.until("the good plugins to be through", at_rest) {
            Err(DemoError::Slow { .. }) => Ok(()),
            other => other,
        }
    }

    /// Asks again and again, at most for [`LIMIT`]. Yes counts when it is said twice in a row: what an answer is made of is
    /// not all of one moment.
    fn until(&self, what: &str, is_so: impl Fn() -> Result<bool, DemoError>) -> Result<(), DemoError> {
        let begun = Instant::now();
        let mut yes = 0;
        while yes < 2 {
            if begun.elapsed() > LIMIT {
                return Err(DemoError::Slow { what: what.to_owned(), limit: LIMIT });
            }
            yes = if is_so()? { yes + 1 } else { 0 };
            thread::sleep(POLL);
        }
        Ok(())
    }
}

/// The report on the first fault of a plugin.
fn first_fault(seen: &Seen, plugin: &str) -> Option<Value> {
    let subscription = Value::from(format!("plugin/{plugin}"));
    let mut failed = seen.of_host("plugbus.delivery.failed").map(|event| &event.data);
    let is_of = |data: &Value, name: &str, value: &Value| data.get(name) == Some(value);
    failed
        .find(|data| is_of(data, "subscription", &subscription) && is_of(data, "is_fault", &Value::Bool(true)))
        .cloned()
}

/// The ids in the files of log-jsonl, line by line. A line that is none has none.
fn logged(place: &Place) -> Result<Vec<String>, DemoError> {
    let folder = place.log();
    let failed = |error| DemoError::io(format!("read {}", folder.display()), error);
    let mut ids = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let text = read_text(&entry.map_err(failed)?.path())?;
        let id = |line: &str| json::optional(&serde_json::from_str::<Value>(line).ok()?, "/id");
        ids.extend(text.lines().map(|line| id(line).unwrap_or_default()));
    }
    Ok(ids)
}

fn now_ns() -> u64 {
    let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
