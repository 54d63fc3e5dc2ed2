//! The files of a new project: templates of the language, and the SDK with the contract, all inside this program.

use std::borrow::Cow;
use std::path::PathBuf;

use rust_embed::RustEmbed;

use crate::language::Language;

/// Where the SDK stands in a project.
pub(crate) const VENDOR: &str = "third_party/plugbus";

#[derive(RustEmbed)]
#[folder = "templates"]
struct Templates;

#[derive(RustEmbed)]
#[folder = "../../wit"]
struct Contract;

#[derive(RustEmbed)]
#[folder = "../../plugin-sdk"]
#[exclude = "rust/tests/*"]
#[exclude = "js/test/*"]
#[exclude = "js/examples/*"]
#[exclude = "js/wit/*"]
#[exclude = "python/tests/*"]
#[exclude = "c/selftest/*"]
#[exclude = "go/*_test.go"]
#[exclude = "*/node_modules/*"]
#[exclude = "*/__pycache__/*"]
#[exclude = "*.egg-info/*"]
#[exclude = "*/.pytest_cache/*"]
#[exclude = "*/.plugbus/*"]
#[exclude = "*/.plugbus-test-*"]
struct Sdk;

/// What is filled into a template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) name: &'a str,
    pub(crate) language: Language,
}

/// A file of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    /// Relative to the project.
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
}

/// Every file of a new project, in the order of their paths.
pub(crate) fn files(values: Values<'_>) -> Vec<NewFile> {
    let mut files = Vec::new();
    for folder in ["common", values.language.name()] {
        let prefix = format!("{folder}/");
        for template in Templates::iter() {
            if let (Some(path), Some(file)) = (template.strip_prefix(&prefix), Templates::get(&template)) {
                files.push(NewFile { path: place(path, values), content: filled(&file.data, values).into_bytes() });
            }
        }
    }
    files.extend(vendored(values.language));
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Where a template goes: `NAME` stands for the plugin, `dot_` for a dot, `.in` is left out. Pure.
fn place(path: &str, values: Values<'_>) -> PathBuf {
    let path = path.strip_suffix(".in").unwrap_or(path);
    path.replace("NAME", values.name).replace("dot_", ".").into()
}

/// Fills a template in. Pure.
fn filled(template: &[u8], values: Values<'_>) -> String {
    let text = String::from_utf8_lossy(template);
    let fields: [(&str, Cow<'_, str>); 6] = [
        ("{{name}}", values.name.into()),
        ("{{snake}}", values.name.replace('-', "_").into()),
        ("{{language}}", values.language.name().into()),
        ("{{title}}", title(values.language).into()),
        ("{{test}}", test_line(values.language).into()),
        ("{{version}}", env!("CARGO_PKG_VERSION").into()),
    ];
    fields.iter().fold(text.into_owned(), |text, (field, value)| text.replace(field, value))
}

fn title(language: Language) -> &'static str {
    match language {
        Language::Rust => "Rust",
        Language::Js => "JavaScript",
        Language::Ts => "TypeScript",
        Language::Python => "Python",
        Language::C => "C",
        Language::Go => "Go",
    }
}

/// The line of the README that says how its tests are run.
fn test_line(language: Language) -> &'static str {
    match language {
        Language::Rust => "cargo test          # the plugin natively, without WebAssembly",
        Language::Js | Language::Ts => "npm test            # the plugin under node, without WebAssembly",
        Language::Python => {
            "python3 third_party/plugbus/plugin-sdk/python/build.py --test   # natively, without WebAssembly"
        }
        Language::C => {
            "python3 third_party/plugbus/plugin-sdk/c/build.py --test        # natively, without WebAssembly"
        }
        Language::Go => {
            "python3 third_party/plugbus/plugin-sdk/go/build.py --test       # go test, without WebAssembly"
        }
    }
}

/// The SDK of a language and the contract, laid out as in plugbus's own repository.
fn vendored(language: Language) -> Vec<NewFile> {
    let folders = std::iter::once(language.sdk()).chain(language.beside_its_sdk());
    let prefixes: Vec<String> = folders.map(|folder| format!("{folder}/")).collect();
    let wanted = move |path: &str| prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()));
    let sdk = Sdk::iter().filter(|path| wanted(path)).filter_map(|path| {
        let file = Sdk::get(&path)?;
        let content = match &*path {
            "rust/Cargo.toml" => without_tests(&String::from_utf8_lossy(&file.data)).into_bytes(),
            _ => file.data.into_owned(),
        };
        Some(NewFile { path: format!("{VENDOR}/plugin-sdk/{path}").into(), content })
    });
    let wit = Contract::iter().filter_map(|path| {
        let content = Contract::get(&path)?.data.into_owned();
        Some(NewFile { path: format!("{VENDOR}/wit/{path}").into(), content })
    });
    let mut files: Vec<NewFile> = sdk.chain(wit).collect();
    let manifest = plugbus::loader::manifest::reference().into_bytes();
    files.push(NewFile { path: format!("{VENDOR}/manifest.md").into(), content: manifest });
    if language == Language::Rust {
        let content = WORKSPACE.replace("{{version}}", env!("CARGO_PKG_VERSION")).into_bytes();
        files.push(NewFile { path: format!("{VENDOR}/Cargo.toml").into(), content });
    }
    files
}

/// The workspace of the vendored SDK: what its manifest inherits. The versions are those of plugbus's own workspace; a test
/// compares them.
const WORKSPACE: &str = include_str!("../templates/sdk-workspace.toml");

/// The SDK's manifest without what only its own tests need. Pure.
fn without_tests(manifest: &str) -> String {
    let mut kept = String::new();
    let mut skipping = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            skipping = matches!(line, "[dev-dependencies]" | "[[test]]");
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(language: Language) -> Vec<NewFile> {
        files(Values { name: "my-relay", language })
    }

    #[test]
    fn every_language_has_source_samples_a_manifest_and_its_sdk_and_nothing_left_to_fill_in() {
        for language in Language::ALL {
            let files = project(*language);
            let paths: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
            for expected in [
                "my-relay.toml",
                "plugbus.build.toml",
                ".gitignore",
                "events/good.json",
                "events/bad-name.json",
                "README.md",
            ] {
                assert!(paths.iter().any(|path| path == expected), "{language:?} has no {expected}: {paths:?}");
            }
            let sdk = format!("{VENDOR}/plugin-sdk/{}/", language.sdk());
            assert!(paths.iter().any(|path| path.starts_with(&sdk)), "{language:?} has no SDK");
            assert!(paths.iter().any(|path| path == "third_party/plugbus/wit/world.wit"));
            for file in files.iter().filter(|file| !file.path.starts_with("third_party")) {
                let text = String::from_utf8_lossy(&file.content);
                assert!(!text.contains("{{") || !text.contains("}}"), "{}: {text}", file.path.display());
            }
        }
    }

    #[test]
    fn the_vendored_workspace_has_the_versions_of_ours() {
        let ours: toml::Table = toml::from_str(include_str!("../../../Cargo.toml")).unwrap();
        let theirs: toml::Table = toml::from_str(&WORKSPACE.replace("{{version}}", "1.0.0")).unwrap();
        let table = |of: &toml::Table| of["workspace"]["dependencies"].as_table().unwrap().clone();
        let (ours, theirs) = (table(&ours), table(&theirs));
        assert!(!theirs.is_empty());
        for (name, dependency) in theirs {
            assert_eq!(Some(&dependency), ours.get(&name), "{name}");
        }
    }
}
