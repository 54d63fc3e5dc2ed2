//! `plugbus hook`, and what becomes of what it leaves: whole processes, with daemons that are there, gone, stopped and killed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Ended, Place, plugbus, wait};

const ANSWER: &str = "{\"continue\": true}\n";
/// Longest time of a hook here: a loaded machine is no fault. What it takes is a figure, `cargo xtask bench hook`.
const SOON: Duration = Duration::from_secs(5);

fn stop(session: &str, n: usize) -> String {
    json!({ "hook_event_name": "Stop", "session_id": session, "n": n }).to_string()
}

/// The data folder that daemons use here.
fn data_dir(place: &Place) -> String {
    place.path().join(".plugbus").to_str().unwrap().to_owned()
}

fn spool(place: &Place) -> PathBuf {
    place.path().join(".plugbus/spool")
}

/// A hook that must end well; what it said on stderr. It has more time than by default: the machine may be busy, and this is
/// not about deadlines.
fn hook(place: &Place, input: &str) -> String {
    hook_with(place, &["--data-dir", &data_dir(place), "--answer-ms", "2000", "--spool-ms", "2000"], input)
}

/// A hook that waits for the daemon for as long as agents are made to wait.
fn hook_in_time(place: &Place, input: &str) -> String {
    hook_with(place, &["--data-dir", &data_dir(place), "--spool-ms", "2000"], input)
}

fn hook_with(place: &Place, options: &[&str], input: &str) -> String {
    let began = Instant::now();
    let ended = place.run_with(&[&["hook"], options].concat(), input);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ANSWER), "{ended:?}");
    ended.stderr
}

