//! `cargo xtask setup` from outside, with stand-ins for every program that it calls: nothing here touches the network or a
//! real compiler. What the stand-ins are told to do decides which way is taken.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A compiler that has the target when there is a `libstd` in its folder and nobody has broken it.
const RUSTC: &str = r#"
lib="$HERE/sysroot/lib/rustlib/wasm32-wasip2/lib"
case "$*" in
  "--print sysroot") echo "$HERE/sysroot" ;;
  -vV) printf 'rustc 1.95.0 (x 2026-04-14)\nrelease: 1.95.0\n' ;;
  *)
    [ -e "$lib/broken" ] && exit 1
    while [ "$1" != -o ]; do shift; done
    printf '\000asm\015\000\001\000' > "$2" ;;
esac
"#;
/// Knows the workspace as the real one does, and builds a standard library of two empty files.
const CARGO: &str = r#"
if [ "$1" = metadata ]; then exec "$REAL_CARGO" "$@"; fi
deps="$CARGO_TARGET_DIR/wasm32-wasip2/release/deps"
mkdir -p "$deps"
for name in libstd-1 libcore-1 libplugbus_empty-1; do : > "$deps/$name.rlib"; done
"#;
const APT_CACHE: &str = r#"
case "$*" in
  *"madison rust-src") printf ' rust-src | 1.96.0+dfsg1-1 | m sid/main\n rust-src | 1.95.0+dfsg1-1~bpo13+1 | m trixie-backports/main\n' ;;
  *"madison wasi-libc") printf ' wasi-libc | 0.0~git20250101.abc-1 | m forky/main\n' ;;
esac
"#;
const APT_GET: &str = r#"
case "$*" in
  *update) ;;
  *"download rust-src=1.95.0+dfsg1-1~bpo13+1") : > rust-src.deb ;;
  *"download wasi-libc=0.0~git20250101.abc-1") : > wasi-libc.deb ;;
  *) exit 100 ;;
esac
"#;
const DPKG_DEB: &str = r#"
case "$2" in
  *rust-src.deb) mkdir -p "$3/usr/src/rustc-1.95.0/library/std"; : > "$3/usr/src/rustc-1.95.0/library/std/Cargo.toml" ;;
  *wasi-libc.deb) mkdir -p "$3/usr/lib/wasm32-wasip2"; cd "$3/usr/lib/wasm32-wasip2"; : > libc.a; : > crt1-command.o; : > other.a ;;
esac
"#;
/// Adds the target, as with a network.
const RUSTUP: &str = r#"lib="$HERE/sysroot/lib/rustlib/wasm32-wasip2/lib"; mkdir -p "$lib"; rm -f "$lib/broken"; : > "$lib/libstd-1.rlib""#;
const FAILS: &str = "echo 'no network' >&2; exit 1";

/// A machine of stand-ins.
struct Machine {
    folder: TempDir,
}

/// What the set-up said, and whether it succeeded.
#[derive(Debug)]
struct Ended {
    ok: bool,
    text: String,
}

impl Machine {
    /// With a compiler, and nothing else that is of use here.
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(machine.path("bin")).unwrap();
        fs::create_dir_all(machine.path("sysroot/lib/rustlib/src")).unwrap();
        machine.with("rustc", RUSTC).with("cargo", CARGO)
    }

    /// With Debian's tools and a mirror that has everything.
    fn with_debian(self) -> Self {
        self.with("apt-get", APT_GET).with("apt-cache", APT_CACHE).with("dpkg-deb", DPKG_DEB)
    }

    /// With a program, in the place of the one that was there.
    fn with(self, name: &str, script: &str) -> Self {
        let path = self.path("bin").join(name);
        let call =
            format!("#!/bin/sh\nHERE='{}'\necho \"{name} $*\" >> \"$HERE/calls\"\n", self.folder.path().display());
        fs::write(&path, call + script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the target in the compiler.
    fn target(&self) -> PathBuf {
        self.path("sysroot/lib/rustlib/wasm32-wasip2")
    }

    fn setup(&self) -> Ended {
        drop(fs::remove_file(self.path("calls")));
        // The system's own tools of these names must not be found; what the stand-ins need is linked beside them.
        for tool in ["sh", "cp", "mkdir", "rm"] {
            let found =
                ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(tool)).into_iter().find(|path| path.exists());
            drop(std::os::unix::fs::symlink(found.unwrap(), self.path("bin").join(tool)));
        }
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("setup")
            .env("PATH", self.path("bin"))
            .env("CARGO", self.path("bin/cargo"))
            .env("RUSTC", self.path("bin/rustc"))
            .env("REAL_CARGO", env!("CARGO"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        Ended { ok: output.status.success(), text }
    }

    /// The programs that were called, one a line, but for those that only ask.
    fn calls(&self) -> String {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let acts = |line: &&str| !["cargo metadata", "rustc"].iter().any(|quiet| line.starts_with(quiet));
        calls.lines().filter(acts).collect::<Vec<_>>().join("\n")
    }
}

impl Ended {
    /// Whether this machine's own list of sources names a Debian mirror; on another system the second way ends there.
    fn has_mirror(&self) -> bool {
        !self.text.contains("the files in /etc/apt name no Debian mirror")
    }

    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.text.contains(text), "`{text}` is not in:\n{}", self.text);
    }
}

