//! `emit` and `tail`.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::support::{Place, wait};

/// What `tail --json -n COUNT` shows of what is emitted meanwhile.
fn tailed(place: &Place, count: usize, filters: &[&str], emit: impl FnOnce()) -> Vec<Value> {
    let number = count.to_string();
    let args = [&["tail", "--json", "-n", number.as_str()], filters].concat();
    let tail = place.spawn(&args);
    place.wait_watchers(1);
    emit();
    let output = tail.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn data_comes_from_the_argument_or_the_standard_input() {
    let place = Place::new();
    let daemon = place.daemon();
    let seen = tailed(&place, 6, &[], || {
        place.ok(&["emit", "a.json", r#"{"n":12345678901234567890}"#]);
        place.ok(&["emit", "a.text", "hello"]);
        place.run_with(&["emit", "a.piped"], "{\n\"x\": 1}\n");
        place.run_with(&["emit", "a.dash", "-"], "from stdin");
        place.ok(&["emit", "a.none"]);
        place.ok(&["emit", "a.number", "-5"]);
    });
    let data: Vec<&Value> = seen.iter().map(|event| &event["data"]).collect();
    assert_eq!(data[1..], [&json!("hello"), &json!({ "x": 1 }), &json!("from stdin"), &Value::Null, &json!(-5)]);
    assert_eq!(data[0]["n"], json!(12345678901234567890_u64));
    assert_eq!(seen[0]["datacontenttype"], "application/json");
    assert_eq!(seen[1]["datacontenttype"], "text/plain");
    daemon.stop();
}

#[test]
fn attributes_are_what_was_asked_for() {
    let place = Place::new();
    let daemon = place.daemon();
    let seen = tailed(&place, 1, &["a"], || {
        let options = ["--id", "7", "--source", "me", "--subject", "s", "--ext", "k=v=w", "--ext", "n=1"];
        place.ok(&[&["emit", "a", "1", "--content-type", "text/csv"][..], &options].concat());
    });
    let event = &seen[0];
    assert_eq!((&event["id"], &event["source"], &event["subject"]), (&json!("7"), &json!("me"), &json!("s")));
    assert_eq!((&event["k"], &event["n"], &event["datacontenttype"]), (&json!("v=w"), &json!("1"), &json!("text/csv")));
    assert_eq!(event["data"], "1");
    daemon.stop();
}

#[test]
fn emit_is_silent_on_a_pipe_and_shows_its_receipt_as_json() {
    let place = Place::new();
    let daemon = place.daemon();
    assert_eq!(place.ok(&["emit", "a"]), "");
    let receipt = place.json(&["emit", "a", "--id", "x"]);
    assert_eq!((&receipt["id"], &receipt["matched"], &receipt["seq"]), (&json!("x"), &json!(0), &json!(2)));
    daemon.stop();
}

#[test]
fn lines_are_published_in_order_and_a_bad_one_is_named() {
    let place = Place::new();
    // The watcher must see everything, however late it comes to read.
    let daemon = place.daemon_with(|command| command.args(["--clients-watch-events-max", "100000"]));
    let mut input = String::new();
    for n in 0..2000 {
        input.push_str(&format!("{{\"type\":\"a.{}\",\"id\":\"{n}\"}}\n", n % 7));
    }
    let seen = tailed(&place, 2000, &["a.*"], || {
        assert!(place.run_with(&["emit", "--lines"], &input).status.success());
    });
    let ids: Vec<String> = seen.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.iter().enumerate().all(|(n, id)| *id == n.to_string()));

    let ended =
        place.run_with(&["emit", "--lines"], "{\"type\":\"a\"}\n\nbroken\n{\"type\":\"a..b\"}\n{\"type\":\"a\"}");
    assert_eq!(ended.code(), Some(1));
    assert!(ended.stderr.contains("line 3: not JSON at column 1"), "{}", ended.stderr);
    assert!(ended.stderr.contains("line 4: event: attribute `type`"), "{}", ended.stderr);
    assert_eq!(place.json(&["stats"])["bus"]["accepted"], 2002);

    let seen = tailed(&place, 2, &["b"], || {
        let ended = place.run_with(&["emit", "--lines", "b", "--subject", "s", "--json"], "{\"x\":1}\nplain\n");
        assert_eq!(ended.stdout.lines().count(), 2);
        let last: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["line"], 2);
    });
    assert_eq!(
        (&seen[0]["data"], &seen[1]["data"], &seen[1]["subject"]),
        (&json!({ "x": 1 }), &json!("plain"), &json!("s"))
    );
    daemon.stop();
}

#[test]
fn data_over_a_bound_is_refused_with_the_bound() {
    let place = Place::new();
    let daemon = place.daemon();
    let event = place.run_with(&["emit", "a"], &"x".repeat((1 << 20) + 1));
    assert_eq!(event.code(), Some(1));
    assert!(event.stderr.contains("data has 1048577 bytes; at most 1048576 are allowed"), "{}", event.stderr);
    // So long that the daemon stops reading before the client stops writing.
    for args in [&["emit", "a"][..], &["emit", "--lines", "a"]] {
        let line = place.run_with(args, &"x".repeat(16 << 20));
        assert_eq!(line.code(), Some(1));
        assert!(line.stderr.contains("the most that is allowed here"), "{}", line.stderr);
    }
    let fits = "\u{1}".repeat(1 << 20);
    assert!(place.run_with(&["emit", "a"], &fits).status.success(), "escapes do not make it too long");
    daemon.stop();
}

#[test]
fn a_stream_that_goes_on_is_published_line_by_line() {
    use std::io::Write;
    let place = Place::new();
    let daemon = place.daemon();
    let mut emit = place.spawn(&["emit", "--lines", "a"]);
    let mut input = emit.stdin.take().unwrap();
    for n in 1..=3 {
        // In one piece with an empty line, which is no event and must not hold up the one before it.
        input.write_all(format!("{n}\n\n").as_bytes()).unwrap();
        // Not held back until the stream ends.
        wait("the line is published", || (place.json(&["stats"])["bus"]["accepted"] == n).then_some(()));
    }
    daemon.kill();
    writeln!(input, "4").unwrap();
    drop(input);
    let output = emit.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("closed the connection") || errors.contains("may not be published"), "{errors}");
}

