//! The plugins of this repository, as they are shipped: the built component and the sample manifest beside its source.

use std::fs;
use std::path::Path;

use plugbus_fixtures::built;
use serde_json::Value;
use toml::Table;

/// The component.
pub(crate) fn component(name: &str) -> Vec<u8> {
    fs::read(built::plugin(name)).unwrap()
}

/// The sample manifest, to the letter.
pub(crate) fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name).join(format!("{name}.toml"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sample manifest with what a test must change.
pub(crate) fn changed_manifest(name: &str, change: impl FnOnce(&mut Table)) -> String {
    let mut table: Table = manifest(name).parse().unwrap();
    change(&mut table);
    table.to_string()
}

/// The sample manifest with times that a busy machine keeps.
pub(crate) fn patient_manifest(name: &str) -> String {
    changed_manifest(name, |table| {
        let limits = table.entry("limits").or_insert_with(|| Table::new().into());
        let times = ["deadline_ms", "deadline_init_ms"].map(|key| (key.to_owned(), 120_000.into()));
        limits.as_table_mut().unwrap().extend(times);
    })
}

/// Whether the plugins of a toolchain were built. Where it could not be had they are skipped, by name; in CI that fails.
pub(crate) fn is_there(tools: &str) -> bool {
    let Some(reason) = built::skipped(tools) else { return true };
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!is_ci, "{tools} was skipped: {reason}");
    println!("{tools} is SKIPPED: {reason}");
    false
}

/// A file of a plugin's samples.
pub(crate) fn sample(name: &str, sample: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name).join("samples");
    serde_json::from_slice(&fs::read(folder.join(sample).with_extension("json")).unwrap()).unwrap()
}

/// The recorded hooks, one JSON object each.
pub(crate) fn hooks() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hooks.jsonl");
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}
