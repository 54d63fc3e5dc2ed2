//! What the plugins wrote: line by line, and in which life of the daemon.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::connection::of_text;
use super::plugins::{PLUGINS, Plugin, Writes};
use crate::live::place::read_text;
use crate::live::{LiveError, json};

/// How many whole lines each file had when a daemon had ended.
pub(super) type Death = BTreeMap<PathBuf, usize>;

/// An event in the hands of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handled {
    /// What kind of event it is, and of which source it came in the first place.
    pub(super) topic: String,
    pub(super) source: String,
    pub(super) number: u64,
    /// How many daemons had ended before.
    pub(super) life: usize,
}

/// What a plugin wrote, in order for each topic and source.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) handled: Vec<Handled>,
    /// Lines that were cut off by a kill.
    pub(super) torn: u64,
}

/// Counts the whole lines of every file.
pub(super) fn at_death(folder: &Path) -> Result<Death, LiveError> {
    let mut death = Death::new();
    for path in files(folder)? {
        let lines = read_text(&path)?.matches('\n').count();
        death.insert(path, lines);
    }
    Ok(death)
}

/// Reads everything, by the names of the plugins.
pub(super) fn read(folder: &Path, deaths: &[Death]) -> Result<BTreeMap<&'static str, Written>, LiveError> {
    let mut all = BTreeMap::new();
    for (plugin, writes) in PLUGINS.iter().filter_map(|plugin| Some((plugin, plugin.writes?))) {
        let written: &mut Written = all.entry(plugin.name).or_default();
        for path in files(&folder.join(plugin.name))? {
            let lives: Vec<usize> = deaths.iter().map(|death| death.get(&path).copied().unwrap_or_default()).collect();
            for (place, line) in read_text(&path)?.lines().enumerate() {
                let life = lives.iter().filter(|lines| place >= **lines).count();
                match event(plugin, writes, line) {
                    Some((topic, source, number)) => written.handled.push(Handled { topic, source, number, life }),
                    None => written.torn += 1,
                }
            }
        }
    }
    Ok(all)
}

fn event(plugin: &Plugin, writes: Writes, line: &str) -> Option<(String, String, u64)> {
    match writes {
        Writes::Json => {
            let event: Value = serde_json::from_str(line).ok()?;
            let (source, number) = of_text(event.get("data")?.as_str()?)?;
            Some((json::optional(&event, "/type")?, source.to_owned(), number))
        }
        Writes::Text => {
            let (text, _attempt) = line.strip_suffix(';')?.rsplit_once(' ')?;
            let (source, number) = of_text(text)?;
            Some((plugin.filter.replace('>', source), source.to_owned(), number))
        }
    }
}

/// The files in a folder and those in it, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LiveError> {
    let failed = |error| LiveError::io(format!("look into {}", folder.display()), error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_belongs_to_the_life_that_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        for plugin in PLUGINS.iter().filter(|plugin| plugin.writes.is_some()) {
            fs::create_dir(folder.path().join(plugin.name)).unwrap();
        }
        let (keyed, log) = (folder.path().join("keyed/a.txt"), folder.path().join("log/events.jsonl"));
        fs::write(&keyed, "a 1 1;\na 2 1;\na 3").unwrap();
        let first = at_death(folder.path()).unwrap();
        fs::write(&keyed, "a 1 1;\na 2 1;\na 3\na 2 1;\n").unwrap();
        fs::write(&log, "{\"type\":\"crash.b\",\"data\":\"b 7\"}\n").unwrap();
        let second = at_death(folder.path()).unwrap();
        let written = read(folder.path(), &[first, second]).unwrap();
        let keyed = &written["keyed"];
        let seen: Vec<_> = keyed.handled.iter().map(|handled| (handled.number, handled.life)).collect();
        assert_eq!((seen, keyed.torn), (vec![(1, 0), (2, 0), (2, 1)], 1));
        assert_eq!(
            written["log"].handled,
            [Handled { topic: "crash.b".into(), source: "b".into(), number: 7, life: 1 }]
        );
    }
}
