//! The papers are true: what README and ARCHITECTURE name exists, and the numbers they give are those of the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plugbus::config::Config;
use plugbus::loader::manifest::{KEYS, Manifest};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file of the workspace, without what is built.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What stands between backticks, code blocks left out.
fn code(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.lines().flat_map(|line| line.split('`').skip(1).step_by(2))).collect()
}

#[test]
fn the_embedding_of_the_readme_is_the_example() {
    let readme = read("README.md");
    let block = readme.split("```rust\n").find(|block| block.contains("Host::builder()")).unwrap();
    let block = block.split("```").next().unwrap();
    assert!(include_str!("../../examples/embed.rs").contains(block), "not in examples/embed.rs:\n{block}");
}

#[test]
fn the_manifest_of_the_readme_is_taken() {
    let readme = read("README.md");
    let block = readme.split("```toml\n").find(|block| block.contains("[secrets.")).unwrap();
    let manifest =
        Manifest::parse(Path::new("README.md"), block.split("```").next().unwrap().as_bytes(), Path::new(""));
    let grants = manifest.unwrap().grants;
    assert_eq!((grants.http.len(), grants.tcp.len(), grants.secrets.len()), (2, 3, 1));
}

#[test]
fn what_the_papers_link_to_exists() {
    for (paper, folder) in [
        ("README.md", ""),
        ("CONTRIBUTING.md", ""),
        ("host/ARCHITECTURE.md", "host"),
        ("plugin-sdk/rust/README.md", "plugin-sdk/rust"),
    ] {
        let text = read(paper);
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            assert!(file.is_empty() || root().join(folder).join(file).exists(), "{paper} links to {link}");
        }
    }
}

#[test]
fn the_tests_and_files_that_the_architecture_names_exist() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let all: Vec<(String, String)> =
        files.iter().map(|path| (path.to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())).collect();
    let text = read("host/ARCHITECTURE.md");
    let mut tests = 0;
    for name in code(&text).into_iter().collect::<BTreeSet<_>>() {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if name.ends_with(".rs") {
            let file = format!("/{name}");
            assert!(all.iter().any(|(path, _)| path.ends_with(&file)), "no file {name}");
        } else if plain && name.matches('_').count() >= 3 {
            // With so many words it is the name of a test, or of a key.
            tests += 1;
            let function = format!("fn {name}(");
            let known = all.iter().any(|(_, source)| source.contains(&function));
            assert!(known || KEYS.iter().any(|key| key.name == name), "no test {name}");
        }
    }
    assert!(tests > 60, "{tests} tests named");
}

#[test]
fn the_arrows_between_crates_are_those_of_the_page() {
    for (name, allowed) in [
        ("bus", &[][..]),
        ("sandbox", &["plugbus-bus"]),
        ("loader", &["plugbus-bus", "plugbus-sandbox"]),
        (
            "plugbus",
            &["plugbus-bus", "plugbus-gateway", "plugbus-journal", "plugbus-loader", "plugbus-otlp", "plugbus-sandbox"],
        ),
        ("otlp", &["plugbus-bus"]),
        ("gateway", &["plugbus-bus"]),
        ("journal", &["plugbus-bus"]),
        ("author", &["plugbus"]),
        ("cli", &["plugbus", "plugbus-author"]),
    ] {
        let manifest: toml::Table = toml::from_str(&read(&format!("host/{name}/Cargo.toml"))).unwrap();
        let all = manifest["dependencies"].as_table().unwrap().keys();
        let (ours, others): (Vec<&String>, Vec<&String>) = all.partition(|name| name.starts_with("plugbus"));
        assert_eq!(ours, allowed, "{name}");
        let engine = others.iter().any(|name| name.starts_with("wasmtime"));
        assert_eq!(engine, name == "sandbox", "only the sandbox names wasmtime");
    }
}

/// `64 MiB`, `500 million`, `5 s`, `1,024` as the key's own unit.
fn number(text: &str, key: &str) -> u64 {
    let (count, unit) = text.split_once(' ').unwrap_or((text, ""));
    let count: u64 = count.replace(',', "").parse().unwrap_or_else(|_| panic!("{key}: {text}"));
    let factor = match unit {
        "" | "ms" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "million" => 1_000_000,
        "billion" => 1_000_000_000,
        "s" => 1_000,
        "min" => 60_000,
        other => panic!("{key}: unit {other}"),
    };
    assert_eq!(key.ends_with("_ms"), ["ms", "s", "min"].contains(&unit), "{key}: {text}");
    count * factor
}

#[test]
fn the_defaults_of_the_readme_are_those_of_the_code() {
    let readme = read("README.md");
    let section = readme.split("\n## Limits and defaults\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let config = serde_json::to_value(Config::default()).unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 20);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, shown, key] = cells[..] else { panic!("{row}") };
        let key = key.trim_matches('`');
        let (table, name) = key.split_once('.').unwrap_or(("", key));
        let of_manifest = KEYS.iter().find(|known| (known.section, known.name) == (table, name));
        let of_config = config.pointer(&format!("/{}", key.replace('.', "/"))).and_then(Value::as_u64);
        let real: Option<u64> = of_manifest.map(|known| known.default.parse().unwrap()).or(of_config);
        assert_eq!(Some(number(shown, key)), real, "{row}");
    }
}
