use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;

use super::*;

fn spool(folder: &Path) -> Spool {
    Spool::new(folder, &config::Spool::default())
}

fn event(number: usize) -> Box<RawValue> {
    RawValue::from_string(format!(r#"{{"id":"{number}","type":"a"}}"#)).unwrap()
}

/// The events that check out, and how many lines do not.
fn read(spool: &Spool) -> (Vec<String>, usize) {
    let bytes = fs::read(spool.path()).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| parse_line(line).map(|line| line.event.get().to_owned()))
        .partition(Result::is_ok);
    (good.into_iter().map(Result::unwrap).collect(), bad.len())
}

#[test]
fn the_folder_is_made_and_the_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(&folder.path().join("data/more"));
    spool.append(&event(1), Sent::New, 0).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(spool.path()), mode(spool.path().parent().unwrap())), (0o600, 0o700));
}

#[test]
fn what_many_write_at_once_is_all_there_in_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path());
    thread::scope(|scope| {
        for writer in 0..8 {
            let spool = &spool;
            scope.spawn(move || (0..50).for_each(|n| spool.append(&event(writer * 50 + n), Sent::New, 0).unwrap()));
        }
    });
    let (mut events, bad) = read(&spool);
    events.sort();
    let mut expected: Vec<String> = (0..400).map(|n| event(n).get().to_owned()).collect();
    expected.sort();
    assert_eq!((events, bad), (expected, 0));
    let end = spool.end(&spool.open().unwrap(), fs::metadata(spool.path()).unwrap().len()).unwrap();
    assert_eq!(end, End { events: 400, is_torn: false });
}

#[test]
fn a_line_torn_at_any_place_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path());
    spool.append(&event(1), Sent::New, 0).unwrap();
    let first = fs::metadata(spool.path()).unwrap().len();
    spool.append(&event(2), Sent::New, 0).unwrap();
    let whole = fs::read(spool.path()).unwrap();
    for cut in first + 1..size(whole.len()) {
        fs::write(spool.path(), &whole[..usize::try_from(cut).unwrap()]).unwrap();
        spool.append(&event(3), Sent::New, 0).unwrap();
        let (events, bad) = read(&spool);
        // Without its newline alone the line is whole: the newline in front of the next one ends it.
        let is_whole = cut + 1 == size(whole.len());
        let kept: &[usize] = if is_whole { &[1, 2, 3] } else { &[1, 3] };
        assert_eq!(events, kept.iter().map(|n| event(*n).get().to_owned()).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(bad, usize::from(!is_whole), "cut at {cut}");
    }
}

#[test]
fn a_full_spool_refuses_by_number_and_by_bytes_and_keeps_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path(), &config::Spool { events_max: 2, ..config::Spool::default() });
    spool.append(&event(1), Sent::New, 0).unwrap();
    spool.append(&event(2), Sent::New, 0).unwrap();
    let refused = spool.append(&event(3), Sent::New, 0).unwrap_err();
    assert!(matches!(refused, SpoolError::Full { events: 2, key: "spool.events_max", .. }), "{refused}");
    let bytes = fs::metadata(spool.path()).unwrap().len();
    let spool = Spool::new(folder.path(), &config::Spool { bytes_max: bytes + 10, ..config::Spool::default() });
    let refused = spool.append(&event(3), Sent::New, 0).unwrap_err();
    assert!(matches!(refused, SpoolError::Full { key: "spool.bytes_max", .. }), "{refused}");
    assert_eq!(read(&spool), (vec![event(1).get().to_owned(), event(2).get().to_owned()], 0));
}

#[test]
fn a_link_in_the_place_of_the_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "kept").unwrap();
    let spool = spool(folder.path());
    symlink(&elsewhere, spool.path()).unwrap();
    assert!(matches!(spool.append(&event(1), Sent::New, 0), Err(SpoolError::Io { what: "open", .. })));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"kept");
}

#[test]
fn what_is_put_aside_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let line = vec![b'x'; 1 << 20];
    (0..20).for_each(|_| aside::put(&spool, &line).unwrap());
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let bytes: Vec<u64> = files.map(|file| file.metadata().unwrap().len()).collect();
    assert_eq!(bytes.len(), 2, "{bytes:?}");
    assert!(bytes.iter().all(|bytes| *bytes <= aside::BYTES_MAX), "{bytes:?}");
}
