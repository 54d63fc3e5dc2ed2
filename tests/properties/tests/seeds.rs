//! Each property holds for its seeds, without a fuzzer, so that the fuzz targets stay true and keep compiling.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use plugbus_properties::ALL;

#[test]
fn every_seed_passes_through_its_target() {
    let mut broken = Vec::new();
    for (name, property) in ALL {
        let seeds = files(&fuzz().join("seeds").join(name));
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            let bytes = fs::read(&seed).unwrap();
            if catch_unwind(|| property(&bytes)).is_err() {
                broken.push(seed);
            }
        }
    }
    assert!(broken.is_empty(), "these inputs break their property: {broken:#?}");
}

#[test]
fn every_property_has_its_fuzz_target_and_no_target_is_without_one() {
    let properties: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let manifest: toml::Table = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap().to_owned());
    assert_eq!(bins.collect::<BTreeSet<_>>(), properties);
    assert_eq!(files(&fuzz().join("seeds")).iter().map(stem).collect::<BTreeSet<_>>(), properties);
    let targets = files(&fuzz().join("fuzz_targets"));
    assert_eq!(targets.iter().map(stem).collect::<BTreeSet<_>>(), properties);
    for target in targets {
        let call = format!("plugbus_properties::{}(data)", stem(&target));
        assert!(fs::read_to_string(&target).unwrap().contains(&call), "{} does not call its own", target.display());
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn stem(path: impl AsRef<Path>) -> String {
    path.as_ref().file_stem().unwrap().to_str().unwrap().to_owned()
}
