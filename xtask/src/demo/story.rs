//! What happens in the demo, step by step.
//!
//! `good` has the steps of the plugins that work, `bad` those of the ones that do not.

mod bad;
mod good;

use std::fs;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::build::Built;
use super::facts::{self, Facts, LOG_FOLDER, Plugin, Rejection};
use super::watch::{Seen, Watch};
use super::webhook::{Posts, Webhook};
use super::{DemoError, LOG};
use crate::live::place::read_text;
use crate::live::{Cli, Daemon, LIMIT, LiveError, POLL, Place, json};
use crate::screen::Screen;

/// Everything that runs. What is dropped is killed.
struct Story<'a> {
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
    let before = story.take_out_bad_ones()?;
    let dead = facts::dead_letters(&story.cli.json(&["dead", "list"])?)?;
    let (seen, posts, is_settled) = story.stop()?;
    let Counted { plugins, rejections, reloads } = before;
    let logged = logged(place)?;
    Ok(Facts { lines, accepted, seen, plugins, reloads, rejections, dead, logged, posts, counted, is_settled })
}

/// What the daemon counts at one time.
struct Counted {
    plugins: Vec<Plugin>,
    rejections: Vec<Rejection>,
    reloads: u64,
}

impl Story<'_> {
    /// The last step: the end, in order.
    fn stop(mut self) -> Result<(Seen, Posts, bool), DemoError> {
        self.screen.step("The daemon is stopped");
        self.daemon.stop()?;
        let is_settled = self.cli.said(LOG).contains("everything was settled");
        let seen = self.watch.finish()?;
        let said = if is_settled { "everything was settled" } else { "not everything was settled" };
        self.screen.say(&format!("SIGTERM lets it finish what it holds. Its last words: {said}."));
        Ok((seen, self.webhook.posts(), is_settled))
    }

    fn counted(&self) -> Result<Counted, DemoError> {
        let (plugins, rejections) = facts::plugins(&self.cli.json(&["plugins", "list"])?)?;
        let reloads = json::number(&self.cli.json(&["stats"])?, "/plugins/reloaded")?;
        Ok(Counted { plugins, rejections, reloads })
    }

    /// Asks again and again, at most for [`LIMIT`]. Yes counts when it is said twice in a row: what an answer is made of is
    /// not all of one moment.
    fn until(&self, what: &str, is_so: impl Fn() -> Result<bool, DemoError>) -> Result<(), DemoError> {
        let begun = Instant::now();
        let mut yes = 0;
        while yes < 2 {
            if begun.elapsed() > LIMIT {
                return Err(LiveError::slow(what).into());
            }
            yes = if is_so()? { yes + 1 } else { 0 };
            thread::sleep(POLL);
        }
        Ok(())
    }
}

/// The ids in the files of log-jsonl, line by line. A line that is no event has none.
fn logged(place: &Place) -> Result<Vec<String>, DemoError> {
    let folder = place.beside(LOG_FOLDER);
    let failed = |error| LiveError::io(format!("read {}", folder.display()), error);
    let mut ids = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let text = read_text(&entry.map_err(failed)?.path())?;
        let id = |line: &str| json::optional(&serde_json::from_str::<Value>(line).ok()?, "/id");
        ids.extend(text.lines().map(|line| id(line).unwrap_or_default()));
    }
    Ok(ids)
}
