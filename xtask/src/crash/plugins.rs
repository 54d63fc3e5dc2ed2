//! Who handles the events: plugins that are shipped and fixtures, each with the manifest that makes it part of the test.

use crate::guests::Guests;
use crate::live::place::read;
use crate::live::{LiveError, Place};

/// Beside the plugins folder: a folder for each plugin that writes.
pub(super) const FILES: &str = "files";

/// A plugin.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) name: &'static str,
    component: Component,
    pub(super) filter: &'static str,
    /// The rest of the manifest.
    manifest: &'static str,
    /// The topic on which it publishes what it handles.
    pub(super) publishes: Option<&'static str>,
    /// What it writes of each event that it is given.
    pub(super) writes: Option<Writes>,
    /// A topic on which it is asked for how many it has counted.
    pub(super) counts: Option<&'static str>,
    /// It rejects the numbers that this divides.
    pub(super) rejects_every: Option<u64>,
}

#[derive(Debug)]
enum Component {
    Shipped(&'static str),
    Fixture(&'static str),
}

/// How the lines of a plugin's files look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// As log-jsonl writes them: each event in JSON.
    Json,
    /// As the fixture `unsteady` writes them: `<text> <attempt>;`.
    Text,
}

impl Plugin {
    /// Whether it gives the event of this number up.
    pub(super) fn rejects(&self, number: u64) -> bool {
        self.rejects_every.is_some_and(|every| number.is_multiple_of(every))
    }

    /// Its manifest; each build of it is another generation for the daemon.
    pub(super) fn manifest(&self, build: u32) -> String {
        let Self { name, filter, manifest, .. } = self;
        let asked = self.counts.map(|topic| format!(", \"{topic}\"")).unwrap_or_default();
        let publish = self.publishes.map(|topic| format!("publish = [\"{topic}\"]\n")).unwrap_or_default();
        let folder = match self.writes {
            None => String::new(),
            Some(writes) => {
                let guest = if writes == Writes::Json { "/log" } else { "/data" };
                format!("[[grants.dirs]]\nhost = \"../{FILES}/{name}\"\nguest = \"{guest}\"\nmode = \"read-write\"\n")
            }
        };
        format!("# Build {build}.\nfilters = [\"{filter}\"{asked}]\n{publish}{manifest}{folder}")
    }

    /// Puts it into the plugins folder.
    pub(super) fn put(&self, place: &Place, guests: &Guests, build: u32) -> Result<(), LiveError> {
        let path = match self.component {
            Component::Shipped(name) => guests.plugins.join(name),
            Component::Fixture(name) => guests.fixtures.join(name),
        };
        place.put(self.name, Some(&self.manifest(build)), &read(&path.with_extension("wasm"))?)
    }
}

/// The one that is taken out of the folder and put back.
pub(super) const AWAY: &str = "away";

/// All of them.
pub(super) const PLUGINS: [Plugin; 7] = [
    Plugin {
        name: "log",
        component: Component::Shipped("log-jsonl"),
        filter: "crash.>",
        manifest: "[config]\nrotate_bytes = 1000000000\n",
        publishes: None,
        writes: Some(Writes::Json),
        counts: None,
        rejects_every: None,
    },
    // Its queue is short, so that most of what is published at once is left in the journal and read from there.
    Plugin {
        name: "relay",
        component: Component::Fixture("republish"),
        filter: "crash.>",
        manifest: "[queue]\nevents_max = 8\n[config]\ntopic = \"out.relay\"\n",
        publishes: Some("out.relay"),
        writes: None,
        counts: None,
        rejects_every: None,
    },
    Plugin {
        name: "log-out",
        component: Component::Shipped("log-jsonl"),
        filter: "out.>",
        manifest: "[config]\nrotate_bytes = 1000000000\n",
        publishes: None,
        writes: Some(Writes::Json),
        counts: None,
        rejects_every: None,
    },
    Plugin {
        name: "unsteady",
        component: Component::Fixture("unsteady"),
        filter: "crash.>",
        manifest: "[queue]\nevents_max = 8\n\
                   [retry]\nbackoff_min_ms = 5\n\
                   [supervision]\nbudget = 1000\nwindow_ms = 1\n\
                   [config]\ntopic = \"out.unsteady\"\nfolder = \"/data\"\nretry_every = 5\ntrap_every = 31\nreject_every = 17\n",
        publishes: Some("out.unsteady"),
        writes: Some(Writes::Text),
        counts: None,
        rejects_every: Some(17),
    },
    // Several at a time: what is settled over the oldest that is not must not come again, and what is not settled must.
    Plugin {
        name: "keyed",
        component: Component::Fixture("unsteady"),
        filter: "crash.>",
        manifest: "instances = 3\nordering_key = \"source\"\n[config]\nfolder = \"/data\"\nretry_every = 7\n",
        publishes: None,
        writes: Some(Writes::Text),
        counts: None,
        rejects_every: None,
    },
    // Several at a time, each of which reads, adds one and writes: what two of them do at the same time is repeated, and what
    // fails or is killed has not counted.
    Plugin {
        name: "count",
        component: Component::Fixture("kv-count"),
        filter: "crash.>",
        manifest: "instances = 3\n[supervision]\nbudget = 1000\nwindow_ms = 1\n[grants]\nkv = true\n\
                   [config]\nretry_every = 11\ntrap_every = 37\n",
        publishes: None,
        writes: None,
        counts: Some("ask.count"),
        rejects_every: None,
    },
    Plugin {
        name: AWAY,
        component: Component::Fixture("unsteady"),
        filter: "crash.>",
        manifest: "[config]\nfolder = \"/data\"\n",
        publishes: None,
        writes: Some(Writes::Text),
        counts: None,
        rejects_every: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_grants_what_the_plugin_needs_and_changes_with_each_build() {
        let [_, relay, _, unsteady, ..] = &PLUGINS;
        let manifest = unsteady.manifest(1);
        assert!(manifest.contains("host = \"../files/unsteady\"\nguest = \"/data\""), "{manifest}");
        assert!(manifest.contains("publish = [\"out.unsteady\"]"), "{manifest}");
        assert!(!relay.manifest(1).contains("grants"), "{}", relay.manifest(1));
        assert_ne!(manifest, unsteady.manifest(2));
        assert!(unsteady.rejects(34) && !unsteady.rejects(35) && !relay.rejects(34));
    }
}
