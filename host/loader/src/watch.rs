//! Hints that the plugins folder may have changed. The scan is the truth; a lost hint costs the time to the next rescan.
//!
//! The folder is watched, not the files in it. A watch holds on to the folder it was made for, so one that has been removed
//! or replaced is watched anew: [`Watch::rearm`], before every scan. Hints are one flag, set by the system's notifications
//! and taken by the loader: nothing queues up, nobody waits, and a flood of them (or an overflow in the kernel, which comes
//! as one more hint) is one hint.
//!
//! Where the system refuses to watch (no watches left, a file system without notifications), the rescan goes on alone. That
//! is logged once and shows in the loader's statistics.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::stamp::FileId;

/// Watches one folder.
pub(crate) struct Watch {
    dir: PathBuf,
    hints: Arc<Notify>,
    armed: Option<Armed>,
    /// Whether the last attempt failed: then it is logged no more until one works.
    refused: bool,
    rearmed: u64,
}

struct Armed {
    folder: FileId,
    /// The folder itself has been moved or removed. The next one may well have its inode number.
    lost: Arc<AtomicBool>,
    /// Watches for as long as it lives.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// A watch of a folder that need not exist yet. From the first [`Watch::rearm`] on it notifies `hints` when the folder
    /// may have changed.
    pub(crate) fn new(dir: &Path, hints: Arc<Notify>) -> Self {
        Self { dir: dir.to_owned(), hints, armed: None, refused: false, rearmed: 0 }
    }

    /// Makes sure that it is the folder which is there now that is watched. To be called before each scan, so that nothing
    /// can change unseen between the two.
    pub(crate) fn rearm(&mut self) {
        let folder = fs::metadata(&self.dir).ok().map(|metadata| FileId::of(&metadata));
        let holds = |armed: &Armed| Some(armed.folder) == folder && !armed.lost.load(Relaxed);
        if self.armed.as_ref().is_some_and(holds) {
            return;
        }
        self.armed = None;
        // A missing folder is the scan's to report.
        let Some(folder) = folder else { return };
        match arm(&self.dir, self.hints.clone()) {
            Ok((watcher, lost)) => {
                self.armed = Some(Armed { folder, lost, _watcher: watcher });
                self.rearmed += 1;
                self.refused = false;
            }
            Err(error) if !self.refused => {
                self.refused = true;
                tracing::warn!(dir = %self.dir.display(), %error, "cannot watch the plugins folder; changes are seen at the next rescan only");
            }
            Err(_) => {}
        }
    }

    /// Whether the folder is watched, apart from being rescanned.
    pub(crate) fn is_armed(&self) -> bool {
        self.armed.is_some()
    }

    /// How often a folder was begun to be watched.
    pub(crate) fn armed_count(&self) -> u64 {
        self.rearmed
    }
}

fn arm(dir: &Path, hints: Arc<Notify>) -> notify::Result<(RecommendedWatcher, Arc<AtomicBool>)> {
    let lost = Arc::new(AtomicBool::new(false));
    let (folder, is_lost) = (dir.to_owned(), lost.clone());
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // An error here means that notifications were lost: as good a reason to look as any.
        let hint = event.as_ref().map_or(true, |event| is_hint(&event.kind));
        if event.is_ok_and(|event| is_about(&event, &folder)) {
            is_lost.store(true, Relaxed);
        }
        if hint {
            hints.notify_one();
        }
    })?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok((watcher, lost))
}

/// Whether the folder itself has been moved or removed.
fn is_about(event: &notify::Event, folder: &Path) -> bool {
    matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
        && event.paths.iter().any(|path| path == folder)
}

/// Everything but reading: the loader's own reads must not make it look again.
fn is_hint(kind: &EventKind) -> bool {
    let EventKind::Access(access) = kind else { return true };
    matches!(access, AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    /// Whether a hint comes; the bound is only met where none does.
    async fn hinted(watch: &Watch) -> bool {
        tokio::time::timeout(Duration::from_secs(10), watch.hints.notified()).await.is_ok()
    }
    /// Forgets hints that have come, so that the next one is due to what follows.
    async fn quiet(watch: &Watch) {
        while tokio::time::timeout(Duration::from_millis(50), watch.hints.notified()).await.is_ok() {}
    }

    #[tokio::test]
    async fn every_way_to_change_the_folder_gives_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut watch = Watch::new(dir.path(), Arc::default());
        watch.rearm();
        assert!(watch.is_armed());
        let changes: [(&str, &dyn Fn()); 6] = [
            ("create", &|| fs::write(path("a.wasm"), "1").unwrap()),
            ("write in place", &|| fs::write(path("a.wasm"), "2").unwrap()),
            ("rename over", &|| {
                fs::write(path("b.tmp"), "3").unwrap();
                fs::rename(path("b.tmp"), path("a.wasm")).unwrap();
            }),
            ("remove", &|| fs::remove_file(path("a.wasm")).unwrap()),
            ("link", &|| symlink("one", path("..data")).unwrap()),
            ("relink", &|| {
                symlink("two", path("..data_tmp")).unwrap();
                fs::rename(path("..data_tmp"), path("..data")).unwrap();
            }),
        ];
        for (what, change) in changes {
            change();
            assert!(hinted(&watch).await, "{what}");
            quiet(&watch).await;
        }
    }

    #[test]
    fn reading_is_no_hint_and_an_overflow_is_one() {
        for mode in [AccessMode::Read, AccessMode::Any] {
            assert!(!is_hint(&EventKind::Access(AccessKind::Open(mode))));
            assert!(!is_hint(&EventKind::Access(AccessKind::Close(mode))));
        }
        assert!(is_hint(&EventKind::Access(AccessKind::Close(AccessMode::Write))));
        // How notify reports that the kernel's queue ran over.
        assert!(is_hint(&EventKind::Other));
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_is_watched_anew() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("plugins");
        let mut watch = Watch::new(&dir, Arc::default());
        watch.rearm();
        assert!(!watch.is_armed(), "there is nothing to watch yet");
        fs::create_dir(&dir).unwrap();
        watch.rearm();
        watch.rearm();
        assert_eq!(watch.armed_count(), 1);
        fs::rename(&dir, parent.path().join("old")).unwrap();
        fs::create_dir(&dir).unwrap();
        watch.rearm();
        assert_eq!(watch.armed_count(), 2);
        quiet(&watch).await;
        fs::write(dir.join("a.wasm"), "1").unwrap();
        assert!(hinted(&watch).await);
    }

    #[tokio::test]
    async fn a_folder_made_anew_is_watched_anew_even_with_the_same_inode() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("plugins");
        fs::create_dir(&dir).unwrap();
        let mut watch = Watch::new(&dir, Arc::default());
        watch.rearm();
        fs::remove_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        for _ in 0..1000 {
            watch.rearm();
            if watch.armed_count() == 2 {
                break;
            }
            hinted(&watch).await;
        }
        quiet(&watch).await;
        fs::write(dir.join("a.wasm"), "1").unwrap();
        assert!(hinted(&watch).await);
    }
}
