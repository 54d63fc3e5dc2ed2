use std::fs;

use plugbus_sdk::Payload;
use plugbus_sdk::testing::{Host, event};
use tempfile::TempDir;

use super::*;

/// A plugin that writes into a folder of its own.
struct Setup {
    dir: TempDir,
    host: Host<LogJsonl>,
}

impl Setup {
    fn new(more: Value) -> Self {
        Self::in_dir(TempDir::new().unwrap(), more)
    }

    /// Another instance on the same folder, as after a crash or a reload.
    fn in_dir(dir: TempDir, more: Value) -> Self {
        let mut config = json!({ "dir": dir.path() });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let host = Host::new(config).unwrap();
        Self { dir, host }
    }

    fn write(&mut self, data: &str) {
        assert_eq!(self.host.send(event("a.b").id(data).text(data)), Ok(None));
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap()
    }

    /// The ids of the events in a file; every line of it must be JSON.
    fn ids(&self, file: &str) -> Vec<String> {
        let text = self.text(file);
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn files(&self) -> Vec<String> {
        let mut files: Vec<_> =
            fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }
}

#[test]
fn an_event_is_one_line_of_json() {
    let mut setup = Setup::new(json!({}));
    let pretty = event("a.b").raw_json("{\n  \"n\": 1\n}").subject("s").extension("traceparent", "00-a");
    setup.host.send(pretty).unwrap();
    setup.host.send(event("a.c").payload(Payload::new("image/x", vec![0xff, b'\n']))).unwrap();
    let text = setup.text("events.jsonl");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["type"], &lines[0]["data"]["n"], &lines[0]["traceparent"]),
        (&json!("a.b"), &json!(1), &json!("00-a"))
    );
    assert_eq!(lines[1]["data_base64"], "/wo=");
}

#[test]
fn a_new_instance_appends() {
    let mut first = Setup::new(json!({}));
    first.write("1");
    let mut second = Setup::in_dir(first.dir, json!({}));
    second.write("2");
    assert_eq!(second.ids("events.jsonl"), ["1", "2"]);
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_go() {
    let mut setup = Setup::new(json!({ "rotate_bytes": 1024, "keep_files": 2 }));
    for number in 0..10 {
        // About 650 bytes a line: one fits, two do not.
        setup.write(&format!("{number}{}", "x".repeat(250)));
    }
    assert_eq!(setup.files(), ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]);
    let first_characters = |file| setup.ids(file).iter().map(|id| id[..1].to_owned()).collect::<String>();
    assert_eq!(["events.jsonl.2", "events.jsonl.1", "events.jsonl"].map(first_characters), ["7", "8", "9"]);
}

#[test]
fn nothing_is_kept_where_nothing_is_wanted() {
    let mut setup = Setup::new(json!({ "rotate_bytes": 1024, "keep_files": 0 }));
    for number in 0..4 {
        setup.write(&format!("{number}{}", "x".repeat(300)));
    }
    assert_eq!(setup.files(), ["events.jsonl"]);
    assert_eq!(setup.ids("events.jsonl").len(), 1);
}

#[test]
fn a_line_over_the_size_gets_a_file_of_its_own() {
    let mut setup = Setup::new(json!({ "rotate_bytes": 1024 }));
    for data in ["1", &"x".repeat(5000), "3"] {
        setup.write(data);
    }
    assert_eq!(setup.ids("events.jsonl.2"), ["1"]);
    assert_eq!(setup.ids("events.jsonl.1").len(), 1);
    assert_eq!(setup.ids("events.jsonl"), ["3"]);
}

