//! The ways in which a plugin's file changes.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use super::build::build;
use crate::support::host::TestHost;

/// One way to put a new build in the place of the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    /// Written elsewhere and renamed, as a careful operator does.
    Rename,
    /// Emptied and written again piece by piece, as a slow copy does. The host may see half of it, and refuse that.
    WriteInPlace,
    /// Deleted, seen to be gone, and created.
    DeleteAndCreate,
    /// A folder of links that are pointed elsewhere at one stroke, as Kubernetes does with a ConfigMap.
    Relink,
}

/// Makes build after build of the plugin `p`.
pub(crate) struct Swapper<'a> {
    host: &'a TestHost,
    number: u16,
}

impl<'a> Swapper<'a> {
    /// Goes on after this build.
    pub(crate) fn new(host: &'a TestHost, number: u16) -> Self {
        Self { host, number }
    }

    /// Puts the next build in place; its number.
    pub(crate) async fn swap(&mut self, how: Swap) -> u16 {
        self.number += 1;
        let bytes = build(self.number);
        match how {
            Swap::Rename => self.host.put_bytes("p.wasm", bytes),
            Swap::WriteInPlace => self.write_in_place(&bytes).await,
            Swap::DeleteAndCreate => self.delete_and_create(&bytes).await,
            Swap::Relink => self.relink(&bytes),
        }
        self.number
    }

    async fn write_in_place(&self, bytes: &[u8]) {
        let mut file = File::create(self.path("p.wasm")).unwrap();
        for piece in bytes.chunks(bytes.len().div_ceil(8)) {
            file.write_all(piece).unwrap();
            // This is no wait for anything: it is the slowness of the copy.
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }

    async fn delete_and_create(&self, bytes: &[u8]) {
        fs::remove_file(self.path("p.wasm")).unwrap();
        let scans = || self.host.loader().stats().scans;
        let before = scans();
        // The first of these may have begun before the file was gone.
        self.host.until("the folder is seen without the file", || scans() >= before + 2).await;
        fs::write(self.path("p.wasm"), bytes).unwrap();
    }

    fn relink(&self, bytes: &[u8]) {
        let version = format!("..version-{}", self.number);
        fs::create_dir(self.path(&version)).unwrap();
        fs::write(self.path(&version).join("p.wasm"), bytes).unwrap();
        let old = fs::read_link(self.path("..data")).ok();
        self.link(&version, "..data");
        match old {
            Some(old) => fs::remove_dir_all(self.host.path("").join(old)).unwrap(),
            // The first time there is a file in the place of the link.
            None => self.link("..data/p.wasm", "p.wasm"),
        }
    }

    /// Points a link elsewhere at one stroke.
    fn link(&self, to: &str, link: &str) {
        symlink(to, self.path("..link-tmp")).unwrap();
        fs::rename(self.path("..link-tmp"), self.path(link)).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.host.path(file)
    }
}
