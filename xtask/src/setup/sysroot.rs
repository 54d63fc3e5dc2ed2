//! The compiler's own folder of standard libraries: tells whether the target works, and builds and installs it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use thiserror::Error;

use crate::process::{self, ProcessError};
use crate::setup::TARGET;
use crate::workspace;

/// A guest in small: uses the standard library, and is linked as every plugin is.
const TRIAL: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn trial(n: usize) -> usize { format!(\"{n}\").len() }\n";

/// The first bytes of a component: magic, version 13, layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The empty crate that pulls in the standard library. It stands apart from our workspace.
const EMPTY_MANIFEST: &str =
    "[package]\nname = \"plugbus-empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";

/// Why the standard library could not be installed.
#[derive(Debug, Error)]
pub(crate) enum SysrootError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("`rustc -vV` names no release")]
    NoRelease,
    #[error("cannot write {path}: the compiler's folder has to be writable")]
    Write { path: PathBuf, source: io::Error },
    #[error("the build of the standard library left no libstd in {path}")]
    NoStd { path: PathBuf },
}

/// The compiler in use.
pub(super) struct Compiler {
    /// For example `1.95.0`.
    pub(super) release: String,
    sysroot: PathBuf,
}

impl Compiler {
    pub(super) fn find() -> Result<Self, SysrootError> {
        let sysroot = process::read(workspace::rustc().args(["--print", "sysroot"]))?;
        let version = process::read(workspace::rustc().arg("-vV"))?;
        let release = version.lines().find_map(|line| line.strip_prefix("release: ")).ok_or(SysrootError::NoRelease)?;
        Ok(Self { release: release.trim().to_owned(), sysroot: PathBuf::from(sysroot.trim()) })
    }

    /// Where each target has its folder.
    pub(super) fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    /// Whether the target is there and a guest in small can be built with it. The folder alone proves nothing: it stays
    /// behind when an installation is broken off, and with another compiler's libraries in it nothing compiles.
    pub(super) fn works(&self, folder: &Path) -> bool {
        let libraries = self.rustlib().join(TARGET).join("lib");
        has_std(&libraries) && trial_builds(folder).unwrap_or(false)
    }

    /// Puts the standard library's sources where cargo looks for them.
    pub(super) fn install_sources(&self, library: &Path) -> Result<(), SysrootError> {
        let place = self.rustlib().join("src/rust/library");
        if place.join("std/Cargo.toml").exists() {
            println!("setup: the standard library's sources are already in {}", place.display());
            return Ok(());
        }
        println!("setup: installing the standard library's sources in {}", place.display());
        let staged = place.with_file_name(".library-plugbus");
        remove(&staged)?;
        make(&staged)?;
        process::run(Command::new("cp").arg("-R").arg(library.join(".")).arg(&staged))?;
        swap_in(&staged, &place)
    }

    /// Builds the standard library for our target and installs it with wasi-libc.
    pub(super) fn build_target(&self, folder: &Path, libc: &Path) -> Result<(), SysrootError> {
        let crate_folder = folder.join("empty");
        make(&crate_folder.join("src"))?;
        write(&crate_folder.join("Cargo.toml"), EMPTY_MANIFEST)?;
        write(&crate_folder.join("src/lib.rs"), "")?;
        let output = folder.join("std");
        remove(&output)?;

        println!("setup: building the standard library for {TARGET}, about half a minute");
        process::run(&mut std_build(&crate_folder, &output))?;

        let staged = self.rustlib().join(format!(".{TARGET}-plugbus"));
        remove(&staged)?;
        let libraries = staged.join("lib");
        make(&libraries.join("self-contained"))?;
        copy_all(&output.join(TARGET).join("release/deps"), &libraries, |name| {
            name.ends_with(".rlib") && !name.starts_with("libplugbus_empty")
        })?;
        copy_all(libc, &libraries.join("self-contained"), |name| name == "libc.a" || name.starts_with("crt1"))?;
        if !has_std(&libraries) {
            return Err(SysrootError::NoStd { path: libraries });
        }
        let place = self.rustlib().join(TARGET);
        println!("setup: installing it in {}", place.display());
        swap_in(&staged, &place)
    }
}

/// The call of cargo that builds the standard library, kept apart from this workspace's settings and the user's flags.
fn std_build(crate_folder: &Path, output: &Path) -> Command {
    let mut cargo = workspace::cargo();
    cargo
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
        .current_dir(crate_folder)
        .env("CARGO_TARGET_DIR", output)
        // `-Z` on a stable compiler: these are its own sources, so this is the one use that cannot break.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without the bitcode no guest could be linked with LTO.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Cpanic=abort")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    cargo
}

/// Builds [`TRIAL`] with the flags that plugins are built with, and looks at what came out.
fn trial_builds(folder: &Path) -> io::Result<bool> {
    let source = folder.join("trial.rs");
    let output = folder.join("trial.wasm");
    fs::write(&source, TRIAL)?;
    let status = workspace::rustc()
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "-Copt-level=s",
            "-Clto=fat",
            "-Cpanic=abort",
            "--target",
            TARGET,
        ])
        .arg("-o")
        .arg(&output)
        .arg(&source)
        .stdin(Stdio::null())
        .status()?;
    Ok(status.success() && fs::read(&output)?.starts_with(COMPONENT))
}

fn has_std(libraries: &Path) -> bool {
    fs::read_dir(libraries).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}

/// Replaces `place` with `staged`, which lies in the same folder: whoever looks sees the old, nothing, or all of the new.
fn swap_in(staged: &Path, place: &Path) -> Result<(), SysrootError> {
    remove(place)?;
    fs::rename(staged, place).map_err(|source| SysrootError::Write { path: place.to_owned(), source })
}

fn copy_all(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), SysrootError> {
    let failed = |source| SysrootError::Write { path: to.to_owned(), source };
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if wanted(&entry.file_name().to_string_lossy()) {
            fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), SysrootError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SysrootError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn make(path: &Path) -> Result<(), SysrootError> {
    fs::create_dir_all(path).map_err(|source| SysrootError::Write { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), SysrootError> {
    fs::write(path, text).map_err(|source| SysrootError::Write { path: path.to_owned(), source })
}
