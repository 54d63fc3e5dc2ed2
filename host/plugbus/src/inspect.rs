//! One component, looked at: what it is, what it needs, and whether its manifest gives that. For `plugbus inspect`.

use std::path::{Path, PathBuf};

use plugbus_bus::Filter;
use plugbus_loader::manifest::Manifest;
use plugbus_sandbox::{Anatomy, CompileError, Need, inspect};
use serde::Serialize;

use crate::check::{self, CheckError};
use crate::report::chain;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Inspect {
    /// The component.
    pub wasm: PathBuf,
    /// Its manifest; `<name>.toml` beside the component when absent, if there is one.
    pub manifest: Option<PathBuf>,
    /// Whether to compile and start it, for the filters that its `init` registers. Seconds for an interpreter's component.
    pub start: bool,
    /// Folder of the compile cache, as in [`crate::check::Check`].
    pub cache_dir: Option<PathBuf>,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct InspectReport {
    /// The plugin's name: the file's stem.
    pub name: String,
    /// What the component says of itself.
    #[serde(flatten)]
    pub anatomy: Anatomy,
    /// The manifest, where there is one.
    pub manifest: Option<PathBuf>,
    /// Lines that are missing under `[grants]`, each with the imports that need it.
    pub missing_grants: Vec<MissingGrants>,
    /// The filters in force: the manifest's, or else those that `init` registered. None where that was not asked or failed.
    pub filters: Option<Vec<Filter>>,
    /// Topics that the manifest lets it publish to.
    pub publish: Vec<Filter>,
    /// Why it did not start, where that was asked.
    pub not_started: Option<String>,
}

/// A grant that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingGrants {
    /// The line, as an example.
    pub line: &'static str,
    /// Who needs it.
    pub imports: Vec<String>,
}

impl InspectReport {
    /// Whether a daemon would load it with this manifest, as far as was looked.
    #[must_use]
    pub fn loads(&self) -> bool {
        self.anatomy.refused.is_none() && self.missing_grants.is_empty() && self.not_started.is_none()
    }
}

/// Looks at a component. Must be called within a tokio runtime.
///
/// # Errors
/// [`CheckError`] where a file cannot be read, is no component, or the manifest is wrong, and where there is no engine. What
/// keeps a component from being loaded is in the report.
pub async fn run(inspect: Inspect) -> Result<InspectReport, CheckError> {
    let Inspect { wasm: path, manifest: named, start, cache_dir } = inspect;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let anatomy = read(&path)?;
    let (manifest, manifest_path) = check::read_manifest(&path, named)?;
    let missing_grants = missing(&anatomy, &manifest);
    let (mut filters, mut not_started) = (Some(manifest.filters.clone()).filter(|given| !given.is_empty()), None);
    if start && anatomy.refused.is_none() && missing_grants.is_empty() {
        let started = check::start(&path, &name, &manifest, std::sync::Arc::default(), cache_dir).await;
        match started.and_then(|handler| check::filters(&path, &manifest, &handler)) {
            Ok(found) => filters = Some(found),
            // That says nothing of the component.
            Err(error @ CheckError::Sandbox(_)) => return Err(error),
            Err(error) => not_started = Some(chain(&error)),
        }
    }
    let publish = manifest.publish.clone();
    Ok(InspectReport { name, anatomy, manifest: manifest_path, missing_grants, filters, publish, not_started })
}

fn read(path: &Path) -> Result<Anatomy, CheckError> {
    let wasm = std::fs::read(path).map_err(|source| CheckError::Read { path: path.to_owned(), source })?;
    inspect(&wasm).map_err(|source: CompileError| CheckError::NoComponent { path: path.to_owned(), source })
}

/// Grants that are needed and not given, in the order of the imports. Pure.
fn missing(anatomy: &Anatomy, manifest: &Manifest) -> Vec<MissingGrants> {
    let mut missing: Vec<MissingGrants> = Vec::new();
    for import in anatomy.imports.iter().filter(|import| !import.is_given(&manifest.grants)) {
        let Need::Grant(line) = import.need else { continue };
        match missing.iter_mut().find(|missing| missing.line == line) {
            Some(known) => known.imports.push(import.name.clone()),
            None => missing.push(MissingGrants { line, imports: vec![import.name.clone()] }),
        }
    }
    missing
}