#[test]
fn wait_and_request_show_what_subscribers_said() {
    let place = Place::new();
    place.plugin("letters", &Guest::traps_on_bad('x').binary(), "[retry]\nattempts = 1\n");
    let daemon = place.daemon();
    assert_eq!(place.ok(&["emit", "hook.good", "--request"]), "x\n");
    let settled = place.ok(&["emit", "hook.good", "--wait"]);
    assert!(
        settled.contains("plugin/letters") && settled.contains("acked") && settled.contains("reply: x"),
        "{settled}"
    );
    let trapped = place.run(&["emit", "hook.bad", "--wait=20000"]);
    assert_eq!(trapped.code(), Some(1));
    assert!(trapped.stdout.contains("dead letter") && trapped.stdout.contains("trap"), "{trapped:?}");
    let nobody = place.run(&["emit", "nobody", "--request=1000"]);
    assert_eq!((nobody.code(), nobody.stderr.as_str()), (Some(1), "plugbus: nobody subscribes to `nobody`\n"));
    assert_eq!(place.ok(&["emit", "nobody", "--wait"]), "no subscription matched\n");
    let lines = place.run_with(&["emit", "--lines", "hook.good", "--wait"], "1\n2\n");
    assert_eq!(lines.stdout.lines().filter(|line| line.contains("plugin/letters  acked")).count(), 2, "{lines:?}");
    daemon.stop();
}

#[test]
fn tail_is_readable_and_ends_quietly_when_nobody_reads() {
    let place = Place::new();
    let daemon = place.daemon();
    let mut tail = place.spawn(&["tail"]);
    place.wait_watchers(1);
    place.ok(&["emit", "a.b", r#"{"x": 1.50}"#, "--source", "me", "--subject", "s\u{1b}"[..1].as_ref()]);
    let mut out = BufReader::new(tail.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.ends_with("a.b me (s)  {\"x\": 1.50}\n"), "{line}");
    drop(out);
    let status = wait("tail ends", || {
        place.ok(&["emit", "a.b"]);
        tail.try_wait().unwrap()
    });
    assert!(status.success());
    daemon.stop();
}
