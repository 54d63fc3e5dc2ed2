//! The sample manifests that are shipped with the plugins.

use std::fs;
use std::path::{Path, PathBuf};

use plugbus_loader::Manifest;

/// Each plugin of the repository with its sample manifest.
fn samples() -> Vec<(PathBuf, String)> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let folders = fs::read_dir(plugins).unwrap().map(|entry| entry.unwrap().path());
    let crates = folders.filter(|folder| folder.join("Cargo.toml").exists());
    let samples: Vec<_> = crates
        .map(|folder| {
            let path = folder.join(folder.file_name().unwrap()).with_extension("toml");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, text)
        })
        .collect();
    assert!(samples.len() >= 4, "{samples:?}");
    samples
}

/// Takes the `#` away from every line that is a key or a table, as an operator would who wants another value there.
fn with_defaults_written_out(text: &str) -> String {
    let is_toml =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_toml(rest)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_sample_manifest_is_taken_as_it_is_and_with_its_defaults_written_out() {
    for (path, text) in samples() {
        let parse = |text: &str| {
            Manifest::parse(&path, text.as_bytes(), Path::new("plugins.d"))
                .unwrap_or_else(|error| panic!("{error}\n{text}"))
        };
        let (shipped, written_out) = (parse(&text), parse(&with_defaults_written_out(&text)));
        assert!(text.contains("\n# ") && with_defaults_written_out(&text) != text, "{} has defaults", path.display());
        // Of what the sample grants nothing depends on a default, and what is only a comment grants nothing.
        assert_eq!(shipped.grants, written_out.grants, "{}", path.display());
        assert_eq!(shipped.publish, written_out.publish, "{}", path.display());
        assert_eq!((shipped.limits, shipped.settings.retry), (written_out.limits, written_out.settings.retry));
    }
}

#[test]
fn a_mistake_in_a_sample_would_be_found() {
    assert_eq!(
        with_defaults_written_out("# a note.\n# [retry]\n# attempts = 5\nx = 1"),
        "# a note.\n[retry]\nattempts = 5\nx = 1"
    );
    let (path, text) = samples().remove(0);
    let mistyped = with_defaults_written_out(&text.replacen("[config]", "[confg]", 1));
    assert!(Manifest::parse(&path, mistyped.as_bytes(), Path::new("")).is_err());
}
