//! A journal that is not what was written: the start is refused with the file, the place in it and the way out, and that way
//! leads out.

use std::fs;
use std::path::PathBuf;

use crate::guest::Guest;
use crate::support::Place;

const EVENTS: usize = 60;

/// A journal of some pages that was closed in order.
fn filled() -> Place {
    let place = Place::new();
    place.plugin("p", &Guest::replies('a').binary(), "");
    let daemon = place.daemon();
    let line = |n: usize| format!("{{\"type\":\"hook.x\",\"id\":\"id-{n}\",\"data\":\"{}\"}}\n", "x".repeat(1000));
    let ended = place.run_with(&["emit", "--lines"], &(0..EVENTS).map(line).collect::<String>());
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    daemon.stop();
    place
}

fn database(place: &Place) -> PathBuf {
    place.path().join(".plugbus/journal/journal.db")
}

/// What a start says that is refused; nothing is changed by it.
fn refused(place: &Place) -> String {
    let before = fs::read(database(place)).unwrap();
    let ended = place.run(&["run"]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("plugbus: cannot start: cannot use the journal in "), "{}", ended.stderr);
    assert_eq!(fs::read(database(place)).unwrap(), before);
    ended.stderr
}

/// The way out that the message names: what is left is sound, and a daemon runs on it.
fn repaired(place: &Place, told: &str) -> u64 {
    assert!(told.contains("`plugbus journal repair`"), "{told}");
    assert_eq!(place.run(&["journal", "verify"]).code(), Some(1));
    place.ok(&["journal", "repair"]);
    place.ok(&["journal", "verify"]);
    let daemon = place.daemon();
    let seq = place.json(&["emit", "hook.x"])["seq"].as_u64().unwrap();
    daemon.stop();
    seq
}

#[test]
fn a_flipped_bit_in_the_middle_stops_the_start_with_file_and_place() {
    let place = filled();
    let mut bytes = fs::read(database(&place)).unwrap();
    let text = b"id-30";
    let at = bytes.windows(text.len()).rposition(|found| found == text).unwrap();
    bytes[at] ^= 1;
    fs::write(database(&place), bytes).unwrap();
    let told = refused(&place);
    let expected = format!("journal.db is damaged at byte {}: ", at / 4096 * 4096);
    assert!(told.contains(&expected), "{expected}: {told}");
    assert_eq!(repaired(&place, &told), EVENTS as u64 + 1, "the numbers go on");
}

#[test]
fn a_file_that_was_cut_off_stops_the_start_with_file_and_place() {
    let place = filled();
    let bytes = fs::read(database(&place)).unwrap();
    let half = bytes.len() / 2;
    fs::write(database(&place), &bytes[..half]).unwrap();
    let told = refused(&place);
    assert!(told.contains(&format!("journal.db is damaged at byte {half}: ")), "{told}");
    assert!(repaired(&place, &told) > 1, "what was before the cut is there");
}