#[test]
fn a_line_that_was_never_finished_is_mended() {
    let whole = r#"{"id":"old"}"#;
    let long = format!(r#"{{"id":"{}"#, "y".repeat(30_000));
    let table = [
        (String::new(), vec!["new"]),
        (format!("{whole}\n"), vec!["old", "new"]),
        (whole.to_owned(), vec!["old", "new"]),
        (format!("{whole}\n{whole}"), vec!["old", "old", "new"]),
        (format!("{whole}\n{{\"id\":\"par"), vec!["old", "new"]),
        ("{\"id".to_owned(), vec!["new"]),
        (format!("{whole}\n{long}"), vec!["old", "new"]),
        (long, vec!["new"]),
    ];
    for (before, ids) in table {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("events.jsonl"), &before).unwrap();
        let mut setup = Setup::in_dir(dir, json!({}));
        setup.write("new");
        assert_eq!(setup.ids("events.jsonl"), ids, "{before:.40}");
    }
}

#[test]
fn a_long_line_of_somebody_else_is_ended_and_not_cut() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("events.jsonl"), vec![b'z'; 9 << 20]).unwrap();
    let mut setup = Setup::in_dir(dir, json!({ "rotate_bytes": 100 << 20 }));
    setup.write("new");
    let text = setup.text("events.jsonl");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0].len()), (2, 9 << 20));
    assert!(setup.host.logs()[0].message.contains("it is ended where it stands"));
}

#[test]
fn a_failed_write_is_retried_and_the_next_one_works() {
    let mut setup = Setup::new(json!({ "sync": true }));
    // A folder in the file's place: opening it for writing fails.
    let path = setup.dir.path().join("events.jsonl");
    fs::create_dir(&path).unwrap();
    let failure = setup.host.send(event("a")).unwrap_err();
    assert!(failure.is_retry() && failure.reason().starts_with("cannot open `"), "{failure}");
    fs::remove_dir(&path).unwrap();
    setup.write("1");
    assert_eq!(setup.ids("events.jsonl"), ["1"]);
}

#[test]
fn a_file_that_somebody_moves_or_writes_to_loses_no_line() {
    let mut setup = Setup::new(json!({}));
    let path = setup.dir.path().join("events.jsonl");
    setup.write("1");
    fs::rename(&path, setup.dir.path().join("moved")).unwrap();
    setup.write("2");
    setup.write("3");
    fs::write(&path, setup.text("events.jsonl") + "{\"id\":\"other\"}\n").unwrap();
    setup.write("4");
    assert_eq!(
        (setup.ids("moved"), setup.ids("events.jsonl")),
        (vec!["1".into()], ["2", "3", "other", "4"].map(String::from).into())
    );
    fs::remove_file(&path).unwrap();
    setup.write("5");
    assert_eq!(setup.ids("events.jsonl"), ["5"]);
}

#[test]
fn nothing_is_touched_before_the_first_event() {
    let setup = Setup::new(json!({}));
    assert!(setup.files().is_empty());
}

#[test]
fn a_wrong_config_is_refused_with_the_key() {
    let dir = TempDir::new().unwrap();
    let table = [
        (json!({ "dir": "/no/such" }), "config: key `dir`: `/no/such` is not a folder this plugin sees; grant it"),
        (json!({ "dir": dir.path(), "file": "../x" }), "config: key `file`: `../x` is not a plain file name"),
        (json!({ "dir": dir.path(), "file": "" }), "config: key `file`: `` is not"),
        (json!({ "dir": dir.path(), "file": ".." }), "config: key `file`: `..` is not"),
        (json!({ "dir": dir.path(), "file": "a/" }), "config: key `file`: `a/` is not"),
        (json!({ "dir": dir.path(), "rotate_bytes": 10 }), "config: key `rotate_bytes`: 10 is less than 1024"),
        (json!({ "dir": dir.path(), "keep_files": 1001 }), "config: key `keep_files`: 1001 is more than 1000"),
        (json!({ "path": "x" }), "config: unknown key `path`"),
    ];
    for (config, reason) in table {
        let refused = Host::<LogJsonl>::new(config).unwrap_err();
        assert!(refused.reason().starts_with(reason), "{refused}");
    }
}
