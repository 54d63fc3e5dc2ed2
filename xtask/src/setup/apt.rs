//! Fetches Debian packages into a folder of our own: nothing on the system is installed or changed, and no root is needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use thiserror::Error;

use crate::process::{self, ProcessError};
use crate::setup::TARGET;
use crate::setup::sources::{self, Mirror};

/// Where the packages are found: the releases that have a compiler as new as ours.
const SUITES: &[&str] = &["trixie-backports", "forky", "sid"];

/// Suites by which Debian's main archive is recognised in the system's sources, beside the system's own codename.
const KNOWN_SUITES: &[&str] =
    &["stable", "testing", "unstable", "oldstable", "bookworm", "trixie", "forky", "sid", "trixie-backports"];

/// For each call of apt: the indexes of three suites are some 30 MB.
const APT_LIMIT: Duration = Duration::from_secs(300);

/// Why the packages are not here.
#[derive(Debug, Error)]
pub(super) enum AptError {
    #[error("the files in /etc/apt name no Debian mirror (a `deb` source with `main`)")]
    NoMirror,
    #[error("cannot use {path}")]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the mirror has no `{package}`{wanted}; it has: {found}")]
    NoVersion { package: &'static str, wanted: String, found: String },
    #[error("the package `{package}` does not hold {path}")]
    Content { package: &'static str, path: PathBuf },
}

/// What was fetched and unpacked.
pub(super) struct Packages {
    /// The `library` folder of the compiler's sources.
    pub(super) library: PathBuf,
    /// The folder of wasi-libc for our target: `libc.a` and the start-up objects.
    pub(super) libc: PathBuf,
}

/// Fetches and unpacks the sources of the standard library of exactly `release`, and wasi-libc.
pub(super) fn fetch(folder: &Path, release: &str) -> Result<Packages, AptError> {
    let mirror = system_mirror().ok_or(AptError::NoMirror)?;
    println!("setup: using the system's own Debian mirror for {}", SUITES.join(", "));
    let apt = Apt::new(&folder.join("apt"), &mirror)?;
    // One suite that cannot be read is no reason to stop: what counts is whether the packages are found.
    match process::run_within(apt.command("apt-get").args(["-qq", "update"]), APT_LIMIT) {
        Ok(()) => {}
        Err(error @ ProcessError::Start { .. }) => return Err(error.into()),
        Err(error) => println!("setup: {error}; going on with the suites that could be read"),
    }

    let rust_src = apt.version("rust-src", Some(release))?;
    let wasi_libc = apt.version("wasi-libc", None)?;
    let unpacked = folder.join("packages");
    remake(&unpacked)?;
    apt.unpack("rust-src", &rust_src, &unpacked)?;
    apt.unpack("wasi-libc", &wasi_libc, &unpacked)?;

    let library = unpacked.join(format!("usr/src/rustc-{release}/library"));
    let libc = unpacked.join("usr/lib").join(TARGET);
    holds("rust-src", &library.join("std/Cargo.toml"))?;
    holds("wasi-libc", &libc.join("libc.a"))?;
    Ok(Packages { library, libc })
}

/// The mirror that the system's own sources name.
fn system_mirror() -> Option<Mirror> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
    let suites: Vec<&str> = std::iter::once(codename.trim_matches('"')).chain(KNOWN_SUITES.iter().copied()).collect();

    let mut files: Vec<PathBuf> = fs::read_dir("/etc/apt/sources.list.d")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    files.iter().find_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        match path.extension()?.to_str()? {
            "list" => sources::from_list(&text, &suites),
            "sources" => sources::from_deb822(&text, &suites),
            _ => None,
        }
    })
}

