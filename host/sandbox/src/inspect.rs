//! What a component says of itself, without compiling or running it: contract, imports, exports, and who produced it.
//!
//! The format of the `producers` section is that of the tool conventions (`ProducersSection.md` there). Everything in it is
//! the author's word: shown, never acted upon.

use std::collections::BTreeSet;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wasmparser::{KnownCustom, Parser, Payload, ProducersSectionReader};

use crate::compile::{CompileError, hex, sniff};
use crate::contract::{self, Import};
use crate::grants::Grants;
use crate::text::{cut, prefix};

/// Most names of each kind that are listed.
const NAMES_MAX: usize = 1000;
/// Most producers that are listed.
const PRODUCERS_MAX: usize = 64;
/// Most bytes of one name.
const NAME_BYTES_MAX: usize = 255;
/// Deepest nesting of components in components that is looked into.
const DEPTH_MAX: usize = 64;

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anatomy {
    /// Size of the binary.
    pub size_bytes: usize,
    /// SHA-256 of the binary, in hexadecimal.
    pub sha256: String,
    /// The contract that it exports, such as `plugbus:plugin@0.1.0` or `wasi:messaging@0.2.0-draft`; none where it is no plugin.
    pub contract: Option<String>,
    /// Why this host would not load it, whatever the manifest says.
    pub refused: Option<String>,
    /// The language or toolchain, as far as the producers tell.
    pub language: Option<&'static str>,
    /// Who made it: language, tools and SDKs.
    pub producers: Vec<Producer>,
    /// What it imports, sorted by name.
    pub imports: Vec<NeededImport>,
    /// What it exports, sorted.
    pub exports: Vec<String>,
    /// Core modules in it.
    pub core_modules: usize,
}

/// One entry of a `producers` section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// An import and what it takes to have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeededImport {
    /// The name with its version.
    pub name: String,
    /// What it needs.
    #[serde(flatten)]
    pub need: Need,
}

/// What an import needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "needs", content = "detail", rename_all = "kebab-case")]
pub enum Need {
    /// Nothing: it is always there.
    Nothing,
    /// A line in the manifest's `[grants]`, shown as an example.
    Grant(&'static str),
    /// Another version: this host has the one that is named.
    OtherVersion(&'static str),
    /// What this host does not have.
    Unknown,
}

/// Looks at a component. Costs a pass over its sections, whatever its size.
///
/// # Errors
/// [`CompileError`] where the bytes are no component. One of another world is an answer, see [`Anatomy::refused`].
pub fn inspect(wasm: &[u8]) -> Result<Anatomy, CompileError> {
    sniff::check(wasm)?;
    let found = walk(wasm)?;
    let imports: Vec<String> = found.imports.into_iter().collect();
    let exports: Vec<String> = found.exports.into_iter().collect();
    let refused = contract::of(&exports).and_then(|_| contract::check_imports(&imports)).err();
    let producers: Vec<Producer> = found.producers.into_iter().collect();
    Ok(Anatomy {
        size_bytes: wasm.len(),
        sha256: hex(&Sha256::digest(wasm)),
        contract: contract::named(&exports),
        refused: refused.map(|error| error.to_string()),
        language: language(&producers),
        producers,
        imports: imports.iter().map(|name| NeededImport::of(name)).collect(),
        exports,
        core_modules: found.core_modules,
    })
}

/// What the walk collects; each set is bounded.
#[derive(Default)]
struct Found {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    producers: BTreeSet<Producer>,
    core_modules: usize,
}

fn walk(wasm: &[u8]) -> Result<Found, CompileError> {
    let mut found = Found::default();
    // How many modules and components deep: only what stands at the top is the component's own interface.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::ModuleSection { .. } => {
                found.core_modules += 1;
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    note(&mut found.imports, import.map_err(|error| invalid(&error))?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    note(&mut found.exports, export.map_err(|error| invalid(&error))?.name.name);
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(producers) = section.as_known() {
                    note_producers(&mut found.producers, producers);
                }
            }
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(CompileError::Invalid(format!("its components are nested more than {DEPTH_MAX} deep")));
        }
    }
    Ok(found)
}

fn invalid(error: &wasmparser::BinaryReaderError) -> CompileError {
    CompileError::Invalid(cut(&error.to_string(), 4 << 10).into_owned())
}

fn note(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < NAMES_MAX {
        names.insert(prefix(name, NAME_BYTES_MAX).to_owned());
    }
}

/// A section that is malformed ends there: it is a remark on the component, not a part of it.
fn note_producers(producers: &mut BTreeSet<Producer>, section: ProducersSectionReader<'_>) {
    for field in section.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            if producers.len() >= PRODUCERS_MAX {
                return;
            }
            let text = |text: &str| prefix(text, NAME_BYTES_MAX).to_owned();
            producers.insert(Producer {
                field: text(field.name),
                name: text(value.name),
                version: text(value.version),
            });
        }
    }
}