#[test]
fn a_target_that_works_is_left_alone() {
    let machine = Machine::new().with("rustup", FAILS);
    fs::create_dir_all(machine.target().join("lib")).unwrap();
    fs::write(machine.target().join("lib/libstd-1.rlib"), "").unwrap();
    let ended = machine.setup();
    assert!(ended.ok, "{}", ended.text);
    assert_eq!((machine.calls().as_str(), ended.text.lines().count()), ("", 1), "{}", ended.text);
    ended.says("setup: wasm32-wasip2 is there and works (rustc 1.95.0)");
}

#[test]
fn rustup_is_asked_first_and_once() {
    let machine = Machine::new().with("rustup", RUSTUP).with_debian();
    let ended = machine.setup();
    assert!(ended.ok, "{}", ended.text);
    assert_eq!(machine.calls(), "rustup target add wasm32-wasip2");
    ended.says("setup: done, wasm32-wasip2 came from rustup");
    machine.setup().says("is there and works");
    assert_eq!(machine.calls(), "");
}

#[test]
fn a_target_that_is_there_and_does_not_work_is_mended() {
    let machine = Machine::new().with("rustup", RUSTUP);
    fs::create_dir_all(machine.target().join("lib")).unwrap();
    // First no standard library in its folder, then one that nothing can be built with.
    for file in ["half-a-download", "broken"] {
        fs::write(machine.target().join("lib").join(file), "").unwrap();
        machine.setup().says("rustc 1.95.0 has no working wasm32-wasip2");
        machine.setup().says("is there and works");
    }
}

#[test]
fn without_rustup_the_target_is_built_from_debians_packages() {
    let machine = Machine::new().with("rustup", FAILS).with_debian();
    // What a set-up that was broken off leaves behind.
    for half in ["sysroot/lib/rustlib/.wasm32-wasip2-plugbus/lib", "sysroot/lib/rustlib/src/rust/.library-plugbus/std"]
    {
        fs::create_dir_all(machine.path(half)).unwrap();
        fs::write(machine.path(half).join("half"), "").unwrap();
    }
    fs::create_dir_all(machine.path("target/setup/packages/usr/src/rustc-1.95.0/library")).unwrap();
    fs::create_dir_all(machine.path("target/setup/std/old")).unwrap();
    // Guests that were built against another standard library.
    fs::create_dir_all(machine.path("target/wasm32-wasip2/guest")).unwrap();
    let ended = machine.setup();
    ended.says("setup: `rustup target add wasm32-wasip2` ended with exit status: 1; building wasm32-wasip2 from Debian's packages");
    if !ended.has_mirror() {
        return assert!(!ended.ok);
    }
    assert!(ended.ok, "{}", ended.text);
    ended.says("setup: done, wasm32-wasip2 was built from Debian's packages");
    let mut libraries: Vec<_> = walk(&machine.target());
    libraries.sort();
    let expected =
        ["lib/libcore-1.rlib", "lib/libstd-1.rlib", "lib/self-contained/crt1-command.o", "lib/self-contained/libc.a"];
    assert_eq!(libraries, expected);
    assert!(machine.path("sysroot/lib/rustlib/src/rust/library/std/Cargo.toml").exists());
    assert!(!machine.path("target/wasm32-wasip2").exists(), "what is stale goes");
    let mut left = walk(&machine.path("target/setup"));
    left.sort();
    assert_eq!(left, ["lock", "trial.rs", "trial.wasm"]);
    assert_eq!(fs::read_dir(machine.path("sysroot/lib/rustlib")).unwrap().count(), 2, "only `src` and the target");
    machine.setup().says("is there and works");
    assert_eq!(machine.calls(), "");
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let no_rust_src = APT_CACHE.replace("1.95.0+dfsg1-1~bpo13+1", "1.94.0+dfsg1-1");
    let broken_download = APT_GET.replace(": > wasi-libc.deb", "exit 100");
    let empty_package = DPKG_DEB.replace(": > libc.a; ", "");
    let machine = || Machine::new().with("rustup", FAILS);
    let table = [
        (machine(), "is it installed and on the PATH?"),
        (
            machine().with_debian().with("apt-cache", &no_rust_src),
            "the mirror has no `rust-src` of version 1.95.0; it has: 1.96.0+dfsg1-1, 1.94.0+dfsg1-1",
        ),
        (
            machine().with_debian().with("apt-get", &broken_download),
            "download wasi-libc=0.0~git20250101.abc-1` ended with",
        ),
        (machine().with_debian().with("dpkg-deb", &empty_package), "the package `wasi-libc` does not hold"),
        (machine().with_debian().with("cargo", &CARGO.replace("libstd-1 ", "")), "left no libstd in"),
    ];
    for (machine, reason) in table {
        let ended = machine.setup();
        assert!(!ended.ok && !machine.target().exists(), "{}", ended.text);
        ended.says("error: the target wasm32-wasip2 is missing, and neither way to get it worked");
        ended.says("  rustup: `rustup target add wasm32-wasip2` ended with exit status: 1");
        ended.says("on a machine with network access: rustup target add wasm32-wasip2");
        ended.says(&format!("to {}", machine.path("sysroot/lib/rustlib").display()));
        if ended.has_mirror() {
            ended.says(reason);
            // Once the cause is gone, the next one succeeds.
            machine.with_debian().with("cargo", CARGO).setup().says("was built from Debian's packages");
        }
    }
}

/// The files under a folder, relative to it.
fn walk(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        match entry.is_dir() {
            true => files.extend(walk(&entry).into_iter().map(|inner| format!("{name}/{inner}"))),
            false => files.push(name),
        }
    }
    files
}
