//! The rules of the workspace that cargo itself does not check.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The members, as `cargo metadata` describes them.
fn members() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(["metadata", "--no-deps", "--format-version=1"]).current_dir(root()).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn every_dependency_has_one_version_in_the_whole_workspace() {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for member in members() {
        for dependency in member["dependencies"].as_array().unwrap() {
            if dependency["path"].is_null() {
                let (name, version) = (dependency["name"].as_str().unwrap(), dependency["req"].as_str().unwrap());
                wanted.entry(name.to_owned()).or_default().insert(version.to_owned());
            }
        }
    }
    assert!(wanted.len() > 20);
    for (name, versions) in &wanted {
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
    let sandbox: Vec<_> = wanted.iter().filter(|(name, _)| name.starts_with("wasmtime")).collect();
    assert!(sandbox.iter().all(|(_, versions)| versions.iter().all(|version| version == "^48")), "{sandbox:?}");
}

#[test]
fn every_member_has_the_workspaces_licence_and_lints() {
    for member in members() {
        let name = member["name"].as_str().unwrap();
        assert_eq!(member["license"], "MIT OR Apache-2.0", "{name}");
        assert_eq!(member["rust_version"], "1.95", "{name}");
        let manifest = fs::read_to_string(member["manifest_path"].as_str().unwrap()).unwrap();
        // What holds raw bindings says why it has a table of its own; documentation is asked for all the same.
        let own = manifest.contains("[lints.rust]\nmissing_docs = \"warn\"") && manifest.contains("unsafe");
        assert!(manifest.contains("[lints]\nworkspace = true") || own, "{name} has no lints");
    }
}

#[test]
fn the_top_level_holds_what_a_newcomer_looks_for() {
    let files = "Cargo.toml host plugin-sdk plugins wit tests README.md xtask .cargo/config.toml .ci/run LICENSE-MIT LICENSE-APACHE \
                 CHANGELOG.md rust-toolchain.toml deny.toml";
    for file in files.split_whitespace() {
        assert!(root().join(file).exists(), "{file} is missing");
    }
}
