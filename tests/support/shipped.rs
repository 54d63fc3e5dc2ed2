//! The plugins of this repository, as they are shipped: the built component and the sample manifest beside its source.

use std::fs;
use std::path::Path;

use plugbus_fixtures::built;
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

/// The recorded hooks, one JSON object each.
pub(crate) fn hooks() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hooks.jsonl");
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}