/// The first events of the journal on `hook.raw`.
fn journaled(place: &Place, count: usize) -> Vec<Value> {
    let text = place.ok(&["tail", "--from", "1", "-n", &count.to_string(), "--json", "hook.raw"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect()
}

fn counter(place: &Place, pointer: &str) -> u64 {
    place.json(&["stats"]).pointer(pointer).and_then(Value::as_u64).unwrap()
}

#[test]
fn a_hook_is_published_with_its_session_and_its_agent_is_answered() {
    let place = Place::new();
    let daemon = place.daemon();
    assert_eq!(hook(&place, "{\"hook_event_name\": \"Stop\",\n\"session_id\": \"s1\", \"x\": 1.50}"), "");
    let options = [
        "--answer-ms",
        "2000",
        "--source",
        "other",
        "--topic",
        "agent.raw",
        "--subject-from",
        "thread",
        "--ext",
        "k=v",
        "--print",
        "",
    ];
    let other = place.run_with(&[&["hook"], &options[..]].concat(), r#"{"thread": "t", "hook_event_name": 5}"#);
    assert_eq!((other.code(), other.stdout.as_str(), other.stderr.as_str()), (Some(0), "", ""));
    hook_with(&place, &["--answer-ms", "2000", "--data", r#"{"session_id":"arg"}"#], "");
    let text = place.ok(&["tail", "--from", "1", "-n", "3", "--json"]);
    let seen: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = &seen[0];
    assert_eq!(
        (&event["type"], &event["source"], &event["subject"], &event["hook"], &event["datacontenttype"]),
        (&json!("hook.raw"), &json!("claude-code"), &json!("s1"), &json!("Stop"), &json!("application/json"))
    );
    assert!(text.contains("1.50"), "data goes through byte for byte: {text}");
    let other = &seen[1];
    assert_eq!(
        (&other["type"], &other["source"], &other["subject"], &other["k"], &other["hook"]),
        (&json!("agent.raw"), &json!("other"), &json!("t"), &json!("v"), &Value::Null)
    );
    assert_eq!(seen[2]["subject"], "arg");
    assert!(!spool(&place).exists());
    daemon.stop();
}

#[test]
fn without_a_daemon_hooks_wait_and_are_taken_in_in_order_at_the_start() {
    let place = Place::new();
    (0..5).for_each(|n| assert_eq!(hook(&place, &stop("s", n)), ""));
    let daemon = place.starting(|command| command);
    daemon.wait_log("took in what hooks had left taken=5 duplicates=0");
    daemon.wait_log("ready");
    hook(&place, &stop("s", 5));
    assert_eq!(numbers(&journaled(&place, 6)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(fs::metadata(spool(&place)).unwrap().len(), 0);
    assert_eq!((counter(&place, "/spool/taken"), counter(&place, "/journal/last_seq")), (5, 6));
    daemon.stop();
}

#[test]
fn what_waits_in_the_spool_comes_before_the_next_hook() {
    let place = Place::new();
    let daemon = place.daemon_with(|command| command.args(["--spool-look-ms", "86400000"]));
    for n in 0..3 {
        // One that found no daemon, and one that finds it before the daemon has looked by itself.
        hook_with(&place, &["--data-dir", &data_dir(&place), "--socket", "none"], &stop("s", 2 * n));
        hook(&place, &stop("s", 2 * n + 1));
    }
    assert_eq!(numbers(&journaled(&place, 6)), [0, 1, 2, 3, 4, 5]);
    daemon.stop();
}

#[test]
fn the_time_of_an_event_is_that_of_its_hook_and_not_that_of_its_taking_in() {
    let place = Place::new();
    hook(&place, &stop("s", 0));
    let line = fs::read_to_string(spool(&place)).unwrap();
    let daemon = place.daemon();
    let event = &journaled(&place, 1)[0];
    for name in ["time", "id"] {
        assert!(line.contains(event[name].as_str().unwrap()), "{name}: {event} was spooled as {line}");
    }
    daemon.stop();
}

#[test]
fn a_stopped_daemon_has_the_event_once_although_it_was_sent_and_spooled() {
    let place = Place::new();
    let daemon = place.daemon();
    daemon.signal("STOP");
    assert_eq!(hook_in_time(&place, &stop("s", 0)), "");
    assert!(fs::read_to_string(spool(&place)).unwrap().contains(" unsure "));
    daemon.signal("CONT");
    wait("it is taken in without another hook", || (fs::metadata(spool(&place)).unwrap().len() == 0).then_some(()));
    wait("both are there", || (counter(&place, "/bus/duplicates") == 1).then_some(()));
    hook(&place, &stop("s", 1));
    assert_eq!(numbers(&journaled(&place, 2)), [0, 1]);
    assert_eq!(counter(&place, "/journal/last_seq"), 2);
    daemon.stop();
}

#[test]
fn whoever_listens_and_never_answers_or_never_accepts_holds_no_hook_up() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path().join("s")).unwrap();
    hook_in_time(&place, &stop("s", 0));
    let mut waiting = Vec::new();
    // Until the backlog is full: whoever connects now waits.
    loop {
        let (sent, arrived) = std::sync::mpsc::channel();
        let path = place.path().join("s");
        std::thread::spawn(move || drop(sent.send(UnixStream::connect(path))));
        match arrived.recv_timeout(Duration::from_millis(300)) {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
    }
    hook_in_time(&place, &stop("s", 1));
    drop((listener, waiting));
    let lines = fs::read_to_string(spool(&place)).unwrap();
    let sent: Vec<&str> = lines.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(sent, ["unsure", "new"]);
}

#[test]
fn what_is_no_json_or_too_much_of_it_is_said_and_the_agent_goes_on() {
    let place = Place::new();
    let big = format!("\"{}\"", "x".repeat(4 << 20));
    for (input, said) in [
        ("", "not JSON (0 bytes)"),
        ("garbage", "not JSON (7 bytes): expected value at line 1 column 1"),
        ("{\"a\":1} {\"b\":2}", "not JSON"),
        ("{\"a\":", "not JSON"),
        (big.as_str(), "more than 1048576 bytes (`events.data_bytes_max`)"),
        (&"[".repeat(100_000), "not JSON"),
    ] {
        let stderr = hook(&place, input);
        assert!(stderr.contains(said) && stderr.ends_with("nothing is published\n"), "{said}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let mut child = place.spawn(&["hook"]);
    child.stdin.take().unwrap().write_all(b"\"\xff\xfe\"").unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ANSWER), "{ended:?}");
    assert!(!spool(&place).exists());
}

#[test]
fn an_agent_that_leaves_the_pipe_open_is_not_waited_for() {
    let place = Place::new();
    for (input, said) in [(stop("s", 0), ""), ("{\"a\":".to_owned(), "plugbus: the input did not end within 100 ms")] {
        let mut child = place.spawn(&["hook", "--data-dir", &data_dir(&place), "--input-ms", "100"]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        wait("the hook ends", || child.try_wait().unwrap());
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ANSWER), "{ended:?}");
        assert!(ended.stderr.starts_with(said), "{ended:?}");
        drop(stdin);
    }
    assert_eq!(fs::read_to_string(spool(&place)).unwrap().lines().count(), 1);
}

#[test]
fn a_full_spool_and_a_folder_that_cannot_be_are_said_and_the_agent_goes_on() {
    let place = Place::new();
    let limited = |variable: &str, value: &str, n| {
        let mut command = plugbus(place.path());
        command.args(["hook", "--data-dir", &data_dir(&place), "--data", &stop("s", n)]).env(variable, value);
        let ended = Ended::from(command.stdout(Stdio::piped()).output().unwrap());
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ANSWER), "{ended:?}");
        ended.stderr
    };
    (0..2).for_each(|n| assert_eq!(limited("PLUGBUS_SPOOL_EVENTS_MAX", "2", n), ""));
    let full = limited("PLUGBUS_SPOOL_EVENTS_MAX", "2", 2);
    assert!(full.contains("2 events): start the daemon, or raise `spool.events_max`; the event is lost"), "{full}");
    let full = limited("PLUGBUS_SPOOL_BYTES_MAX", "600", 3);
    assert!(full.contains("raise `spool.bytes_max`; the event is lost"), "{full}");
    fs::write(place.path().join("file"), "").unwrap();
    let none = hook_with(&place, &["--data-dir", "file/data"], &stop("s", 4));
    assert!(none.contains("cannot open the spool file/data/spool") && none.contains("the event is lost"), "{none}");
    // What was there first is what comes in.
    let daemon = place.daemon();
    assert_eq!(numbers(&journaled(&place, 2)), [0, 1]);
    assert_eq!(counter(&place, "/journal/last_seq"), 2);
    daemon.stop();
}

#[test]
fn a_spool_that_somebody_keeps_locked_holds_no_hook_up() {
    let place = Place::new();
    assert_eq!(hook(&place, &stop("s", 0)), "");
    let held = fs::File::open(spool(&place)).unwrap();
    held.lock().unwrap();
    let said = hook_with(&place, &["--data-dir", &data_dir(&place)], &stop("s", 1));
    assert_eq!(said, "plugbus: the spool does not take the event in time; it may be lost\n");
    // The daemon is not held up either, and has taken nothing twice when it can empty the file.
    let daemon = place.daemon();
    assert_eq!(counter(&place, "/spool/taken"), 1);
    held.unlock().unwrap();
    wait("it is emptied", || (fs::metadata(spool(&place)).unwrap().len() == 0).then_some(()));
    assert_eq!((counter(&place, "/spool/taken"), counter(&place, "/journal/last_seq")), (1, 1));
    daemon.stop();
}

#[test]
fn a_hook_makes_no_folder_that_nobody_named() {
    let place = Place::new();
    let said = hook_with(&place, &[], &stop("s", 0));
    assert!(said.contains("no daemon answers") && said.contains("no data folder is named (--data-dir"), "{said}");
    assert!(!place.path().join(".plugbus").exists());
    // One that is there already is that of a daemon in this folder.
    fs::create_dir(place.path().join(".plugbus")).unwrap();
    assert_eq!(hook_with(&place, &[], &stop("s", 1)), "");
    assert!(spool(&place).exists());
}

#[test]
fn a_wrong_command_line_never_stops_the_agent() {
    let place = Place::new();
    for args in [
        &["hook", "--fly"][..],
        &["--socket", "s", "hook", "--fly"],
        &["hook", "--answer-ms", "soon"],
        &["hook", "extra"],
    ] {
        let ended = place.run(args);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ANSWER), "{args:?}: {ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
    let refused = hook_with(&place, &["--config", "missing.toml"], &stop("s", 0));
    assert!(refused.contains("cannot read missing.toml"), "{refused}");
    let daemon = place.daemon();
    let refused = hook_with(&place, &["--topic", "a..b", "--answer-ms", "2000"], &stop("s", 0));
    assert!(refused.contains("the daemon refused the event: event: attribute `type`"), "{refused}");
    assert!(!spool(&place).exists(), "what is refused for good need not come again");
    daemon.stop();
}

#[test]
fn lines_of_the_spool_that_are_none_are_put_aside_and_counted_and_the_others_come_in() {
    let place = Place::new();
    hook(&place, &stop("s", 0));
    let mut text = fs::read(spool(&place)).unwrap();
    let changed: Vec<u8> = text.iter().map(|byte| if *byte == b'S' { b'T' } else { *byte }).collect();
    text.extend_from_slice(&changed);
    text.extend_from_slice(b"\xff\x00 no line\n\n");
    fs::write(spool(&place), &text).unwrap();
    hook_with(&place, &["--data-dir", &data_dir(&place), "--topic", "a..b"], &stop("s", 1));
    hook(&place, &stop("s", 2));
    // As a killed hook leaves it.
    let mut text = fs::read(spool(&place)).unwrap();
    text.extend_from_slice(&changed[..40]);
    fs::write(spool(&place), &text).unwrap();
    let daemon = place.starting(|command| command);
    daemon.wait_log("lines of the spool were put aside malformed=3 refused=1");
    daemon.wait_log("ready");
    assert_eq!(numbers(&journaled(&place, 2)), [0, 2]);
    let spooled = place.json(&["stats"])["spool"].clone();
    assert_eq!((&spooled["malformed"], &spooled["refused"], &spooled["bytes"]), (&json!(3), &json!(1), &json!(0)));
    let aside = fs::read(place.path().join(".plugbus/spool.aside")).unwrap();
    assert!(aside.starts_with(&changed) && aside.ends_with(&[&changed[..40], b"\n"].concat()));
    daemon.stop();
}

#[test]
fn what_the_journal_has_no_room_for_stays_in_the_spool_and_hooks_queue_behind_it() {
    let place = Place::new();
    place.plugin("held", &crate::guest::Guest::replies('a').binary(), "filters = [\"hook.raw\"]\n");
    let daemon = place.daemon_with(|command| command.args(["--journal-bytes-max", "1048576"]));
    place.ok(&["plugins", "pause", "held"]);
    let padded = |n: usize| json!({ "session_id": "s", "n": n, "pad": "x".repeat(60_000) }).to_string();
    let mut sent = 0;
    while fs::metadata(spool(&place)).map_or(0, |found| found.len()) < 200_000 {
        hook(&place, &padded(sent));
        sent += 1;
        assert!(sent < 200, "there is room for ever");
    }
    assert!(counter(&place, "/spool/postponed") > 0);
    place.ok(&["plugins", "resume", "held"]);
    wait("all is taken in", || (fs::metadata(spool(&place)).unwrap().len() == 0).then_some(()));
    hook(&place, &padded(sent));
    let expected = u64::try_from(sent).unwrap() + 1;
    assert_eq!(counter(&place, "/journal/last_seq"), expected);
    wait("all is handled", || {
        (place.json(&["plugins", "inspect", "held"])["counters"]["acked"] == expected).then_some(())
    });
    daemon.stop();
}

#[test]
fn hooks_of_many_sessions_arrive_once_and_in_order_while_the_daemon_is_killed_and_started() {
    const SESSIONS: usize = 50;
    const HOOKS: usize = 5;
    let place = Place::new();
    let first = place.daemon();
    let daemon = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let place = &place;
                scope.spawn(move || {
                    for n in 0..HOOKS {
                        let ended = place.run_with(
                            &["hook", "--data-dir", &data_dir(place), "--answer-ms", "200", "--spool-ms", "5000"],
                            &stop(&session.to_string(), n),
                        );
                        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
                    }
                })
            })
            .collect();
        let mut daemon = first;
        while sessions.iter().any(|session| !session.is_finished()) {
            daemon.kill();
            daemon = place.daemon();
        }
        daemon
    });
    wait("all is taken in", || (fs::metadata(spool(&place)).map_or(0, |found| found.len()) == 0).then_some(()));
    let total = SESSIONS * HOOKS;
    assert_eq!(counter(&place, "/journal/last_seq"), u64::try_from(total).unwrap());
    let events = journaled(&place, total);
    let ids: HashSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), total);
    let mut of_session: HashMap<String, Vec<u64>> = HashMap::new();
    for event in &events {
        let session = event["subject"].as_str().unwrap().to_owned();
        of_session.entry(session).or_default().push(event["data"]["n"].as_u64().unwrap());
    }
    for (session, numbers) in of_session {
        assert_eq!(numbers, (0..u64::try_from(HOOKS).unwrap()).collect::<Vec<_>>(), "session {session}");
    }
    daemon.stop();
}

