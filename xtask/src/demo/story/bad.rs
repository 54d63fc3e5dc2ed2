//! The steps of the plugins that do not work: dropped in, found out, taken out.

use serde_json::Value;

use super::super::DemoError;
use super::super::facts::{GOOD, Plugin, SPINS, TEXT, TRAPS};
use super::super::feed::Feed;
use super::super::watch::Seen;
use super::{Counted, Story};
use crate::live::json;
use crate::screen::brief;

/// Hooks that are kept back until the bad plugins are there: enough of them for both to be suspended.
const FOR_BAD: usize = 60;
/// What is dropped in as a plugin and is none.
const NO_COMPONENT: &[u8] = b"I was copied into this folder by mistake.\n";
/// Most characters of a reason, and of a line of a guest's own words.
const REASON_CHARACTERS_MAX: usize = 300;
const WORDS_CHARACTERS_MAX: usize = 70;

impl Story<'_> {
    /// Three files that a folder of plugins should not have in it.
    pub(super) fn drop_in_bad_ones(&mut self, feed: &mut Feed<'_>) -> Result<(), DemoError> {
        self.screen.step("Three bad files are dropped into the folder");
        self.screen.say(&format!(
            "{TRAPS}.wasm panics on each event, which is a trap; {SPINS}.wasm loops for ever; {TEXT}.wasm is no WebAssembly."
        ));
        for name in [TRAPS, SPINS] {
            self.place.put(name, Some(&self.built.manifest(name, "")?), &self.built.component(name)?)?;
        }
        self.place.put(TEXT, None, NO_COMPONENT)?;
        let watch = &self.watch;
        let refused = |seen: &Seen| seen.about("plugbus.plugin.rejected", TEXT);
        let refused = feed.send_until(watch, FOR_BAD, &format!("the refusal of {TEXT}"), refused)?;
        let cause = brief(&json::text(&refused.data, "/cause")?, REASON_CHARACTERS_MAX);
        self.screen.say(&format!("{TEXT}: refused: {cause}"));
        for name in [TRAPS, SPINS] {
            let loaded = |seen: &Seen| seen.about("plugbus.plugin.loaded", name);
            feed.send_until(watch, FOR_BAD, &format!("the start of {name}"), loaded)?;
        }
        self.screen
            .say(&format!("{TRAPS}, {SPINS}: loaded. That they are bad can only be seen by giving them events."));
        Ok(())
    }

    /// The rest of the stream, with the bad plugins at work.
    pub(super) fn stream_the_rest(&mut self, feed: Feed<'_>) -> Result<Vec<String>, DemoError> {
        self.screen.step("The stream goes on, and they show what they are");
        let accepted = feed.finish()?;
        for name in [TRAPS, SPINS] {
            let fault = self.watch.wait(&format!("a fault of {name}"), |seen| first_fault(seen, name))?;
            let reason = brief(&json::text(&fault, "/reason")?, REASON_CHARACTERS_MAX);
            self.screen.say(&format!("{name}: {reason}"));
            let said = json::optional(&fault, "/stderr").unwrap_or_default();
            said.lines()
                .take(2)
                .for_each(|line| self.screen.say(&format!("  | {}", brief(line, WORDS_CHARACTERS_MAX))));
        }
        for name in [TRAPS, SPINS] {
            let what = format!("the suspension of {name}");
            let suspended = self.watch.wait(&what, |seen| seen.about("plugbus.plugin.suspended", name))?;
            let pause_ms = json::number(&suspended.data, "/suspend_ms")?;
            self.screen.say(&format!(
                "{name}: suspended for {pause_ms} ms after too many such events. Its queue waits; then one event is tried."
            ));
        }
        let state = if self.settle()? { "through with all of them" } else { "NOT through with them" };
        self.screen.say(&format!(
            "All the while the others went on: {} hooks were accepted, and the good plugins are {state}.",
            accepted.len()
        ));
        Ok(accepted)
    }

    /// An operator cleans up. Returns what the daemon counts just before, when the bad plugins are paused and at rest.
    pub(super) fn take_out_bad_ones(&mut self) -> Result<Counted, DemoError> {
        self.screen.step("The bad files are taken out of the folder");
        for name in [TRAPS, SPINS] {
            self.cli.run(&["plugins", "pause", name])?;
        }
        let is_bad = |plugin: &&Plugin| !GOOD.contains(&plugin.name.as_str());
        self.until("the bad plugins to rest", || {
            Ok(self.counted()?.plugins.iter().filter(is_bad).all(|plugin| plugin.in_flight == 0))
        })?;
        let before = self.counted()?;
        for name in [TRAPS, SPINS, TEXT] {
            self.place.remove(name)?;
        }
        self.until("the bad plugins to be unloaded", || {
            let now = self.counted()?;
            Ok(now.rejections.is_empty() && !now.plugins.iter().any(|plugin| is_bad(&plugin)))
        })?;
        let waiting: u64 = before.plugins.iter().filter(is_bad).map(|plugin| plugin.waiting).sum();
        self.screen.say(&format!(
            "They are unloaded. The {waiting} events that still waited for them are not lost but dead letters: kept with the \
             reason, to be looked at, delivered again or dropped (`plugbus dead`)."
        ));
        Ok(before)
    }
}

/// The report on the first fault of a plugin.
fn first_fault(seen: &Seen, plugin: &str) -> Option<Value> {
    let subscription = Value::from(format!("plugin/{plugin}"));
    let is = |data: &Value, name: &str, value: &Value| data.get(name) == Some(value);
    let mut failed = seen.of_host("plugbus.delivery.failed").map(|event| &event.data);
    failed.find(|data| is(data, "subscription", &subscription) && is(data, "is_fault", &Value::Bool(true))).cloned()
}