/// What an import needs, for a reader. Pure.
fn need(import: &str) -> Need {
    match contract::classify(import) {
        Import::OtherVersion(have) => Need::OtherVersion(have),
        Import::Unknown => Need::Unknown,
        known => known.grant().map_or(Need::Nothing, Need::Grant),
    }
}

impl NeededImport {
    /// An import by its name.
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), need: need(name) }
    }

    /// Whether a manifest with these grants gives it.
    #[must_use]
    pub fn is_given(&self, grants: &Grants) -> bool {
        contract::classify(&self.name).is_given(grants)
    }
}

/// Names by which toolchains are known, the most telling first: an interpreter is itself written in C or Rust.
const LANGUAGES: &[(&str, &str)] = &[
    ("componentize-py", "Python"),
    ("componentize-qjs", "JavaScript (QuickJS)"),
    ("quickjs", "JavaScript (QuickJS)"),
    ("componentize-js", "JavaScript (StarlingMonkey)"),
    ("tinygo", "Go (TinyGo)"),
    ("go", "Go"),
    ("rust", "Rust"),
    ("zig", "Zig"),
    ("c++", "C++"),
    ("c_plus_plus", "C++"),
    ("c11", "C"),
    ("c99", "C"),
    ("clang", "C"),
];

/// The language, as far as the producers tell. Pure.
fn language(producers: &[Producer]) -> Option<&'static str> {
    let names: Vec<String> = producers.iter().map(|producer| producer.name.to_lowercase()).collect();
    // A name counts when it is the whole name or its beginning, up to something that is no letter: `go` is not `google`.
    let begins = |name: &str, known: &str| {
        name.strip_prefix(known).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '+'))
    };
    LANGUAGES.iter().find(|(known, _)| names.iter().any(|name| begins(name, known))).map(|(_, language)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn the_interface_is_what_stands_at_the_top_and_nothing_nested() {
        let wasm = component(
            r#"(component
                (import "wasi:keyvalue/store@0.2.0-draft" (instance))
                (import "wasi:http/types@0.2.6" (instance))
                (import "wasi:io/poll@0.3.0" (instance))
                (import "some:thing/odd" (instance))
                (component (import "wasi:clocks/wall-clock@0.2.0" (instance)) (core module) (instance) (export "x" (instance 1)))
                (core module)
                (instance $own)
                (export "plugbus:plugin/subscriber@0.1.3" (instance $own)))"#,
        );
        let anatomy = inspect(&wasm).unwrap();
        let needs: Vec<_> = anatomy.imports.iter().map(|import| (import.name.as_str(), import.need.clone())).collect();
        assert_eq!(
            needs,
            [
                ("some:thing/odd", Need::Unknown),
                ("wasi:http/types@0.2.6", Need::Grant("http = [\"https://host\"]")),
                ("wasi:io/poll@0.3.0", Need::OtherVersion("0.2")),
                ("wasi:keyvalue/store@0.2.0-draft", Need::Grant("kv = true")),
            ]
        );
        assert_eq!(anatomy.exports, ["plugbus:plugin/subscriber@0.1.3"]);
        assert_eq!(anatomy.contract.as_deref(), Some("plugbus:plugin@0.1.3"));
        assert!(anatomy.refused.unwrap().contains("some:thing/odd"));
        assert_eq!((anatomy.core_modules, anatomy.size_bytes), (2, wasm.len()));
    }

    #[test]
    fn a_component_of_another_world_is_described_and_what_is_none_is_an_error() {
        let anatomy = inspect(&component("(component)")).unwrap();
        assert_eq!(anatomy.contract, None);
        assert!(anatomy.refused.unwrap().contains("exports nothing"));
        assert_eq!(inspect(b""), Err(CompileError::Empty));
        assert_eq!(inspect(b"\0asm\x01\0\0\0"), Err(CompileError::CoreModule));
        let mut cut_off = component("(component (core module (memory 1)))");
        cut_off.truncate(cut_off.len() - 3);
        assert!(matches!(inspect(&cut_off), Err(CompileError::Invalid(_))));
    }

    #[test]
    fn the_language_is_told_by_the_most_telling_producer() {
        let producers = |names: &[&str]| {
            let made = |name: &&str| Producer { field: "x".into(), name: (*name).into(), version: String::new() };
            names.iter().map(made).collect::<Vec<_>>()
        };
        let table: [(&[&str], Option<&str>); 6] = [
            (&["Rust", "rustc", "wit-component"], Some("Rust")),
            (&["clang LLVM", "Rust", "componentize-py"], Some("Python")),
            (&["Go", "wit-component"], Some("Go")),
            (&["google-thing"], None),
            (&["C11", "clang"], Some("C")),
            (&[], None),
        ];
        for (names, expected) in table {
            assert_eq!(language(&producers(names)), expected, "{names:?}");
        }
    }
}