#[test]
fn killed_while_it_takes_in_it_loses_nothing_and_doubles_nothing_even_when_it_remembers_nothing() {
    const EVENTS: usize = 1500;
    let place = Place::new();
    fs::create_dir(place.path().join(".plugbus")).unwrap();
    hook(&place, &stop("s", 0));
    // As many hooks would have left them: the line of one, with other ids and numbers.
    let line = fs::read_to_string(spool(&place)).unwrap();
    let body = line.trim_end().split_once(' ').unwrap().1;
    let lines = (0..EVENTS).map(|n| {
        let id = body.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
        let event = body.replace(id, &format!("id-{n}")).replace("\"n\":0", &format!("\"n\":{n}"));
        let body = format!("{} {:08}", event.rsplit_once(' ').unwrap().0, n + 1);
        format!("{:08x} {body}\n", crc32c::crc32c(body.as_bytes()))
    });
    fs::write(spool(&place), lines.collect::<String>()).unwrap();
    for _ in 0..6 {
        let daemon = place
            .starting(|command| command.args(["--journal-dedupe-age-ms", "1", "--journal-dedupe-events-max", "10"]));
        let journal = place.path().join(".plugbus/journal");
        // Somewhere in the middle: once the journal has grown since the start, or all is done.
        let bytes = || -> u64 {
            let files = fs::read_dir(&journal).into_iter().flatten().flatten();
            files.map(|file| file.metadata().map_or(0, |found| found.len())).sum()
        };
        wait("the journal is there", || (bytes() > 0).then_some(()));
        let began = bytes();
        wait("it takes in", || {
            (bytes() > began + 100_000 || fs::metadata(spool(&place)).unwrap().len() == 0).then_some(())
        });
        daemon.kill();
    }
    let daemon = place
        .daemon_with(|command| command.args(["--journal-dedupe-age-ms", "1", "--journal-dedupe-events-max", "10"]));
    assert_eq!(fs::metadata(spool(&place)).unwrap().len(), 0);
    assert_eq!(counter(&place, "/journal/last_seq"), u64::try_from(EVENTS).unwrap());
    let expected: Vec<u64> = (0..u64::try_from(EVENTS).unwrap()).collect();
    assert_eq!(numbers(&journaled(&place, EVENTS)), expected);
    daemon.stop();
}
