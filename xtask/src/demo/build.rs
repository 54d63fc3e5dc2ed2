//! What the demo needs and may have to be built first. Safe to repeat: what is there is not built again.

use std::path::PathBuf;

use crate::guests::{self, Guests};
use crate::live::place::{read, read_text};
use crate::process;
use crate::programs;
use crate::setup::{self, TARGET};
use crate::workspace::Workspace;

use super::DemoError;
use super::facts::{COUNT, LOG, NORMALIZE, RELAY, SPINS, TRAPS};

/// The cargo feature that makes the changed build of normalize-hooks.
pub(super) const FEATURE: &str = "stamp";
/// What the sample manifest of relay-webhook has where a real one has its own origin.
const SAMPLE_ORIGIN: &str = "https://hooks.example.com";

/// Programs, plugins and recorded hooks, all as they are shipped.
pub(super) struct Built {
    /// `plugbus`; `plugbusd` is beside it.
    pub(super) program: PathBuf,
    /// The recorded hooks, one a line.
    pub(super) hooks: String,
    /// normalize-hooks, built with the feature [`FEATURE`].
    pub(super) changed: Vec<u8>,
    guests: Guests,
    root: PathBuf,
}

impl Built {
    /// Sets up, builds and reads it all.
    pub(super) fn make(workspace: &Workspace) -> Result<Self, DemoError> {
        setup::run(workspace)?;
        // First, so that the guests' ordinary builds are what is left in cargo's folder.
        let changed = changed(workspace)?;
        let guests = guests::build(workspace)?;
        programs::build(workspace).map_err(DemoError::Build)?;
        let program = workspace.target.join("debug").join("plugbus");
        if !program.exists() {
            return Err(DemoError::NoProgram { path: program });
        }
        let hooks = read_text(&workspace.root.join("tests/data/hooks.jsonl"))?;
        Ok(Self { program, hooks, changed, guests, root: workspace.root.clone() })
    }

    /// The component of a plugin, by its name in the plugins folder.
    pub(super) fn component(&self, name: &str) -> Result<Vec<u8>, DemoError> {
        let (folder, file) = match name {
            TRAPS => (&self.guests.fixtures, "trap-in-handle"),
            SPINS => (&self.guests.fixtures, "spin-forever"),
            _ => (&self.guests.plugins, name),
        };
        Ok(read(&folder.join(file).with_extension("wasm"))?)
    }

    /// The manifest of a plugin: the sample that is shipped with it, with the webhook's origin for the sample's own.
    pub(super) fn manifest(&self, name: &str, origin: &str) -> Result<String, DemoError> {
        match name {
            TRAPS => Ok(bad_manifest("")),
            SPINS => Ok(bad_manifest("[limits]\nfuel_per_event = 50_000_000\n")),
            _ => {
                let sample = read_text(&self.root.join("plugins").join(name).join(name).with_extension("toml"))?;
                adapt(name, sample, origin)
            }
        }
    }
}

/// Builds normalize-hooks once more, with other code in it.
fn changed(workspace: &Workspace) -> Result<Vec<u8>, DemoError> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--lib", "--target", TARGET, "--profile", guests::PROFILE]);
    process::run(cargo.args(["--package", NORMALIZE, "--features", FEATURE])).map_err(DemoError::Build)?;
    let file = format!("{}.wasm", NORMALIZE.replace('-', "_"));
    Ok(read(&workspace.target.join(TARGET).join(guests::PROFILE).join(file))?)
}

/// A sample manifest for this machine. Fails where the sample has changed so much that this no longer fits.
fn adapt(name: &str, sample: String, origin: &str) -> Result<String, DemoError> {
    let changed = |what: &'static str| DemoError::Sample { name: name.to_owned(), what };
    match name {
        RELAY if sample.matches(SAMPLE_ORIGIN).count() == 2 => Ok(sample.replace(SAMPLE_ORIGIN, origin)),
        RELAY => Err(changed("https://hooks.example.com (twice)")),
        // The folder of the demo has its `log` where the sample says.
        LOG if !sample.contains("host = \"../log\"") => Err(changed("host = \"../log\"")),
        COUNT if !sample.contains("publish = [\"stats.topics\"]") => Err(changed("publish = [\"stats.topics\"]")),
        _ => Ok(sample),
    }
}

/// The manifest of a plugin that is bad on purpose: it gets some of the hooks, and gives up sooner than by default. Not
/// durable: taken out of the folder, it leaves dead letters and no place in the journal.
fn bad_manifest(more: &str) -> String {
    format!("filters = [\"hook.post-tool-use.>\"]\ndurable = false\n[retry]\nattempts = 2\nbackoff_min_ms = 50\n{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_the_relay_gets_the_origin_of_the_webhook() {
        let sample = include_str!("../../../plugins/relay-webhook/relay-webhook.toml").to_owned();
        let adapted = adapt(RELAY, sample.clone(), "http://127.0.0.1:1").unwrap();
        assert!(adapted.contains("\nurl = \"http://127.0.0.1:1/plugbus\"\n"), "{adapted}");
        assert!(adapted.contains("\nhttp = [\"http://127.0.0.1:1\"]\n"), "{adapted}");
        let error = adapt(RELAY, sample.replace(SAMPLE_ORIGIN, "https://other.example"), "x").unwrap_err();
        assert!(error.to_string().contains("relay-webhook"), "{error}");
    }

    #[test]
    fn the_samples_of_the_others_stay_as_they_are() {
        for (name, sample) in [
            (NORMALIZE, include_str!("../../../plugins/normalize-hooks/normalize-hooks.toml")),
            (COUNT, include_str!("../../../plugins/count-topics/count-topics.toml")),
            (LOG, include_str!("../../../plugins/log-jsonl/log-jsonl.toml")),
        ] {
            assert_eq!(adapt(name, sample.to_owned(), "x").unwrap(), sample);
        }
        assert!(adapt(LOG, "host = \"/var/log\"".to_owned(), "x").is_err());
    }
}
