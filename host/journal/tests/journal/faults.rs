//! A system that fails under a real process, and processes that are killed.
//!
//! The tests start this very binary again, as a child that runs one of the `child_…` functions below; `tests/faults/faults.c`
//! lets the system calls of that child fail.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plugbus_bus::journal::{Journal, Write};
use plugbus_bus::{Event, Payload};
use plugbus_journal::{JournalConfig, SyncMode};

use crate::support::{Outcome, Rig, append, event, open, set, settle};

/// Says to the child which part it has, and in which folder.
const CHILD: &str = "PLUGBUS_TEST_CHILD";

fn child(part: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["faults::the_child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, format!("{part}:{}", dir.display()));
    command
}

/// Nothing, but in a process that another test started.
#[test]
fn the_child() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let (part, dir) = job.split_once(':').unwrap();
    let dir = Path::new(dir);
    match part {
        "faults" => child_with_faults(dir),
        "stream" => child_that_streams(dir),
        other => panic!("no part {other}"),
    }
}

/// Builds the library that lets system calls fail.
#[cfg(target_os = "linux")]
fn library(dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/faults/faults.c");
    let library = dir.join("faults.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(compiler.status().unwrap().success());
    library
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_that_fails_costs_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = child("faults", dir.path());
    child.env("LD_PRELOAD", library(dir.path())).env("PLUGBUS_FAULTS", dir.path().join("control"));
    let output = child.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The child ends by a signal, in the middle of a failure.
    assert!(text.contains("the child is done"), "{text}");
    let rig = Rig::open(&dir.path().join("journal"));
    let acknowledged = std::fs::read_to_string(dir.path().join("acknowledged")).unwrap();
    let found: Vec<_> = rig.ids().into_iter().map(|(seq, id)| format!("{seq} {id}")).collect();
    // The very last one was refused when its sync failed, and lies in the log all the same: nobody was told that it is not.
    let told: Vec<_> = acknowledged.lines().collect();
    assert_eq!(found[..told.len()], told[..]);
    assert!(found.len() <= told.len() + 1, "{found:?}");
    rig.append("goes on");
    assert!(matches!(rig.told.wait(1)[..], [Outcome::New { .. }]));
}

struct Faults {
    control: PathBuf,
    acknowledged: std::fs::File,
}

impl Faults {
    /// From now on this fails for files whose names end so.
    fn begin(&self, what: &str, file: &str) {
        let half = self.control.with_extension("new");
        std::fs::write(&half, format!("{what}\n{file}\n")).unwrap();
        std::fs::rename(half, &self.control).unwrap();
    }

    fn end(&self) {
        std::fs::remove_file(&self.control).unwrap();
    }

    fn note(&mut self, outcome: &Outcome) {
        let Outcome::New { id, seq } = outcome else { panic!("{outcome:?}") };
        writeln!(self.acknowledged, "{seq} {id}").unwrap();
    }
}

fn child_with_faults(dir: &Path) {
    let acknowledged = std::fs::File::create(dir.join("acknowledged")).unwrap();
    let mut faults = Faults { control: dir.join("control"), acknowledged };
    let rig = Rig::open(&dir.join("journal"));
    rig.write(open("c", 0));
    let mut told = 0;
    for (round, (what, file, error)) in [
        ("sync", "journal.db-wal", "cannot sync the journal: disk I/O error"),
        ("write", "journal.db-wal", "cannot sync the journal: disk I/O error"),
        ("full", "journal.db-wal", "no room left on the disk of the journal"),
        ("short", "journal.db-wal", "no room left on the disk of the journal"),
    ]
    .into_iter()
    .enumerate()
    {
        rig.append(format!("before-{round}"));
        told += 1;
        faults.note(&rig.told.wait(told)[told - 1]);
        faults.begin(what, file);
        rig.append(format!("refused-{round}"));
        told += 1;
        match &rig.told.wait(told)[told - 1] {
            Outcome::Refused { error: found, .. } => assert!(found.starts_with(error), "{what}: {found}"),
            other => panic!("{what}: {other:?}"),
        }
        let mut settled = settle("c", told as u64, told as u64);
        settled.published = vec![append(event(format!("held-{round}")))];
        settled.state = vec![set("round", &round.to_string())];
        rig.write(Write::Settle(Box::new(settled)));
        assert!(rig.journal.stats().trouble.is_some());
        faults.end();
        told += 1;
        faults.note(&rig.told.wait(told)[told - 1]);
        assert_eq!(rig.state("c")[0].value, round.to_string());
        assert!(rig.ids().iter().all(|(_, id)| !id.starts_with("refused")));
    }
    told = survive_failed_write_back(&rig, &mut faults, told);
    faults.begin("sync", "journal.db-wal");
    rig.append("last");
    rig.told.wait(told + 1);
    println!("the child is done");
    std::io::stdout().flush().unwrap();
    std::process::abort();
}

/// The log cannot be written back into the database: what comes is refused while that is so, at times.
fn survive_failed_write_back(rig: &Rig, faults: &mut Faults, mut told: usize) -> usize {
    faults.begin("sync", "journal.db");
    let mut refused = false;
    for number in 0..300 {
        let mut big = event(format!("big-{number}"));
        big.payload = Payload::new("x/y", vec![7; 100_000]);
        rig.write(Write::Append(Box::new(append(big))));
        told += 1;
        match &rig.told.wait(told)[told - 1] {
            Outcome::Refused { .. } => {
                refused = true;
                break;
            }
            new => faults.note(new),
        }
    }
    assert!(refused, "the database was never synced");
    faults.end();
    let mut number = 0;
    loop {
        number += 1;
        rig.append(format!("after-{number}"));
        told += 1;
        if let new @ Outcome::New { .. } = &rig.told.wait(told)[told - 1] {
            faults.note(new);
            return told;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// How a journal is written while its process is killed: `big` writes its log back and retires events all the time.
fn streamed(dir: &Path) -> JournalConfig {
    let sync = if dir.ends_with("os") { SyncMode::Os } else { SyncMode::Group };
    let bytes_max = if dir.ends_with("big") { 2 << 20 } else { 1 << 30 };
    JournalConfig { sync, bytes_max, ..JournalConfig::new(dir) }
}

/// Publishes without end, and says what was acknowledged.
fn child_that_streams(dir: &Path) {
    let rig = Rig::with(streamed(dir)).unwrap();
    let begin = usize::try_from(rig.journal.span().1).unwrap();
    let bytes = if dir.ends_with("big") { 20_000 } else { 10 };
    rig.write(open("c", 0));
    for number in begin.. {
        let payload = Payload::new("x/y", vec![1; bytes]);
        rig.write(Write::Append(Box::new(append(Event { payload, ..event(number) }))));
        let seq = number as u64;
        let mut counted = settle("c", seq, seq);
        counted.state = vec![set("count", &seq.to_string())];
        rig.write(Write::Settle(Box::new(counted)));
        if number % 16 == 15 {
            let told = rig.told.wait(number - begin);
            assert!(told.iter().all(|outcome| matches!(outcome, Outcome::New { .. })), "{:?}", told.last());
            println!("acknowledged {}", begin + told.len());
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    for mode in ["group", "os", "big"] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join(mode);
        let (mut at_least, mut first) = (0, 0);
        for round in 0..4 {
            let mut process = child("stream", &dir).stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
            let mut numbers = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<usize>().ok());
            for _ in 0..=round * 17 {
                at_least = numbers.next().expect("the child goes on").max(at_least);
            }
            process.kill().unwrap();
            process.wait().unwrap();
            at_least = numbers.last().unwrap_or(0).max(at_least);
            let rig = Rig::with(streamed(&dir)).unwrap();
            let ids = rig.ids();
            // Where it begins is read with the events: retention may go on in the moment it is opened.
            first = ids.first().map_or(first, |(seq, _)| *seq);
            let last = ids.last().map_or(0, |(seq, _)| *seq);
            assert!(last >= at_least as u64, "{last} of {at_least}");
            for ((seq, id), expected) in ids.iter().zip(first..) {
                assert_eq!((*seq, id), (expected, &(expected - 1).to_string()));
            }
            let count = |value: &[u8]| String::from_utf8_lossy(value).parse().unwrap();
            let counted: u64 = rig.state("c").first().map_or(0, |entry| count(&entry.value));
            assert_eq!(rig.recovered.cursors.first().map_or(0, |cursor| cursor.floor), counted);
            rig.close();
        }
        assert_eq!(first > 1, mode == "big", "{mode} begins with {first}");
    }
}
