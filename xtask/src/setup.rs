//! `cargo xtask setup`: makes the target [`TARGET`] available to the compiler in use.
//!
//! Three ways, in this order: it is there and works; `rustup target add`; built from Debian's packages of the standard
//! library's sources, for machines that reach package registries and nothing else. Safe to run at any time, by several
//! processes at once, and after being interrupted: nothing in the compiler's own folders changes but by a rename at the end.

mod apt;
mod sources;
mod sysroot;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use thiserror::Error;

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;

use self::apt::AptError;
use self::sysroot::{Compiler, SysrootError};

/// The target that every guest is built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// rustup has no limit of its own that covers a network which swallows packets.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Why there is no target.
#[derive(Debug, Error)]
pub(crate) enum SetupError {
    #[error("cannot use {path} as a place to work in")]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot ask the compiler about itself")]
    Compiler(#[source] SysrootError),
    #[error(
        "the target {TARGET} is missing, and neither way to get it worked\n\
         \x20 rustup: {rustup}\n\
         \x20 Debian's packages: {debian}\n\
         to go on, do one of these, then run `cargo xtask setup` again:\n\
         \x20 - on a machine with network access: rustup target add {TARGET}\n\
         \x20 - on Debian: make the mirror in /etc/apt serve `rust-src` {release} and `wasi-libc` (trixie-backports, forky, sid)\n\
         \x20 - copy lib/rustlib/{TARGET} from a machine with the same `rustc --version` to {rustlib}"
    )]
    NoWay { rustup: String, debian: String, release: String, rustlib: PathBuf },
}

/// Does it.
pub(crate) fn run(workspace: &Workspace) -> Result<(), SetupError> {
    let folder = workspace.target.join("setup");
    let in_folder = |source| SetupError::Folder { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(in_folder)?;
    let lock = File::create(folder.join("lock")).map_err(in_folder)?;
    if lock.try_lock().is_err() {
        println!("setup: waiting for another set-up to end");
        lock.lock().map_err(in_folder)?;
    }

    let compiler = Compiler::find().map_err(SetupError::Compiler)?;
    if compiler.works(&folder) {
        println!("setup: {TARGET} is there and works (rustc {})", compiler.release);
        return Ok(());
    }

    println!("setup: rustc {} has no working {TARGET}; asking rustup for it", compiler.release);
    let rustup = match add_with_rustup(&compiler, &folder) {
        Ok(()) => {
            println!("setup: done, {TARGET} came from rustup");
            return Ok(());
        }
        Err(reason) => reason,
    };

    println!("setup: {rustup}; building {TARGET} from Debian's packages");
    match build_from_debian(workspace, &compiler, &folder) {
        Ok(()) => {
            println!("setup: done, {TARGET} was built from Debian's packages");
            Ok(())
        }
        Err(error) => Err(SetupError::NoWay {
            rustup,
            debian: with_causes(&error),
            release: compiler.release.clone(),
            rustlib: compiler.rustlib(),
        }),
    }
}

/// The ordinary way. An error is the reason in words.
fn add_with_rustup(compiler: &Compiler, folder: &Path) -> Result<(), String> {
    let mut rustup = Command::new("rustup");
    // Its backtraces say nothing about a missing network.
    process::run_within(rustup.args(["target", "add", TARGET]).env("RUST_BACKTRACE", "0"), RUSTUP_LIMIT)
        .map_err(|error: ProcessError| error.to_string())?;
    if compiler.works(folder) { Ok(()) } else { Err("rustup added the target, but a trial build fails".to_owned()) }
}

/// The way for machines whose only door is a Debian mirror.
fn build_from_debian(workspace: &Workspace, compiler: &Compiler, folder: &Path) -> Result<(), DebianError> {
    let packages = apt::fetch(folder, &compiler.release)?;
    compiler.install_sources(&packages.library)?;
    compiler.build_target(folder, &packages.libc)?;
    // Cargo does not notice that the standard library under an older build has changed.
    let stale = workspace.target.join(TARGET);
    if stale.exists() {
        println!("setup: removing {}, it was built with another standard library", stale.display());
        fs::remove_dir_all(&stale).map_err(|source| DebianError::Stale { path: stale, source })?;
    }
    if !compiler.works(folder) {
        return Err(DebianError::Trial);
    }
    // Half a gigabyte that nobody needs again. What cannot be removed only takes room.
    for part in ["apt", "packages", "std", "empty"] {
        if let Err(error) = fs::remove_dir_all(folder.join(part)) {
            println!("setup: cannot remove {}: {error}", folder.join(part).display());
        }
    }
    Ok(())
}

/// Where the second way ended.
#[derive(Debug, Error)]
enum DebianError {
    #[error(transparent)]
    Apt(#[from] AptError),
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    #[error("cannot remove {path}")]
    Stale { path: PathBuf, source: io::Error },
    #[error("the target was built, but a trial build fails")]
    Trial,
}

/// An error and its causes on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