/// apt with a state of its own, under one folder.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path, mirror: &Mirror) -> Result<Self, AptError> {
        for part in ["lists/partial", "cache/archives/partial", "download"] {
            make(&folder.join(part))?;
        }
        let lines: String = SUITES.iter().map(|suite| mirror.line(suite) + "\n").collect();
        write(&folder.join("sources.list"), &lines)?;
        // An empty list of installed packages, so that those of the system play no part.
        write(&folder.join("status"), "")?;
        write(&folder.join("apt.conf"), &settings(folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// A command of the apt family, told to keep to our folder. The system's proxy and credentials stay in force.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    /// The newest version of a package, of those whose upstream part is `upstream`.
    fn version(&self, package: &'static str, upstream: Option<&str>) -> Result<String, AptError> {
        let table = process::read(self.command("apt-cache").args(["madison", package]))?;
        newest(&table, upstream).map(str::to_owned).ok_or_else(|| AptError::NoVersion {
            package,
            wanted: upstream.map(|version| format!(" of version {version}")).unwrap_or_default(),
            found: list_or_nothing(&table),
        })
    }

    /// Downloads one package and unpacks it into `into`.
    fn unpack(&self, package: &'static str, version: &str, into: &Path) -> Result<(), AptError> {
        let download = self.folder.join("download");
        remake(&download)?;
        let wanted = format!("{package}={version}");
        let mut get = self.command("apt-get");
        process::run_within(get.args(["-qq", "download", &wanted]).current_dir(&download), APT_LIMIT)?;
        let in_download = |source| AptError::Folder { path: download.clone(), source };
        let mut files = fs::read_dir(&download).map_err(in_download)?.flatten().map(|entry| entry.path());
        let file = files
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .ok_or_else(|| AptError::Content { package, path: download.join("*.deb") })?;
        process::run(Command::new("dpkg-deb").arg("--extract").arg(file).arg(into))?;
        Ok(())
    }
}

/// Settings read after the system's own: every folder is ours, and the system's hooks stay out of it.
fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Dir::Etc::SourceList \"{folder}/sources.list\";\n\
         Dir::Etc::SourceParts \"-\";\n\
         Dir::State \"{folder}\";\n\
         Dir::State::Lists \"{folder}/lists\";\n\
         Dir::State::Status \"{folder}/status\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         #clear APT::Update;\n\
         // Root's apt drops to a user that may have no way into our folder; signatures are checked all the same.\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::Retries \"3\";\n"
    )
}

/// The first version in a table of `apt-cache madison` (it sorts the newest first) whose upstream part is `upstream`.
fn newest<'a>(table: &'a str, upstream: Option<&str>) -> Option<&'a str> {
    versions(table).find(|version| upstream.is_none_or(|wanted| upstream_of(version) == wanted))
}

/// The second column: `rust-src | 1.95.0+dfsg1-1 | http://… forky/main amd64 Packages`.
fn versions(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim)
}

/// `1.95.0` of `1:1.95.0+dfsg1-1~bpo13+1`.
fn upstream_of(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

fn list_or_nothing(table: &str) -> String {
    let all: Vec<&str> = versions(table).collect();
    if all.is_empty() { "nothing of that name".to_owned() } else { all.join(", ") }
}

fn holds(package: &'static str, path: &Path) -> Result<(), AptError> {
    if path.exists() { Ok(()) } else { Err(AptError::Content { package, path: path.to_owned() }) }
}

fn make(path: &Path) -> Result<(), AptError> {
    fs::create_dir_all(path).map_err(|source| AptError::Folder { path: path.to_owned(), source })
}

/// An empty folder, whatever was there before.
fn remake(path: &Path) -> Result<(), AptError> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(|source| AptError::Folder { path: path.to_owned(), source })?;
    }
    make(path)
}

fn write(path: &Path, text: &str) -> Result<(), AptError> {
    fs::write(path, text).map_err(|source| AptError::Folder { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  rust-src | 1.96.0+dfsg1-2 | http://m.example/debian sid/main amd64 Packages\n\
                         \x20 rust-src | 1.95.0+dfsg1-1~bpo13+1 | http://m.example/debian trixie-backports/main amd64 Packages\n";

    #[test]
    fn the_version_that_equals_the_compilers_is_taken() {
        assert_eq!(newest(TABLE, Some("1.95.0")), Some("1.95.0+dfsg1-1~bpo13+1"));
        assert_eq!(newest(TABLE, None), Some("1.96.0+dfsg1-2"));
        assert_eq!(newest(TABLE, Some("1.9")), None);
        assert_eq!(newest("", None), None);
    }

    #[test]
    fn upstream_is_what_stands_between_epoch_and_revision() {
        for version in ["1.95.0", "1.95.0-1", "1.95.0+dfsg1-1~bpo13+1", "2:1.95.0~rc1"] {
            assert_eq!(upstream_of(version), "1.95.0", "{version}");
        }
    }

    #[test]
    fn a_missing_version_lists_what_there_is() {
        assert_eq!(list_or_nothing(TABLE), "1.96.0+dfsg1-2, 1.95.0+dfsg1-1~bpo13+1");
        assert_eq!(list_or_nothing(""), "nothing of that name");
    }
}
